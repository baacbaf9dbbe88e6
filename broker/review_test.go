package broker

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

// A provider whose queue is full leaves room for the others.
func TestFullQueueOfOneProviderLeavesRoomForOthers(t *testing.T) {
	js := memory(t)
	mustApply(t, js, twoProviders)
	full := false
	for range 20_000 {
		if _, err := js.PublishAsync(bus.SubjectJobs(0, "openai"), nil); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	if _, err := js.Publish(t.Context(), bus.SubjectJobs(0, "openai"), nil); err != nil {
		full = true
	}
	if !full {
		t.Error("the queue of a provider has no bound")
	}
	if _, err := js.Publish(t.Context(), bus.SubjectJobs(0, "gpu.1"), nil); err != nil {
		t.Errorf("another provider's job is refused: %v", err)
	}
}

// A stream of somebody else's that has our name is left alone.
func TestApplyLeavesAForeignStreamAlone(t *testing.T) {
	js := memory(t)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: bus.StreamJobs, Subjects: []string{"factory.>"}, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	if err := Apply(t.Context(), js, twoProviders); err == nil {
		t.Error("a foreign stream was taken over without a word")
	}
	s, err := js.Stream(t.Context(), bus.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.CachedInfo().Config.Subjects; len(got) != 1 || got[0] != "factory.>" {
		t.Errorf("its subjects are now %v", got)
	}
}
