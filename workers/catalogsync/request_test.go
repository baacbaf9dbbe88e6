package catalogsync

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
)

// refresher returns a view to ask by, which needs not run for that.
func refresher(t *testing.T, js jetstream.JetStream) func(r catalog.RefreshRequest) catalog.Refreshed {
	v := catalog.NewView(js, nil)
	return func(r catalog.RefreshRequest) catalog.Refreshed {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		done, err := v.Refresh(ctx, r)
		if err != nil {
			t.Fatalf("Refresh(%+v) = %v", r, err)
		}
		return done
	}
}

// spell writes outcomes in a line.
func spell(done catalog.Refreshed) string {
	var list []string
	for _, o := range done.Providers {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s:%d %s", o.Provider, o.Models, o.Error)))
	}
	return strings.Join(list, ", ")
}

func TestRefreshListsAndSaysWhatCameOfIt(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	a, b := &upstream{name: "a", models: []string{"m1"}}, &upstream{name: "b", err: errors.New("refused")}
	run(t, js, Options{}, a, b)
	wait("a/m1")
	refresh := refresher(t, js)

	a.answer(nil, "m1", "m2")
	done := refresh(catalog.RefreshRequest{})
	if got := spell(done); got != "a:2, b:0 refused" {
		t.Errorf("all: got %q", got)
	}
	wait("a/m1", "a/m2")
	if got, err := catalog.Revision(t.Context(), js); got != done.Revision || err != nil {
		t.Errorf("revision %d was answered, %d is published (%v)", done.Revision, got, err)
	}
	asked := a.asked.Load()
	b.answer(nil, "m3")
	if got := spell(refresh(catalog.RefreshRequest{Provider: "b"})); got != "b:1" {
		t.Errorf("one: got %q", got)
	}
	if a.asked.Load() != asked {
		t.Error("a was listed although only b was asked for")
	}
	if done := refresh(catalog.RefreshRequest{Provider: "c"}); !done.Unknown || len(done.Providers) != 0 {
		t.Errorf("an unknown one: got %+v", done)
	}
}

func TestRefreshTakesWhatIsYoungEnough(t *testing.T) {
	js := withBucket(t)
	a := &upstream{name: "a", models: []string{"m1"}}
	run(t, js, Options{}, a)
	follow(t, js)("a/m1")
	refresh := refresher(t, js)
	for range 50 {
		if got := spell(refresh(catalog.RefreshRequest{MaxAge: time.Hour})); got != "a:1" {
			t.Fatalf("got %q", got)
		}
	}
	if got := a.asked.Load(); got != 1 {
		t.Errorf("the provider was listed %d times, want once", got)
	}
}

// Whoever asks while a listing runs cannot know whether it has what they miss.
func TestRefreshIsAnsweredByAListingThatBeganLater(t *testing.T) {
	js := withBucket(t)
	a := &upstream{name: "a", models: []string{"m1"}, gate: make(chan struct{})}
	run(t, js, Options{}, a)
	eventually(t, "list", func() bool { return a.asked.Load() == 1 })
	answers := make(chan string, 3)
	refresh := refresher(t, js)
	for range cap(answers) {
		go func() { answers <- spell(refresh(catalog.RefreshRequest{})) }()
	}
	select {
	case got := <-answers:
		t.Fatalf("answered %q while the listing runs", got)
	case <-time.After(100 * time.Millisecond):
	}
	close(a.gate)
	for range cap(answers) {
		if got := <-answers; got != "a:1" {
			t.Errorf("got %q", got)
		}
	}
	if got := a.asked.Load(); got != 2 {
		t.Errorf("the provider was listed %d times, want twice", got)
	}
}

func TestRefreshFailsWithoutASync(t *testing.T) {
	if _, err := catalog.NewView(withBucket(t), nil).Refresh(t.Context(), catalog.RefreshRequest{}); !errors.Is(err, bus.ErrNoSync) {
		t.Errorf("Refresh = %v, want that there is no sync", err)
	}
}

// A dead provider comes back when it is asked for, not only after its interval.
func TestRefreshFindsAProviderThatIsBack(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	dead := &upstream{name: "dead", err: errors.New("refused")}
	run(t, js, Options{Interval: time.Hour}, dead, &upstream{name: "a", models: []string{"m1"}})
	wait("a/m1")
	dead.answer(nil, "m2")
	if got := spell(refresher(t, js)(catalog.RefreshRequest{Provider: "dead"})); got != "dead:1" {
		t.Errorf("got %q", got)
	}
	wait("a/m1", "dead/m2")
}

func TestTooManyRequestsAreAnsweredAtOnce(t *testing.T) {
	js := withBucket(t)
	a := &upstream{name: "a", gate: make(chan struct{})}
	s := New(js, []Source{a.source()}, Options{})
	s.due(time.Now())
	answered := 0
	for range maxWaiting + 1 {
		s.ask(request{reply: func(catalog.Refreshed) { answered++ }}, time.Now())
	}
	if answered != maxWaiting+1 || len(s.waiters) != 0 {
		t.Errorf("%d were answered, %d wait", answered, len(s.waiters))
	}
}
