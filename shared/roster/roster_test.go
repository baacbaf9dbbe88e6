package roster

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

func names(r Roster) string {
	var list []string
	for _, d := range r.Definitions {
		list = append(list, d.Name+":"+d.Host)
	}
	return strings.Join(list, " ")
}

func TestARosterIsReplacedNotChanged(t *testing.T) {
	one := Roster{}.With(Definition{Name: "b", Host: "1"}).With(Definition{Name: "a", Host: "1"})
	two := one.With(Definition{Name: "b", Host: "2", Inactive: true}).With(Definition{Name: "c"})
	three := two.Without("a").Without("nobody")
	for _, tt := range []struct {
		roster   Roster
		want     string
		revision uint64
		active   int
	}{{one, "a:1 b:1", 2, 2}, {two, "a:1 b:2 c:", 4, 2}, {three, "b:2 c:", 6, 1}} {
		if got := names(tt.roster); got != tt.want || tt.roster.Revision != tt.revision || len(tt.roster.Active()) != tt.active {
			t.Errorf("got %q, revision %d, %d active, want %+v", got, tt.roster.Revision, len(tt.roster.Active()), tt)
		}
	}
	if Check(three) != nil || Check(three.With(Definition{Name: "x", Host: strings.Repeat("h", maxSize)})) == nil {
		t.Error("Check is wrong about what is too large")
	}
}

func TestStatesOfProviders(t *testing.T) {
	r := Roster{}.With(Definition{Name: "a"}).WithState("a", Paused).WithState("b", Draining)
	for _, tt := range []struct {
		name   string
		roster Roster
		a, b   State
	}{
		{"set", r, Paused, Draining},
		{"after another definition", r.With(Definition{Name: "c"}), Paused, Draining},
		{"after a change", r.With(Definition{Name: "a", Host: "h"}).WithState("b", Paused), Paused, Paused},
		{"after one was removed", r.Without("a"), Open, Draining},
		{"open again", r.WithState("a", Open).WithState("b", Open), Open, Open},
	} {
		if a, b := tt.roster.State("a"), tt.roster.State("b"); a != tt.a || b != tt.b {
			t.Errorf("%s: got %s and %s, want %s and %s", tt.name, a, b, tt.a, tt.b)
		}
	}
	if r.State("a") != Paused || r.WithState("a", Open).WithState("b", Open).States != nil {
		t.Error("a roster was changed, or says of open ones that they are")
	}
}

func withBucket(t *testing.T) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(bustest.Connect(t, bustest.Serve(t)))
	if err != nil {
		t.Fatal(err)
	}
	makeBucket(t, js)
	return js
}

func makeBucket(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bus.BucketConfig, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
}

func view(t *testing.T, js jetstream.JetStream) *View {
	t.Helper()
	v := NewView(js, nil)
	v.poll = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	return v
}

// wait waits until the view has what is wanted.
func wait(t *testing.T, v *View, want Roster) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		changed := v.Changed()
		if reflect.DeepEqual(v.Roster(), want) {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("the view has %+v, want %+v", v.Roster(), want)
		}
	}
}

func mustPublish(t *testing.T, js jetstream.JetStream, r Roster) {
	t.Helper()
	if err := Publish(t.Context(), js, r); err != nil {
		t.Fatal(err)
	}
}

func TestAViewFollowsTheRosterThroughTheLossOfItsBucket(t *testing.T) {
	js := withBucket(t)
	v := view(t, js)
	full := Roster{}.With(Definition{
		Name: "a", Kind: "openai", Host: "h", Key: Sealed{1, 2, 3}, Inactive: true, MaxConcurrency: 4, Timeout: time.Second, Strict: true,
	})
	mustPublish(t, js, full)
	wait(t, v, full)
	if got, err := Read(t.Context(), js); !reflect.DeepEqual(got, full) || err != nil {
		t.Errorf("Read: got %+v, %v, want %+v", got, err, full)
	}
	if err := js.DeleteKeyValue(t.Context(), bus.BucketConfig); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(t.Context(), js); got.Revision != 0 || err != nil {
		t.Errorf("Read without a bucket: got %+v, %v", got, err)
	}
	makeBucket(t, js)
	if !reflect.DeepEqual(v.Roster(), full) {
		t.Errorf("the view has forgotten the roster: %+v", v.Roster())
	}
	other := full.Without("a").With(Definition{Name: "b"})
	mustPublish(t, js, other)
	wait(t, v, other)
}

func TestWhatIsNoRosterIsIgnored(t *testing.T) {
	js := withBucket(t)
	v := view(t, js)
	good := Roster{}.With(Definition{Name: "a"})
	mustPublish(t, js, good)
	wait(t, v, good)
	kv, err := js.KeyValue(t.Context(), bus.BucketConfig)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), rosterKey, []byte("half a ros")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), js); err == nil {
		t.Error("Read takes it")
	}
	better := good.With(Definition{Name: "b"})
	mustPublish(t, js, better)
	wait(t, v, better)
}

func TestWhoeverKeepsTheRosterIsAsked(t *testing.T) {
	nc := bustest.Connect(t, bustest.Serve(t))
	if _, err := Ask(t.Context(), nc, Request{Action: List}); !errors.Is(err, bus.ErrNoSync) {
		t.Errorf("nobody is there: got %v", err)
	}
	want := Request{Action: Change, Name: "a", Set: Patch{Host: new("h"), Key: &Sealed{}, Active: new(false), Timeout: new(time.Second)}}
	sub, err := Serve(nc, func(r Request, reply func(Answer)) {
		if !reflect.DeepEqual(r, want) {
			t.Errorf("got %+v, want %+v", r, want)
		}
		reply(Answer{Providers: []Provider{{Name: "a", Source: API}}, Conflict: true})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := nc.Publish(bus.SubjectProviders, []byte("{")); err != nil { // is not answered, and harms nobody
		t.Fatal(err)
	}
	a, err := Ask(t.Context(), nc, want)
	if err != nil || len(a.Providers) != 1 || a.Providers[0].Source != API || !a.Conflict {
		t.Errorf("got %+v, %v", a, err)
	}
}
