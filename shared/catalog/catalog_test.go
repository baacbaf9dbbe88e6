package catalog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// withBucket returns JetStream on a server of its own, with the bucket.
func withBucket(t testing.TB) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(bustest.Connect(t, bustest.Start(t, time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	makeBucket(t, js)
	return js
}

func makeBucket(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bus.BucketCatalog, Storage: jetstream.MemoryStorage})
	if err != nil {
		t.Fatal(err)
	}
}

// listen runs a server that remembers nothing, on a port: 0 takes a free one.
func listen(t *testing.T, port int) (s *server.Server, stop func()) {
	t.Helper()
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS is not ready")
	}
	stop = func() { s.Shutdown(); s.WaitForShutdown() }
	t.Cleanup(stop)
	return s, stop
}

func dial(t *testing.T, s *server.Server) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// view runs a view until the test ends.
func view(t *testing.T, js jetstream.JetStream, poll time.Duration) *View {
	t.Helper()
	v := NewView(js, nil)
	v.poll = poll
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

// wantRevision waits until the view has a revision.
func wantRevision(t *testing.T, v *View, want uint64) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for v.Index().Revision() != want {
		if time.Now().After(deadline) {
			t.Fatalf("revision = %d, want %d", v.Index().Revision(), want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func mustPublish(t *testing.T, js jetstream.JetStream, s Snapshot) {
	t.Helper()
	if err := Publish(t.Context(), js, s); err != nil {
		t.Fatal(err)
	}
}

// sized returns a snapshot of n models.
func sized(revision uint64, n int) Snapshot {
	s := Snapshot{Revision: revision, At: time.Unix(int64(revision), 0).UTC(), Providers: []Provider{{Name: "p"}}}
	for i := range n {
		s.Models = append(s.Models, Model{Provider: "p", ID: fmt.Sprintf("model-%05d-of-revision-%d", i, revision), OwnedBy: "somebody"})
	}
	return s
}
