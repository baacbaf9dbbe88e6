package broker

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

// keep runs a keeper until the test ends.
func keep(t *testing.T, js jetstream.JetStream, interval time.Duration) *Keeper {
	t.Helper()
	k := NewKeeper(js, twoProviders, nil)
	k.interval = interval
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	return k
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
