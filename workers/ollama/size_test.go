package ollama

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/workers/upstream"
)

// Calls that wait for a place begin once there are more, unless the operator has
// said how many places a host has.
func TestHostsAreResizedWhileTheyWork(t *testing.T) {
	for _, tt := range []struct {
		name string
		pool upstream.Pool
		want [3]int // calls at once: at first, with a limit of 6, with none
		size [3]int
	}{
		{"by the limit", upstream.Pool{}, [3]int{4, 6, 6}, [3]int{64, 96, 64}},
		{"as it was said", upstream.Pool{Parallel: 2}, [3]int{2, 2, 2}, [3]int{32, 32, 32}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, "a:latest")
			f.takes = time.Hour
			p := open(t, tt.pool, f)
			ctx, leave := context.WithCancel(t.Context())
			var calls sync.WaitGroup
			for range 8 {
				calls.Go(func() { _, _ = p.Forward(ctx, chatCall("a")) })
			}
			defer calls.Wait()
			defer leave()
			holds := func(i int) {
				t.Helper()
				busy := func() int { return sum([]*fake{f}, func(f *fake) int { return f.busy }) }
				for deadline := time.Now().Add(5 * time.Second); busy() != tt.want[i] && time.Now().Before(deadline); <-time.After(time.Millisecond) {
				}
				if got, size := busy(), p.Capacity(); got != tt.want[i] || size != tt.size[i] {
					t.Errorf("%d calls at once, of %d, want %d of %d", got, size, tt.want[i], tt.size[i])
				}
			}
			holds(0)
			p.Resize(6)
			holds(1)
			p.Resize(0) // what runs goes on
			holds(2)
		})
	}
}
