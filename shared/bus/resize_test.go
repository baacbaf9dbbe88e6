package bus_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// A worker performs as many jobs at once as it was told last, and owners know.
func TestAWorkerIsResizedWhileItWorks(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	var running atomic.Int32
	let := make(chan struct{})
	w, err := bus.NewWorker(bustest.Connect(t, s), "p", bus.WorkerOptions{Timing: fast, Concurrency: 2, Cap: 2}, func(ctx context.Context, _ *bus.Job, _ *bus.Reply) bus.End {
		running.Add(1)
		defer running.Add(-1)
		select {
		case <-let:
		case <-ctx.Done():
		}
		return bus.End{}
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, w.Run)
	known := func(limit int) {
		t.Helper()
		eventually(t, "owners know", func() bool { l := o.Load("p"); return l.Cap == limit && l.Capacity == limit })
	}
	known(2)
	const jobs = 6
	ended := make(chan answer, jobs)
	for range jobs {
		go func() { ended <- call(t.Context(), o, job(nil)) }()
	}
	runs := func(n int32) { t.Helper(); eventually(t, "jobs run", func() bool { return running.Load() == n }) }
	runs(2)
	w.Resize(4, 4)
	known(4)
	runs(4)
	w.Resize(1, 1)
	known(1)
	if n := running.Load(); n != 4 {
		t.Errorf("%d jobs run after there is room for one, want that all four go on", n)
	}
	for range 3 {
		let <- struct{}{}
	}
	runs(1)
	for range 3 {
		let <- struct{}{}
	}
	for range jobs {
		if a := <-ended; a.err != nil {
			t.Error(a.err)
		}
	}
}
