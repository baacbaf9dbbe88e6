package bus

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// eras are the times from one connection to the bus to the next. The zero value
// is in its first.
type eras struct {
	mu  sync.Mutex
	ctx context.Context
	end context.CancelCauseFunc
}

// now returns a context that is done, because of errBack, when the era ends.
func (e *eras) now() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == nil {
		e.ctx, e.end = context.WithCancelCause(context.Background())
	}
	return e.ctx
}

// next begins the next era.
func (e *eras) next() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx != nil {
		e.end(errBack)
		e.ctx = nil
	}
}

// lostSlack is how much earlier than a connection is known to be lost messages
// may have got lost.
const lostSlack = 100 * time.Millisecond

// followLink looks after what a lost connection may have taken with it, until
// ctx is done.
func (w *Worker) followLink(ctx context.Context) {
	changes := w.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED)
	defer w.nc.RemoveStatusListener(changes)
	var lost time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case status, open := <-changes:
			switch {
			case !open: // it was closed for good
				return
			case status != nats.CONNECTED && lost.IsZero():
				lost = time.Now()
			case status == nats.CONNECTED && !lost.IsZero():
				w.reconnected(time.Since(lost) + lostSlack)
				lost = time.Time{}
			}
		}
	}
}

// reconnected has everybody say again what may have got lost: the queues what
// they were asked for, owners what they have for this worker, and the worker how
// far its answers are.
func (w *Worker) reconnected(away time.Duration) {
	w.eras.next()
	if w.attached.Load() && !w.leaving.Load() {
		w.presentAfter(away)
	}
	for _, r := range w.attempts.all(time.Now(), w.options.Timing.Linger) {
		r.reconnected()
	}
}
