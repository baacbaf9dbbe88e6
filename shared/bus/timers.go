package bus

import (
	"sync"
	"time"
)

// timers are used again by others when they have been stopped. The zero value is
// ready to use; they are safe for concurrent use.
type timers struct{ pool sync.Pool }

// start returns a timer that fires after d.
func (t *timers) start(d time.Duration) *time.Timer {
	if timer, ok := t.pool.Get().(*time.Timer); ok {
		timer.Reset(d)
		return timer
	}
	return time.NewTimer(d)
}

// stop stops a timer, of which the caller must not know any more. Where it has
// fired nobody hears of that: a timer that was stopped has nothing to receive.
func (t *timers) stop(timer *time.Timer) {
	timer.Stop()
	t.pool.Put(timer)
}
