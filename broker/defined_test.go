package broker

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/roster"
)

// limitOf is how many calls of a provider may run at once, 0 for a provider
// without a queue.
func limitOf(t *testing.T, js jetstream.JetStream, provider string) int {
	t.Helper()
	c, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer(provider))
	if err != nil {
		return 0
	}
	return c.CachedInfo().Config.MaxAckPending
}

func TestKeeperFollowsWhatIsDefined(t *testing.T) {
	js := memory(t)
	v := roster.NewView(js, nil)
	k := NewKeeper(js, twoProviders, nil)
	k.interval = time.Hour
	k.Follow(v)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- k.Run(ctx) }()
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; <-done })
	<-k.Ready()
	fixed := limitOf(t, js, twoProviders.Providers[0].Name)

	r := roster.Roster{}.With(roster.Definition{Name: "late", MaxConcurrency: 3}).
		With(roster.Definition{Name: twoProviders.Providers[0].Name, MaxConcurrency: fixed + 1})
	publish := func() {
		t.Helper()
		if err := roster.Publish(t.Context(), js, r); err != nil {
			t.Fatal(err)
		}
	}
	publish()
	eventually(t, "a queue", func() bool { return limitOf(t, js, "late") == 3 })
	for _, limit := range []int{9, 1} {
		r = r.With(roster.Definition{Name: "late", MaxConcurrency: limit})
		publish()
		eventually(t, "another limit", func() bool { return limitOf(t, js, "late") == limit })
	}
	if got := limitOf(t, js, twoProviders.Providers[0].Name); got != fixed {
		t.Errorf("the limit of a configured provider: got %d, want %d", got, fixed)
	}
}
