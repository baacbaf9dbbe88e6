package bus_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// A worker asks for more as soon as it has what it asked for: the calls that
// wait for its only slot follow upon one another.
func TestASlotIsFilledAgainAtOnce(t *testing.T) {
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Concurrency: 1}, echo)
	began := time.Now()
	for range 5 {
		if a := call(t.Context(), o, job([]byte("x"))); a.err != nil || a.end == nil {
			t.Fatalf("got %+v", a)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("five calls took %v", took)
	}
}

func TestALeaseIsToldOnce(t *testing.T) {
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	var told atomic.Int32
	count := func() { told.Add(1) }
	c, err := o.Call(job([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	c.OnLease(count)
	if got := told.Load(); got != 0 {
		t.Errorf("told %d times before there is a worker", got)
	}
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		return echo(ctx, j, r)
	})
	for _, err := range c.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	c.OnLease(count) // it was granted already
	if got := told.Load(); got != 2 {
		t.Errorf("told %d times, want each of two once", got)
	}
}

func TestACallThatNobodyTakesOnTellsOfNoLease(t *testing.T) {
	o := newOwner(t, bustest.Connect(t, start(t)), bus.OwnerOptions{})
	c, err := o.Call(job(nil))
	if err != nil {
		t.Fatal(err)
	}
	c.OnLease(func() { t.Error("told of a lease") })
	c.Close()
}
