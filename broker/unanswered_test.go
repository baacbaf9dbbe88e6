package broker

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// Until it is known which limits were changed each consumer has one call at a
// time. What holds that up is felt by every caller.
func TestARequestWithoutAnAnswerHoldsUpOnlyWhatItIsAbout(t *testing.T) {
	t.Parallel()
	js := memory(t)
	k := NewKeeper(bustest.Swallow(t, js, func(request string) bool { return request == "STREAM.INFO."+bus.StreamUsage }), twoProviders, nil)
	if k.check(t.Context()) {
		t.Error("all is well, though a stream is not there")
	}
	for _, p := range twoProviders.Providers {
		if _, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer(p.Name)); err != nil {
			t.Errorf("the consumer of %s: %v", p.Name, err)
		}
	}
	if _, err := js.KeyValue(t.Context(), bus.BucketConfig); err != nil {
		t.Errorf("the bucket by which limits are told: %v", err)
	}
}

// One consumer that cannot be set up is no reason to leave the others out.
func TestAConsumerThatFailsHoldsUpNoOther(t *testing.T) {
	js := memory(t)
	mustApply(t, js, Topology{Memory: true})
	if _, err := js.CreateConsumer(t.Context(), bus.StreamJobs, jetstream.ConsumerConfig{
		Durable: "foreign", FilterSubject: bus.SubjectJobs(0, "taken"), AckPolicy: jetstream.AckExplicitPolicy,
	}); err != nil {
		t.Fatal(err)
	}
	taken := twoProviders
	taken.Providers = append([]Provider{{Name: "taken"}}, twoProviders.Providers...)
	if _, err := apply(t.Context(), js, taken); err == nil {
		t.Error("two consumers have the same jobs")
	}
	for _, p := range twoProviders.Providers {
		if _, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer(p.Name)); err != nil {
			t.Errorf("the consumer of %s: %v", p.Name, err)
		}
	}
}

// What gets no answer is warned of once, and that it is more than before, too.
func TestWhatGetsNoAnswerIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	js := memory(t)
	var all atomic.Bool
	front := bustest.Swallow(t, js, func(request string) bool {
		return request == "STREAM.INFO.JOBS_1" || all.Load() && strings.HasPrefix(request, "STREAM.INFO.JOBS")
	})
	var log bytes.Buffer
	k := NewKeeper(front, Topology{Memory: true, Providers: twoProviders.Providers}, slog.New(slog.NewTextHandler(&log, nil)))
	k.topology.Shards = 2
	warned := func(when string, want int) {
		t.Helper()
		if got := strings.Count(log.String(), "level=WARN"); got != want {
			t.Errorf("%s: %d warnings, want %d:\n%s", when, got, want, &log)
		}
	}
	for range 2 {
		k.check(t.Context())
		warned("a shard is silent", 1)
	}
	all.Store(true)
	for range 2 {
		k.check(t.Context())
		warned("all are", 2)
	}
}
