package catalog

import (
	"bytes"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

const large = 8000 // models, which makes a snapshot of several chunks

func TestPublishedSnapshotArrivesAsItWas(t *testing.T) {
	price := 2.5
	full := Snapshot{
		Revision: 7, At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Providers: []Provider{{Name: "a", Kind: "openai", Dialect: "openai", BaseURL: "https://a.example/v1", Error: "boom", Stale: true}},
		Models: []Model{{
			Provider: "a", ID: "m<1>", DisplayName: "M", Kind: "chat", Capabilities: []string{"tools"}, ContextLength: 8, Facts: llm.Facts{MaxOutput: 4, Schemas: new(false), Thinking: []string{"adaptive"}, Efforts: []string{"low"}},
			Modalities: Modalities{Input: []string{"text"}}, Prices: Prices{Input: &price}, Created: time.Unix(1, 0).UTC(), OwnedBy: "o",
			Details: Details{Digest: "d", Size: 9, Family: "llama"}, Seen: Seen{FirstSeen: time.Unix(2, 0).UTC(), Stale: true},
		}},
	}
	for _, want := range []Snapshot{full, sized(1, large), {Revision: 3, At: time.Unix(3, 0).UTC()}} {
		js := withBucket(t)
		mustPublish(t, js, want)
		v := view(t, js, time.Hour)
		<-v.Ready()
		if got := v.Index().snapshot; !reflect.DeepEqual(got, want) {
			t.Errorf("snapshot of %d models differs: got %+v", len(want.Models), got.Providers)
		}
		if got, err := Revision(t.Context(), js); got != want.Revision || err != nil {
			t.Errorf("Revision = %d, %v, want %d", got, err, want.Revision)
		}
	}
}

func TestRecordsOfUpstreamsAreNotPublished(t *testing.T) {
	js := withBucket(t)
	mustPublish(t, js, Snapshot{Providers: []Provider{{Name: "p"}}, Models: []Model{{Provider: "p", ID: "m", Raw: []byte(`{"secret":1}`)}}})
	kv, err := js.KeyValue(t.Context(), bus.BucketCatalog)
	if err != nil {
		t.Fatal(err)
	}
	e, err := kv.Get(t.Context(), manifestKey)
	if err != nil || strings.Contains(string(e.Value()), "secret") {
		t.Errorf("published %s (%v)", e.Value(), err)
	}
}

func TestPublishLeavesNoChunksBehind(t *testing.T) {
	js := withBucket(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketCatalog)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		models int
		want   []string
	}{
		{large, []string{"chunk.1.0", "chunk.1.1", "snapshot"}},
		{2 * large, []string{"chunk.0.0", "chunk.0.1", "chunk.0.2", "snapshot"}},
		{large, []string{"chunk.1.0", "chunk.1.1", "snapshot"}},
		{1, []string{"snapshot"}},
	}
	for i, tt := range tests {
		mustPublish(t, js, sized(uint64(i+1), tt.models))
		got, err := kv.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("after %d models: keys %v, want %v", tt.models, got, tt.want)
		}
	}
}

func TestViewFollows(t *testing.T) {
	js := withBucket(t)
	v := view(t, js, time.Hour) // so that only the watch can deliver
	select {
	case <-v.Ready():
		t.Fatal("ready without a snapshot")
	case <-time.After(20 * time.Millisecond):
	}
	if got := v.Index().Models(); len(got) != 0 {
		t.Errorf("models before the first snapshot = %v, want none", got)
	}
	for revision, models := range []int{3, large, large, 5} {
		mustPublish(t, js, sized(uint64(revision+1), models))
		wantRevision(t, v, uint64(revision+1))
		if got := len(v.Index().Models()); got != models {
			t.Errorf("revision %d has %d models, want %d", revision+1, got, models)
		}
	}
}

func TestViewSurvivesABucketMadeAnew(t *testing.T) {
	js := withBucket(t)
	mustPublish(t, js, sized(1, 3))
	v := view(t, js, 20*time.Millisecond)
	wantRevision(t, v, 1)

	if err := js.DeleteKeyValue(t.Context(), bus.BucketCatalog); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // several polls find nothing
	if got := v.Index().Revision(); got != 1 {
		t.Errorf("without a bucket: revision %d, want the last one", got)
	}
	if got, err := Revision(t.Context(), js); got != 0 || err != nil {
		t.Errorf("Revision = %d, %v, want 0", got, err)
	}
	makeBucket(t, js)
	for revision := range uint64(3) {
		mustPublish(t, js, sized(revision+2, 3))
		wantRevision(t, v, revision+2)
	}
}

func TestViewSurvivesARestartOfAServerThatForgets(t *testing.T) {
	s, stop := listen(t, 0)
	js := dial(t, s)
	makeBucket(t, js)
	mustPublish(t, js, sized(1, 3))
	v := view(t, js, 20*time.Millisecond)
	wantRevision(t, v, 1)

	port := s.Addr().(*net.TCPAddr).Port
	stop()
	if got := v.Index().Revision(); got != 1 {
		t.Errorf("without a server: revision %d, want the last one", got)
	}
	s, _ = listen(t, port)
	js = dial(t, s)
	makeBucket(t, js)
	for revision := range uint64(3) {
		mustPublish(t, js, sized(revision+2, 3))
		wantRevision(t, v, revision+2)
	}
}

func TestViewStartsBeforeItsBucket(t *testing.T) {
	s, _ := listen(t, 0)
	js := dial(t, s)
	v := view(t, js, time.Hour)         // so that it is not the poll that finds it
	<-time.After(50 * time.Millisecond) // it has looked for it, and will again
	makeBucket(t, js)
	mustPublish(t, js, sized(1, 3))
	wantRevision(t, v, 1)
}

func TestViewLeavesItToOthersToSayThatThereIsNoConnection(t *testing.T) {
	var out bytes.Buffer
	js := withBucket(t)
	v := NewView(js, slog.New(slog.NewTextHandler(&out, nil)))
	js.Conn().Close()
	if w := v.watch(t.Context()); w.updates != nil || out.Len() > 0 {
		t.Errorf("watch without a connection = %v; it logged\n%s", w, out.String())
	}
}

func TestViewKeepsTheLastWhenTheNextIsBroken(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(kv jetstream.KeyValue) error
	}{
		{"no manifest", func(kv jetstream.KeyValue) error {
			_, err := kv.Put(t.Context(), manifestKey, []byte("{"))
			return err
		}},
		{"a chunk that is not there", func(kv jetstream.KeyValue) error {
			_, err := kv.Put(t.Context(), manifestKey, []byte(`{"revision":2,"size":600000,"chunks":2,"slot":1}`))
			return err
		}},
		{"a deleted key", func(kv jetstream.KeyValue) error { return kv.Delete(t.Context(), manifestKey) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			js := withBucket(t)
			v := NewView(js, slog.New(slog.NewTextHandler(&out, nil)))
			kv, err := js.KeyValue(t.Context(), bus.BucketCatalog)
			if err != nil {
				t.Fatal(err)
			}
			take := func() {
				e, err := kv.Get(t.Context(), manifestKey)
				if err == nil {
					v.take(t.Context(), kv, e)
				}
			}
			mustPublish(t, js, sized(1, 3))
			take()
			if err := tt.spoil(kv); err != nil {
				t.Fatal(err)
			}
			take()
			take()
			if got := v.Index().Revision(); got != 1 {
				t.Errorf("revision = %d, want 1", got)
			}
			if got := strings.Count(out.String(), "\n"); got > 1 {
				t.Errorf("logged %d times, want at most once:\n%s", got, out.String())
			}
			mustPublish(t, js, sized(3, 3))
			take()
			if got := v.Index().Revision(); got != 3 {
				t.Errorf("revision after repair = %d, want 3", got)
			}
		})
	}
}
