package broker

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

// keep runs a keeper of two providers until the test ends.
func keep(t *testing.T, js jetstream.JetStream, interval time.Duration) *Keeper {
	t.Helper()
	k := NewKeeper(js, twoProviders, nil)
	k.interval = interval
	runKeeper(t, k)
	return k
}

// keepTopology runs a keeper of another topology until the test ends.
func keepTopology(t *testing.T, js jetstream.JetStream, topology Topology) *Keeper {
	t.Helper()
	k := NewKeeper(js, topology, nil)
	k.interval = 100 * time.Millisecond
	runKeeper(t, k)
	return k
}

func runKeeper(t *testing.T, k *Keeper) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}

func hasConsumer(t *testing.T, js jetstream.JetStream) func() bool {
	return func() bool {
		_, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer("gpu.1"))
		return err == nil
	}
}

func TestKeeperAppliesAndHeals(t *testing.T) {
	js := memory(t)
	k := keep(t, js, 20*time.Millisecond)
	<-k.Ready()
	if !hasConsumer(t, js)() {
		t.Fatal("ready without the consumer")
	}
	if err := js.DeleteStream(t.Context(), bus.StreamJobs); err != nil {
		t.Fatal(err)
	}
	eventually(t, "heal the queue", hasConsumer(t, js))
}

func TestKeeperHealsAtOnceWhenTheServerIsBack(t *testing.T) {
	cfg := Config{Listen: "127.0.0.1:0"}
	s, stop := start(t, cfg)
	cfg.Listen = s.nats.Addr().String()
	js := dial(t, s.nats.ClientURL())
	k := keep(t, js, time.Hour)
	<-k.Ready()

	stop() // and with it goes all that was kept in memory
	start(t, cfg)
	eventually(t, "set up the new server", hasConsumer(t, js))
}

func TestKeeperWaitsForTheServer(t *testing.T) {
	cfg := Config{Listen: "127.0.0.1:0"}
	s, stop := start(t, cfg)
	cfg.Listen = s.nats.Addr().String()
	js := dial(t, s.nats.ClientURL())
	stop()
	eventually(t, "notice", func() bool { return !js.Conn().IsConnected() })

	k := keep(t, js, time.Hour)
	select {
	case <-k.Ready():
		t.Fatal("ready without a server")
	case <-time.After(50 * time.Millisecond):
	}
	start(t, cfg)
	<-k.Ready()
}

// Calls can do without the thoughts, as on a server that has no memory for them.
func TestKeeperDoesWithoutThoughts(t *testing.T) {
	s, err := server.NewServer(&server.Options{
		DontListen: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(), JetStreamMaxMemory: 1 << 20, JetStreamMaxStore: maxStore,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	k := NewKeeper(js, Topology{Providers: twoProviders.Providers}, slog.New(slog.NewTextHandler(&log, nil)))
	for range 2 {
		if !k.check(t.Context()) {
			t.Fatalf("calls cannot travel:\n%s", &log)
		}
	}
	<-k.Ready()
	if !hasConsumer(t, js)() {
		t.Error("there is no consumer")
	}
	if _, err := js.KeyValue(t.Context(), bus.BucketCatalog); err != nil {
		t.Errorf("the bucket of the catalog: %v", err)
	}
	if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "insufficient memory") || !strings.Contains(said, "64 MiB") {
		t.Errorf("it said\n%s", said)
	}
}
