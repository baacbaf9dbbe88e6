package workers

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/lists"
)

// A question that has come before a provider is served no more is answered:
// whoever asked would wait for nothing.
func TestWhatWasAskedBeforeTheEndIsAnswered(t *testing.T) {
	server := bustest.Serve(t)
	nc, asks := bustest.Connect(t, server), bustest.Connect(t, server)
	b := newBureau(nc, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	answer := func(context.Context, lists.Question) lists.Answer { return lists.Answer{} }
	if err := b.serve(ctx, "p", false, answer); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock() // so that questions wait
	answered := make(chan error)
	for range 2 {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := lists.Ask(ctx, asks, "p", nil)
			answered <- err
		}()
	}
	for deadline := time.Now().Add(5 * time.Second); nc.Stats().InMsgs < 2; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the questions do not come")
		}
	}
	stop()
	for deadline := time.Now().Add(100 * time.Millisecond); nc.NumSubscriptions() > 0 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	b.mu.Unlock()
	for range 2 {
		if err := <-answered; !errors.Is(err, bus.ErrNoWorker) {
			t.Errorf("got %v, want that there is nobody any more", err)
		}
	}
	b.close()
}
