package ingress

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A worker that stops says nothing of its target: what it has to leave is done
// by another one, however much that is.
func TestAWorkerThatStopsLeavesItsCallsToOthers(t *testing.T) {
	const calls = 20
	g := newRig(t, nil)
	begun := make(chan struct{}, calls)
	stopping, err := bus.NewWorker(g.connect(), "oai", bus.WorkerOptions{Timing: timing, Grace: 10 * time.Millisecond},
		func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
			r.Expect(time.Minute)
			begun <- struct{}{}
			<-ctx.Done()
			return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
		})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- stopping.Run(ctx) }()
	defer func() { stop(); <-stopped }()
	eventually(t, "the worker", func() bool { return g.server.owner.Workers("oai") == 1 })
	var clients sync.WaitGroup
	for range calls {
		clients.Go(func() {
			if got := g.post("/v1/chat/completions", ask("gpt-4o", false)); got.status != 200 {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
	for range calls {
		within(t, patience, "a call", begun)
	}
	g.worker("oai", well)
	stop()
	clients.Wait()
}
