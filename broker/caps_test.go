package broker

import (
	"context"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/roster"
)

func mustCap(t *testing.T, r roster.Roster, provider string, n int) roster.Roster {
	t.Helper()
	next, err := r.WithCap(provider, n)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// followed runs a keeper that follows a roster, until what is returned is called.
func followed(t *testing.T, k *Keeper) (stop func()) {
	t.Helper()
	v := roster.NewView(k.js, nil)
	k.interval = time.Hour
	k.Follow(v)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- k.Run(ctx) }()
	go func() { done <- v.Run(ctx) }()
	stop = func() {
		cancel()
		<-done
		<-done
	}
	<-k.Ready()
	return stop
}

func TestTheLimitOfAConfiguredProviderIsChanged(t *testing.T) {
	js := memory(t)
	name := twoProviders.Providers[0].Name
	stop := followed(t, NewKeeper(js, twoProviders, nil))
	const configured = maxConcurrency // what is not configured
	r := roster.Roster{}
	for _, limit := range []int{configured + 3, 1} {
		r = mustCap(t, r, name, limit)
		if err := roster.Publish(t.Context(), js, r); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another limit", func() bool { return limitOf(t, js, name) == limit })
	}
	stop()

	// One that starts goes by what is stored, from the beginning.
	k := NewKeeper(js, twoProviders, nil)
	k.Follow(roster.NewView(js, nil)) // which does not run
	if !k.check(t.Context()) || limitOf(t, js, name) != 1 {
		t.Errorf("after a restart: got %d want the limit that was set, 1", limitOf(t, js, name))
	}

	stop = followed(t, NewKeeper(js, twoProviders, nil))
	defer stop()
	if err := roster.Publish(t.Context(), js, mustCap(t, r, name, 0)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the limit of the configuration", func() bool { return limitOf(t, js, name) == configured })
}

// Where a limit may have been changed that nobody has told yet, as on a server
// that has lost what it stored, calls are made one at a time until it is known.
func TestALimitThatIsNotKnownYetIsNotExceeded(t *testing.T) {
	js := memory(t)
	name := twoProviders.Providers[1].Name
	k := NewKeeper(js, twoProviders, nil)
	k.Follow(roster.NewView(js, nil)) // which does not run
	checked := func(when string, want int) {
		t.Helper()
		if !k.check(t.Context()) || limitOf(t, js, name) != want {
			t.Errorf("%s: got the limit %d, want %d", when, limitOf(t, js, name), want)
		}
	}
	configured := twoProviders.Providers[1].MaxConcurrency
	checked("nothing is known", 1)
	if err := roster.Publish(t.Context(), js, mustCap(t, roster.Roster{}, name, configured+3)); err != nil {
		t.Fatal(err)
	}
	checked("it was raised", configured+3)
	if err := roster.Publish(t.Context(), js, roster.Roster{}); err != nil {
		t.Fatal(err)
	}
	k = NewKeeper(js, twoProviders, nil)
	k.Follow(roster.NewView(js, nil))
	checked("the queue is there, and nothing is known again", configured)
}

// Where nobody tells, what is configured counts in the end.
func TestALimitThatNobodyTellsIsTheConfigured(t *testing.T) {
	js := memory(t)
	k := NewKeeper(js, twoProviders, nil)
	k.Follow(roster.NewView(js, nil)) // which does not run
	k.patience = time.Nanosecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	defer func() { cancel(); <-done }()
	p := twoProviders.Providers[1]
	eventually(t, "the limit of the configuration", func() bool { return limitOf(t, js, p.Name) == p.MaxConcurrency })
}
