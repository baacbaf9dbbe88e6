package bus_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// nats.go waits for 5 s where it is not told how long.
func TestNobodyWaitsLongForABucketThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	js, err := jetstream.New(bustest.Connect(t, start(t)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "b", Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	for request, ask := range map[string]func(jetstream.JetStream) error{
		"STREAM.INFO.": func(js jetstream.JetStream) error {
			_, err := bus.Bucket(t.Context(), js, "b")
			return err
		},
		"CONSUMER.CREATE.": func(js jetstream.JetStream) error {
			kv, err := bus.Bucket(t.Context(), js, "b")
			if err != nil {
				return err
			}
			_, err = bus.Watch(t.Context(), kv, "k")
			return err
		},
	} {
		front := bustest.Swallow(t, js, func(r string) bool { return strings.HasPrefix(r, request) })
		began := time.Now()
		if err := ask(front); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 4*time.Second {
			t.Errorf("%s: %v after %s", request, err, time.Since(began))
		}
	}
}

func TestAWatchGoesOnAfterTheTimeForItsQuestion(t *testing.T) {
	t.Parallel()
	js, err := jetstream.New(bustest.Connect(t, start(t)))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "b", Storage: jetstream.MemoryStorage})
	if err != nil {
		t.Fatal(err)
	}
	w, err := bus.Watch(t.Context(), kv, "k")
	if err != nil {
		t.Fatal(err)
	}
	<-w.Updates() // there is nothing yet
	<-time.After(2 * time.Second)
	if _, err := kv.PutString(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	if e, open := <-w.Updates(); !open || string(e.Value()) != "v" {
		t.Errorf("got %v, %t want what was put", e, open)
	}
}
