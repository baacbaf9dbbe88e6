package bus_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// Jobs that a worker fetched and does not start as it stops go to another one
// at once, not after the time that a dead worker's take, and not to the dead
// letters for having come too often.
func TestStoppingWorkerKeepsNoJob(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, 20*time.Second, "p")
	o, err := bus.NewOwner(bustest.Connect(t, s), bus.OwnerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	run(t, o.Run)
	worker := func() (stop func()) {
		w, err := bus.NewWorker(bustest.Connect(t, s), "p", bus.WorkerOptions{Concurrency: 64}, echo)
		if err != nil {
			t.Fatal(err)
		}
		return run(t, w.Run)
	}
	dead, err := bustest.Connect(t, s).SubscribeSync(bus.SubjectDLQ("p"))
	if err != nil {
		t.Fatal(err)
	}
	worker()
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() {
			for ctx.Err() == nil {
				bounded, stop := context.WithTimeout(t.Context(), 6*time.Second)
				if a := call(bounded, o, job([]byte("x"))); a.err != nil {
					t.Errorf("a call as workers came and went: %v", a.err)
				}
				stop()
			}
		})
	}
	for range 60 {
		stop := worker()
		time.Sleep(30 * time.Millisecond)
		stop()
	}
	cancel()
	callers.Wait()
	if n, _, _ := dead.Pending(); n != 0 {
		t.Errorf("%d dead letters, want none", n)
	}
}

// A call to an owner that has stopped fails; it does not wait for ever.
func TestStoppedOwnerTakesNoCalls(t *testing.T) {
	t.Parallel()
	s := start(t)
	o, err := bus.NewOwner(bustest.Connect(t, s), bus.OwnerOptions{Timing: fast})
	if err != nil {
		t.Fatal(err)
	}
	run(t, o.Run)()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if a := call(ctx, o, job(nil)); a.err == nil || ctx.Err() != nil {
		t.Errorf("answer %+v, want an error at once", a)
	}
}
