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
	const fixed = maxConcurrency // what is not configured

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

func TestTheQueueOfARemovedProviderGoesWhenItIsEmpty(t *testing.T) {
	js := memory(t)
	v := roster.NewView(js, nil)
	k := NewKeeper(js, twoProviders, nil)
	k.interval = 20 * time.Millisecond
	k.Follow(v)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- k.Run(ctx) }()
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; <-done })
	<-k.Ready()
	if _, err := js.CreateConsumer(t.Context(), bus.StreamJobs, Provider{Name: "foreign"}.consumer(0, 1)); err != nil {
		t.Fatal(err)
	}
	configured := twoProviders.Providers[0].Name
	r := roster.Roster{}.With(roster.Definition{Name: "busy"}).With(roster.Definition{Name: "idle"}).With(roster.Definition{Name: configured})
	publish := func() {
		t.Helper()
		if err := roster.Publish(t.Context(), js, r); err != nil {
			t.Fatal(err)
		}
	}
	publish()
	eventually(t, "the queues", func() bool { return limitOf(t, js, "busy") > 0 && limitOf(t, js, "idle") > 0 })
	busy, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer("busy"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), busy.CachedInfo().Config.FilterSubject, nil); err != nil {
		t.Fatal(err)
	}
	r = r.Without("busy").Without("idle").Without(configured)
	publish()
	eventually(t, "the idle queue's end", func() bool { return limitOf(t, js, "idle") == 0 })
	for range 3 { // as long as there is a job, until the last of these looks
		if limitOf(t, js, "busy") == 0 {
			t.Fatal("a queue with a job in it is gone")
		}
		m, err := busy.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Nak(); err != nil {
			t.Fatal(err)
		}
	}
	m, err := busy.Next()
	if err != nil || m.DoubleAck(t.Context()) != nil {
		t.Fatalf("take the job: %v", err)
	}
	eventually(t, "the busy queue's end", func() bool { return limitOf(t, js, "busy") == 0 })
	if limitOf(t, js, configured) == 0 || limitOf(t, js, "foreign") == 0 {
		t.Error("another queue than those of the removed providers is gone")
	}
}
