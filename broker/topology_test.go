package broker

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

var twoProviders = Topology{Memory: true, Providers: []Provider{{Name: "openai"}, {Name: "gpu.1", MaxConcurrency: 2}}}

func mustApply(t *testing.T, js jetstream.JetStream, topology Topology) (changed []string) {
	t.Helper()
	changed, err := apply(t.Context(), js, topology)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestApplyWritesOnlyWhatDiffers(t *testing.T) {
	js := memory(t)
	all := []string{"JOBS", "JOBS/openai", "JOBS/gpu.1", "catalog", "config", "idempotency", "USAGE", "DLQ", "THOUGHTS"}
	if got := mustApply(t, js, twoProviders); !slices.Equal(got, all) {
		t.Errorf("first time: changed %v, want %v", got, all)
	}
	if got := mustApply(t, js, twoProviders); len(got) > 0 {
		t.Errorf("second time: changed %v, want nothing", got)
	}
	more := twoProviders
	more.Providers = []Provider{{Name: "openai"}, {Name: "gpu.1", MaxConcurrency: 3}, {Name: "groq"}}
	if got, want := mustApply(t, js, more), []string{"JOBS/gpu.1", "JOBS/groq"}; !slices.Equal(got, want) {
		t.Errorf("after a change: changed %v, want %v", got, want)
	}
}

func TestApplyHealsWhatWasDeletedOrAltered(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(js jetstream.JetStream) error
		want  []string
	}{
		{"the queue", func(js jetstream.JetStream) error { return js.DeleteStream(t.Context(), bus.StreamJobs) },
			[]string{"JOBS", "JOBS/openai", "JOBS/gpu.1"}},
		{"a consumer", func(js jetstream.JetStream) error {
			return js.DeleteConsumer(t.Context(), bus.StreamJobs, bus.Consumer("openai"))
		}, []string{"JOBS/openai"}},
		{"a bucket", func(js jetstream.JetStream) error { return js.DeleteKeyValue(t.Context(), bus.BucketCatalog) },
			[]string{"catalog"}},
		{"the limits of a stream", func(js jetstream.JetStream) error {
			_, err := js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: bus.StreamDLQ, Storage: jetstream.MemoryStorage})
			return err
		}, []string{"DLQ"}},
		{"the way to read thoughts", func(js jetstream.JetStream) error {
			_, err := js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: bus.StreamThoughts, Subjects: []string{bus.SubjectsThoughts}, Storage: jetstream.MemoryStorage})
			return err
		}, []string{"THOUGHTS"}},
		{"the limits of a bucket", func(js jetstream.JetStream) error {
			_, err := js.UpdateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bus.BucketConfig, History: 9, Storage: jetstream.MemoryStorage})
			return err
		}, []string{"config"}},
	}
	js := memory(t)
	mustApply(t, js, twoProviders)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.spoil(js); err != nil {
				t.Fatal(err)
			}
			if got := mustApply(t, js, twoProviders); !slices.Equal(got, tt.want) {
				t.Errorf("changed %v, want %v", got, tt.want)
			}
			if got := mustApply(t, js, twoProviders); len(got) > 0 {
				t.Errorf("once more: changed %v, want nothing", got)
			}
		})
	}
}

func TestApplyChoosesTheStorage(t *testing.T) {
	const mem, file = jetstream.MemoryStorage, jetstream.FileStorage
	tests := []struct {
		name       string
		topology   Topology
		jobs, rest jetstream.StorageType
	}{
		{"files", Topology{}, file, file},
		{"jobs in memory", Topology{MemoryJobs: true}, mem, file},
		{"all in memory", Topology{Memory: true}, mem, mem},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			js := memory(t)
			mustApply(t, js, tt.topology)
			for name, want := range map[string]jetstream.StorageType{"JOBS": tt.jobs, "USAGE": tt.rest, "DLQ": tt.rest, "THOUGHTS": mem, "KV_catalog": tt.rest, "KV_config": tt.rest, "KV_idempotency": mem} {
				s, err := js.Stream(t.Context(), name)
				if err != nil {
					t.Fatal(err)
				}
				if got := s.CachedInfo().Config.Storage; got != want {
					t.Errorf("storage of %s = %v, want %v", name, got, want)
				}
			}
			if got := mustApply(t, js, Topology{Memory: !tt.topology.Memory}); !slices.Equal(got, []string{bus.StreamUsage}) {
				t.Errorf("with another storage: changed %v, want what exists to stay but for its size", got)
			}
		})
	}
}

func TestJobsRefusesRatherThanForgets(t *testing.T) {
	js := memory(t)
	mustApply(t, js, twoProviders)
	s, err := js.Stream(t.Context(), bus.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	got := s.CachedInfo().Config
	if got.Retention != jetstream.WorkQueuePolicy || got.Discard != jetstream.DiscardNew || got.MaxMsgs != 100_000 || got.MaxMsgsPerSubject != 10_000 ||
		got.MaxBytes != 256<<20 || got.MaxAge != time.Hour || got.Duplicates != 15*time.Second || !slices.Equal(got.Subjects, []string{"allama.jobs.0.*"}) {
		t.Errorf("JOBS = %+v", got)
	}
	if _, err := js.Publish(t.Context(), bus.SubjectJobs(0, "gpu.1"), nil); err != nil {
		t.Errorf("publish a job: %v", err)
	}
	if _, err := js.Publish(t.Context(), "allama.jobs.two.tokens", nil); !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Errorf("publish elsewhere = %v, want no stream", err)
	}
}

func TestThoughtsForgetRatherThanRefuse(t *testing.T) {
	js := memory(t)
	mustApply(t, js, twoProviders)
	s, err := js.Stream(t.Context(), bus.StreamThoughts)
	if err != nil {
		t.Fatal(err)
	}
	got := s.CachedInfo().Config
	if got.Retention != jetstream.LimitsPolicy || got.Discard != jetstream.DiscardOld || got.MaxMsgs != -1 || got.MaxMsgsPerSubject != 1 ||
		got.MaxBytes != 64<<20 || got.MaxAge != 2*time.Hour || !slices.Equal(got.Subjects, []string{"allama.thoughts.*.*"}) {
		t.Errorf("THOUGHTS = %+v", got)
	}
	for _, thought := range []string{"first", "second"} {
		if _, err := js.Publish(t.Context(), bus.SubjectThoughts("gpu.1", "a.b"), []byte(thought)); err != nil {
			t.Fatal(err)
		}
	}
	m, err := js.Conn().Request(bus.SubjectThoughtsLast("gpu.1", "a.b"), nil, 5*time.Second)
	if err != nil || string(m.Data) != "second" {
		t.Errorf("the last thought: error %v, got %+v", err, m)
	}
}

func TestConsumerHoldsTheCap(t *testing.T) {
	js := memory(t)
	caps := func(n int) Topology {
		return Topology{Memory: true, Providers: []Provider{{Name: "gpu", MaxConcurrency: n}}}
	}
	mustApply(t, js, caps(2))
	for i := range 6 {
		if _, err := js.Publish(t.Context(), bus.SubjectJobs(0, "gpu"), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer("gpu"))
	if err != nil {
		t.Fatal(err)
	}
	fetch := func() (n int) {
		batch, err := c.Fetch(6, jetstream.FetchMaxWait(200*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		for range batch.Messages() {
			n++
		}
		return n
	}
	if got := fetch(); got != 2 {
		t.Errorf("with a cap of 2: %d jobs at once", got)
	}
	mustApply(t, js, caps(5))
	if got := fetch(); got != 3 {
		t.Errorf("with the cap raised to 5: %d more jobs, want 3", got)
	}
}

func TestConsumerOfAnUncappedProvider(t *testing.T) {
	js := memory(t)
	mustApply(t, js, twoProviders)
	c, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer("openai"))
	if err != nil {
		t.Fatal(err)
	}
	got := c.CachedInfo().Config
	if got.MaxAckPending != 20_000 || got.AckWait != 6*time.Second || got.MaxDeliver != -1 || got.FilterSubject != "allama.jobs.0.openai" {
		t.Errorf("consumer = %+v", got)
	}
}

func TestTopologyFitsItsServer(t *testing.T) {
	var sum int64
	for _, s := range append((Topology{}).streams(), (Topology{}).jobs(0)) {
		sum += s.MaxBytes
	}
	for _, b := range (Topology{}).buckets() {
		sum += b.MaxBytes
	}
	if sum <= 0 || sum > 640<<20 || sum > maxMemory || sum > maxStore {
		t.Errorf("the topology needs %d MiB, want at most 640", sum>>20)
	}
}
