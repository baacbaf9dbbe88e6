package bus

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// A Pace bounds how fast a worker takes jobs. Its methods may be called by
// several goroutines at once.
type Pace interface {
	// Take waits until at least one job may be started, and returns how many of
	// n may; 0 once ctx is done. The handler of a job uses up what was taken for
	// it.
	Take(ctx context.Context, n int) int

	// Return gives back what was taken for n jobs, which did not come or are not
	// performed.
	Return(n int)

	// Share says that n workers, this one among them, serve the provider, and
	// which one this is, from 0.
	Share(rank, n int)

	// PerMinute is how many jobs this worker may start in a minute; 0: not
	// known.
	PerMinute() float64

	// Hear takes what another worker has told, see [Worker.Tell].
	Hear(worker string, word []byte)
}

// unpaced lets a worker take jobs as fast as they come.
type unpaced struct{}

func (unpaced) Take(ctx context.Context, n int) int {
	if ctx.Err() != nil {
		return 0
	}
	return n
}

func (unpaced) Return(int)         {}
func (unpaced) Share(int, int)     {}
func (unpaced) PerMinute() float64 { return 0 }

func (unpaced) Hear(string, []byte) {}

// allowed waits until jobs may be started, and returns how many of n may; 0
// once ctx is done. What is taken must be returned, but by handlers.
func (w *Worker) allowed(ctx context.Context, n int) int {
	for ctx.Err() == nil {
		if wait := time.Until(w.pausedUntil()); wait > 0 {
			pause(ctx, min(wait, w.options.Timing.Heartbeat))
			continue
		}
		return w.options.Pace.Take(ctx, n)
	}
	return 0
}

// hear takes a sign of a worker of the same provider, this one included. One
// that is new shall know at once who else is there.
func (w *Worker) hear(m *nats.Msg) {
	provider, worker, p, ok := parsePresence(m)
	if !ok {
		return
	}
	now := time.Now()
	if w.peers.note(provider, worker, p, now) && worker != w.id && w.attached.Load() {
		w.present(w.leaving.Load())
	}
	if p.Paused > 0 && worker != w.id {
		w.heedPause(now.Add(time.Duration(p.Paused) * time.Millisecond))
	}
	w.share(now)
	if len(p.Pace) > 0 && worker != w.id {
		w.options.Pace.Hear(worker, p.Pace)
	}
}

func (w *Worker) share(now time.Time) {
	w.options.Pace.Share(w.peers.rank(w.provider, w.id, now))
}

// rank returns how many workers a provider has, one at least, and which of them
// a worker is, from 0: they all count in the same order.
func (t *presenceTable) rank(provider, worker string, now time.Time) (rank, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, s := range t.seen[token(provider)] {
		if name == worker || now.Sub(s.at) > t.absent {
			continue
		}
		n++
		if name < worker {
			rank++
		}
	}
	return rank, n + 1
}

// Tell tells the other workers of the provider something, which must be JSON. It
// may not arrive.
func (w *Worker) Tell(word []byte) {
	p := w.presence()
	p.Leaving, p.Pace = w.leaving.Load(), word
	w.say(p)
}
