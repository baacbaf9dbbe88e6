package catalogsync

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/catalog"
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
