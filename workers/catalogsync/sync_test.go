package catalogsync

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

// withBucket returns JetStream on a server of its own, with the bucket.
func withBucket(t *testing.T) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(bustest.Connect(t, bustest.Start(t, time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	makeBucket(t, js)
	return js
}

func makeBucket(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bus.BucketCatalog, Storage: jetstream.MemoryStorage})
	if err != nil {
		t.Fatal(err)
	}
}

// An upstream answers listings as it is told.
type upstream struct {
	name string

	mu     sync.Mutex
	models []string
	err    error
	asked  atomic.Int32
	gate   chan struct{} // if not nil, listings wait for it
}

func (u *upstream) answer(err error, models ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.models, u.err = models, err
}

func (u *upstream) source() Source {
	return Source{
		Provider: catalog.Provider{Name: u.name, Kind: "openai", Dialect: "openai"},
		List: func(ctx context.Context) (models []catalog.Model, err error) {
			u.asked.Add(1)
			if u.gate != nil {
				select {
				case <-u.gate:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			u.mu.Lock()
			defer u.mu.Unlock()
			for _, id := range u.models {
				models = append(models, catalog.Model{ID: id})
			}
			return models, u.err
		},
	}
}

// run runs a sync until the test ends, or until stop is called.
func run(t *testing.T, js jetstream.JetStream, o Options, upstreams ...*upstream) (s *Sync, stop func()) {
	t.Helper()
	var sources []Source
	for _, u := range upstreams {
		sources = append(sources, u.source())
	}
	s = New(js, sources, o)
	s.checkEvery = 50 * time.Millisecond
	s.pace.gap = 0
	s.lease.every, s.lease.wait = 30*time.Millisecond, time.Second
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// follow returns a function that waits until the published catalog is want: the
// names of its models, with a ? for stale ones.
func follow(t *testing.T, js jetstream.JetStream) (wait func(want ...string)) {
	t.Helper()
	v := catalog.NewView(js, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { v.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return func(want ...string) {
		t.Helper()
		var got []string
		deadline := time.Now().Add(10 * time.Second)
		for {
			got = nil
			for _, l := range v.Index().Models() {
				name := l.Provider.Name + "/" + l.Model.ID
				if l.Model.Stale {
					name += "?"
				}
				got = append(got, name)
			}
			slices.Sort(got)
			if v.Index().Revision() > 0 && slices.Equal(got, want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("catalog = %q, want %q", got, want)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

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
		return len(p) == 1 && p[0].Stale && strings.Contains(p[0].Error, "deadline exceeded")
	})
}

func TestSyncStartsWithWhatTheLastOneKnew(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	o := Options{Database: filepath.Join(t.TempDir(), "allama.db")}
	a, b := &upstream{name: "a", models: []string{"m1"}}, &upstream{name: "b", models: []string{"m2"}}
	_, stop := run(t, js, o, a, b)
	wait("a/m1", "b/m2")
	eventually(t, "save", func() bool { return stored(t, o.Database) == "a/m1 b/m2" })
	stop()

	// b is not configured any more, a does not answer, c is new.
	if err := js.DeleteKeyValue(t.Context(), bus.BucketCatalog); err != nil {
		t.Fatal(err)
	}
	makeBucket(t, js)
	wait = follow(t, js)
	a.gate = make(chan struct{})
	c := &upstream{name: "c", models: []string{"m3"}, gate: make(chan struct{})}
	s, _ := run(t, js, o, c, a)
	<-s.Ready()
	wait("a/m1")
	close(c.gate)
	wait("a/m1", "c/m3")
	close(a.gate)
	eventually(t, "save", func() bool { return stored(t, o.Database) == "c/m3 a/m1" })
}

// stored returns the models in the file.
func stored(t *testing.T, path string) string {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		return err.Error()
	}
	defer s.Close()
	entries, err := s.Load(t.Context())
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, e := range entries {
		for _, m := range e.Models {
			names = append(names, m.Provider+"/"+m.ID)
		}
	}
	return strings.Join(names, " ")
}

func TestSyncGoesOnWithoutADatabase(t *testing.T) {
	dir := t.TempDir()
	corrupt := filepath.Join(dir, "corrupt.db")
	if err := os.WriteFile(corrupt, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, logged string }{
		{"corrupt", corrupt, "not a database"},
		{"in a place that cannot be", filepath.Join(corrupt, "x.db"), "not a directory"},
		{"none", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out syncBuffer
			js := withBucket(t)
			wait := follow(t, js)
			a := &upstream{name: "a", models: []string{"m1"}}
			s, stop := run(t, js, Options{Database: tt.path, Logger: slog.New(slog.NewTextHandler(&out, nil))}, a)
			wait("a/m1")
			a.answer(nil, "m1", "m2")
			s.Trigger()
			wait("a/m1", "a/m2")
			stop()
			if tt.logged == "" {
				if strings.Contains(out.String(), "ERROR") {
					t.Errorf("logged:\n%s", out.String())
				}
				return
			}
			if got := strings.Count(out.String(), "level=ERROR"); got != 1 || !strings.Contains(out.String(), tt.logged) {
				t.Errorf("logged %d errors, want one that says %q:\n%s", got, tt.logged, out.String())
			}
		})
	}
}

func TestSyncUsesTheDatabaseOnceItCanBeUsed(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	o := Options{Database: filepath.Join(t.TempDir(), "allama.db")}
	a, b := &upstream{name: "a", models: []string{"m1"}}, &upstream{name: "b", models: []string{"m2"}}
	_, stop := run(t, js, o, a, b)
	wait("a/m1", "b/m2")
	eventually(t, "save", func() bool { return stored(t, o.Database) == "a/m1 b/m2" })
	stop()

	// While a folder is in the way of the file, and nothing is published, only
	// what answers is known.
	if err := bucket(t, js).Purge(t.Context(), "snapshot"); err != nil {
		t.Fatal(err)
	}
	away := o.Database + ".away"
	move := func(from, to string) {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Rename(from+suffix, to+suffix); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
	move(o.Database, away)
	if err := os.Mkdir(o.Database, 0o700); err != nil {
		t.Fatal(err)
	}
	b.answer(errors.New("refused"))
	s, _ := run(t, js, o, a, b)
	wait("a/m1")

	if err := os.Remove(o.Database); err != nil {
		t.Fatal(err)
	}
	move(away, o.Database)
	a.answer(nil, "m1", "m3")
	s.Trigger()
	wait("a/m1", "a/m3", "b/m2?")
	eventually(t, "save", func() bool { return stored(t, o.Database) == "a/m1 a/m3 b/m2" })
}

func TestALockedDatabaseDoesNotHoldUpTheCatalog(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	path := filepath.Join(t.TempDir(), "allama.db")
	a := &upstream{name: "a", models: []string{"m1"}}
	s, _ := run(t, js, Options{Database: path}, a)
	wait("a/m1")
	eventually(t, "save", func() bool { return stored(t, path) == "a/m1" })

	db, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	a.answer(nil, "m1", "m2")
	s.Trigger()
	wait("a/m1", "a/m2")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the catalog came after %v", took)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "save", func() bool { return stored(t, path) == "a/m1 a/m2" })
}

func TestSyncPublishesAgainWhatTheServerLost(t *testing.T) {
	js := withBucket(t)
	a := &upstream{name: "a", models: []string{"m1"}}
	s, _ := run(t, js, Options{}, a)
	<-s.Ready()
	follow(t, js)("a/m1")
	if err := js.DeleteKeyValue(t.Context(), bus.BucketCatalog); err != nil {
		t.Fatal(err)
	}
	makeBucket(t, js)
	follow(t, js)("a/m1") // a new view: only a new publication can reach it
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
	s := New(withBucket(t), []Source{source}, Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
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
