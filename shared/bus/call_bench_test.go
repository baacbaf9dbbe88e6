package bus_test

import (
	"context"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// BenchmarkCall is the way of a small call through the bus: owner, server and
// worker are in this process.
func BenchmarkCall(b *testing.B) {
	s := bustest.Start(b, ackWait, "p")
	o, err := bus.NewOwner(bustest.Connect(b, s), bus.OwnerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	w, err := bus.NewWorker(bustest.Connect(b, s), "p", bus.WorkerOptions{}, echo)
	if err != nil {
		b.Fatal(err)
	}
	run(b, o.Run)
	run(b, w.Run)
	body := make([]byte, 400)
	b.SetParallelism(32)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			j := job(body)
			j.Stream, j.Caller, j.Affinity = true, "c0ffee", "abba"
			if a := call(context.Background(), o, j); a.err != nil || len(a.data) != len(body) {
				b.Errorf("answer %+v", a)
			}
		}
	})
}
