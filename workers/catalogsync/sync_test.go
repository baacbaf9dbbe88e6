package catalogsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/catalog"
)

func TestSyncListsAtStartOnRequestAndByInterval(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	a, b := &upstream{name: "a", models: []string{"m1"}}, &upstream{name: "b", models: []string{"m2", "m1"}}
	s, stop := run(t, js, Options{}, a, b)
	<-s.Ready()
	wait("a/m1", "b/m1", "b/m2")

	a.answer(nil, "m1", "m3")
	s.Trigger()
	wait("a/m1", "a/m3", "b/m1", "b/m2")
	stop()

	_, _ = run(t, js, Options{Interval: 10 * time.Millisecond}, a, b)
	b.answer(nil, "m2", "m1", "m4")
	wait("a/m1", "a/m3", "b/m1", "b/m2", "b/m4")
}

func TestSyncKeepsModelsThroughTroubles(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	a := &upstream{name: "a", models: []string{"m1", "m2"}}
	s, _ := run(t, js, Options{}, a)
	wait("a/m1", "a/m2")
	steps := []struct {
		name   string
		err    error
		models []string
		want   []string
	}{
		{"a failure", errors.New("refused"), nil, []string{"a/m1?", "a/m2?"}},
		{"another", errors.New("refused"), nil, []string{"a/m1?", "a/m2?"}},
		{"an empty listing", nil, nil, []string{"a/m1?", "a/m2?"}},
		{"one more", nil, nil, []string{"a/m1?", "a/m2?"}},
		{"a model is absent", nil, []string{"m2"}, []string{"a/m1?", "a/m2"}},
		{"absent again", nil, []string{"m2"}, []string{"a/m1?", "a/m2"}},
		{"a failure does not count", errors.New("refused"), nil, []string{"a/m1?", "a/m2?"}},
		{"absent for the third time", nil, []string{"m2"}, []string{"a/m2"}},
		{"it comes back", nil, []string{"m2", "m1"}, []string{"a/m1", "a/m2"}},
	}
	for _, step := range steps {
		asked := a.asked.Load()
		a.answer(step.err, step.models...)
		s.Trigger()
		eventually(t, step.name, func() bool { return a.asked.Load() > asked })
		wait(step.want...)
	}
}

func TestASlowProviderDoesNotHoldBackTheOthers(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	slow := &upstream{name: "slow", models: []string{"m1"}, gate: make(chan struct{})}
	quick := &upstream{name: "quick", models: []string{"m2"}}
	run(t, js, Options{}, slow, quick)
	wait("quick/m2")
	close(slow.gate)
	wait("quick/m2", "slow/m1")
}

func TestAListingThatHangsIsGivenUp(t *testing.T) {
	js := withBucket(t)
	dead := &upstream{name: "dead", gate: make(chan struct{})}
	s, _ := run(t, js, Options{Timeout: 20 * time.Millisecond}, dead)
	v := catalog.NewView(js, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go v.Run(ctx)
	<-s.Ready()
	eventually(t, "report the timeout", func() bool {
		p := v.Index().Providers()
		return len(p) == 1 && p[0].Stale && strings.Contains(p[0].Error, "no worker of dead has answered in time")
	})
}

// A clock that was set back must not make the catalog look older than it was.
func TestRevisionsGrowWhateverTheClockSays(t *testing.T) {
	js := withBucket(t)
	future := uint64(time.Now().Add(time.Hour).UnixMilli())
	if err := catalog.Publish(t.Context(), js, catalog.Snapshot{Revision: future}); err != nil {
		t.Fatal(err)
	}
	run(t, js, Options{}, &upstream{name: "a", models: []string{"m1"}})
	follow(t, js)("a/m1")
	if got, err := catalog.Revision(t.Context(), js); got <= future || err != nil {
		t.Errorf("revision %d, %v, want more than %d", got, err, future)
	}
}

func TestSyncStartsBeforeItsBucket(t *testing.T) {
	js, err := jetstream.New(bustest.Connect(t, bustest.Start(t, time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := run(t, js, Options{}, &upstream{name: "a", models: []string{"m1"}})
	select {
	case <-s.Ready():
		t.Fatal("ready without a bucket")
	case <-time.After(50 * time.Millisecond):
	}
	makeBucket(t, js)
	<-s.Ready()
	follow(t, js)("a/m1")
}

// A broker that is set up a moment later must not cost its clients seconds.
func TestTheFirstSnapshotIsTriedAgainSoon(t *testing.T) {
	js, err := jetstream.New(bustest.Connect(t, bustest.Start(t, time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	s := New(js, nil, Options{})
	s.check(t.Context())
	if wait := time.Until(s.checkAt); wait > time.Second {
		t.Errorf("tried again in %s", wait)
	}
}

func TestSyncLogsATroubleOnce(t *testing.T) {
	var out syncBuffer
	js := withBucket(t)
	a := &upstream{name: "a", err: fmt.Errorf("connection refused")}
	s, stop := run(t, js, Options{Logger: slog.New(slog.NewTextHandler(&out, nil))}, a)
	for i := range int32(3) {
		eventually(t, "list", func() bool { return a.asked.Load() > i })
		s.Trigger()
	}
	a.answer(nil, "m1")
	s.Trigger()
	follow(t, js)("a/m1")
	stop()
	if got := strings.Count(out.String(), "level=WARN"); got != 1 || !strings.Contains(out.String(), `error="connection refused"`) {
		t.Errorf("logged %d warnings, want one with the reason:\n%s", got, out.String())
	}
	if got := strings.Count(out.String(), "models listed"); got != 1 {
		t.Errorf("logged the recovery %d times, want once:\n%s", got, out.String())
	}
}

// A syncBuffer is a buffer that a logger of another goroutine writes to.
// Whoever starts the program again must be told again, though nothing is new.
func TestSyncLogsTheFirstListingOfEveryRun(t *testing.T) {
	db := filepath.Join(t.TempDir(), "a.db")
	js := withBucket(t)
	good, bad := &upstream{name: "good", models: []string{"m1"}}, &upstream{name: "bad", err: errors.New("the key is wrong")}
	for range 2 {
		var out syncBuffer
		_, stop := run(t, js, Options{Database: db, Logger: slog.New(slog.NewTextHandler(&out, nil))}, good, bad)
		for _, want := range []string{`level=INFO msg="models listed"`, `level=WARN msg="models cannot be listed yet`} {
			eventually(t, want, func() bool { return strings.Contains(out.String(), want) })
		}
		eventually(t, "store", func() bool { return strings.Contains(stored(t, db), "m1") })
		stop()
	}
}

func TestSyncLeavesItToOthersToSayThatThereIsNoConnection(t *testing.T) {
	var out syncBuffer
	js := withBucket(t)
	s := New(js, nil, Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	js.Conn().Close()
	s.publish(t.Context())
	if out.String() != "" {
		t.Errorf("without a connection it logged\n%s", out.String())
	}
}

// The end of a trouble that nobody was told of is none.
func TestSyncLogsNoEndWithoutABeginning(t *testing.T) {
	var out syncBuffer
	s := New(withBucket(t), nil, Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	s.reported.say(t.Context(), slog.LevelDebug, "it rains", errors.New("a cloud"))
	s.reported.say(t.Context(), slog.LevelInfo, "it rains", nil)
	if out.String() != "" {
		t.Errorf("it logged\n%s", out.String())
	}
}

func TestSyncDoesNotWarnOfAnOptionalProviderThatWasNeverThere(t *testing.T) {
	var out syncBuffer
	u := &upstream{name: "a", err: errors.New("connection refused")}
	source := u.source()
	source.Optional = true
	js := withBucket(t)
	u.serve(t, js)
	s := New(js, []Source{source}, Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	for _, step := range []struct {
		err  error
		want string
	}{
		{u.err, `level=INFO msg="models cannot be listed yet, trying again"`},
		{nil, `level=INFO msg="models listed"`},
		{u.err, `level=WARN msg="models cannot be listed, keeping the known ones"`},
	} {
		u.answer(step.err, "m1")
		listed := make(chan listing, 1)
		s.lister(0)(t.Context(), listed)
		s.take(<-listed, time.Now())
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if got := lines[len(lines)-1]; !strings.Contains(got, step.want) {
			t.Errorf("after %v it logged %s, want %s", step.err, got, step.want)
		}
	}
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
