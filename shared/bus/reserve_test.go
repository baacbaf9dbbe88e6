package bus

import "testing"

// A pull is for no more jobs than there is room for.
func TestAPullIsForSoManyJobs(t *testing.T) {
	const slots = 20_000
	tests := []struct {
		name   string
		shards int32
		busy   bool
		want   int
	}{
		{"one shard", 1, false, maxPull},
		{"one of three, that brings jobs", 3, true, maxPull},
		{"one of three", 3, false, slots / 8},
	}
	for _, tt := range tests {
		w := &Worker{slots: newSlots(slots), options: WorkerOptions{Pace: unpaced{}}}
		w.shards.count.Store(tt.shards)
		if n, scarce := w.reserve(t.Context(), tt.busy); n != tt.want || scarce {
			t.Errorf("%s: %d jobs, scarce %t, want %d", tt.name, n, scarce, tt.want)
		}
	}
}
