package bus_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// An owner that has made attempts before, by other jobs, says how many are left.
func TestAJobBoundsItsOwnAttempts(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2} {
		s := start(t)
		o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
		var granted atomic.Int32
		for range 2 {
			nc := bustest.Connect(t, s)
			newWorker(t, nc, bus.WorkerOptions{}, func(ctx context.Context, _ *bus.Job, _ *bus.Reply) bus.End {
				granted.Add(1)
				nc.Close() // the worker is lost
				<-ctx.Done()
				return bus.End{}
			})
		}
		j := job(nil)
		j.MaxAttempts = limit
		if a := call(t.Context(), o, j); a.err == nil {
			t.Errorf("at most %d: got an answer of lost workers", limit)
		}
		if n := int(granted.Load()); n != limit {
			t.Errorf("at most %d: %d attempts were granted", limit, n)
		}
	}
}
