package bus

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A job that the queue has given to a worker can get lost on its way, as when a
// NATS server dies, and then rests until the queue takes that worker for dead. An
// owner that has waited for longer than a job takes to be taken therefore asks
// the queue how far it has delivered, and publishes at once what was delivered
// to nobody. A job that still waits in the queue for its turn is left alone.

// maxOverdue is how many jobs are published anew for such a reason at a tick: when
// all that is lost is time, because the machine has too much to do, more of them
// would make it worse.
const maxOverdue = 32

// A queue is that of a provider in a shard.
type queue struct {
	provider string
	shard    int
}

// A look is what an owner knows of a queue.
type look struct {
	asked     time.Time // when it last asked
	open      bool      // and has no answer
	tries     int       // questions in a row that got none
	failed    time.Time // when the last of those was given up
	answered  time.Time // zero: never
	delivered uint64    // up to which message the queue had delivered then
	full      bool      // as many calls had been given out as may run at once
}

// A sight is what a look says of a job that is in the queue.
type sight int

const (
	sightNone   sight = iota // nothing is known that is wrong
	sightSilent              // the queue does not answer
	sightHanded              // a worker was given the job, and ought to have said so
	sightFull                // likewise, and the queue gives out no more for now
)

// looks are those of an owner. They are safe for concurrent use.
type looks struct {
	js     jetstream.JetStream
	log    *slog.Logger
	timing Timing

	ctx  context.Context // of the questions
	stop context.CancelFunc
	open sync.WaitGroup

	mu   sync.Mutex
	seen map[queue]*look
	left int // of maxOverdue
}

func newLooks(js jetstream.JetStream, log *slog.Logger, timing Timing) *looks {
	l := &looks{js: js, log: log, timing: timing, seen: map[queue]*look{}}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// see says what is known of a job in a queue that its owner may act on, and asks
// for more where that is nothing.
func (l *looks) see(q queue, pub publication, now time.Time) sight {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.of(q)
	s := k.sight(pub, now, l.timing)
	switch {
	case s == sightNone:
		l.ask(q, k, now)
	case l.left == 0:
		return sightNone
	default:
		l.left--
	}
	return s
}

// tick is called before the calls look, at each tick.
func (l *looks) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = maxOverdue
}

// look asks a queue without waiting for the answer. It reports whether the queue
// has ever answered: whoever may not ask never gets an answer.
func (l *looks) look(q queue, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.of(q)
	l.ask(q, k, now)
	return !k.answered.IsZero()
}

// restart starts the clocks anew: that no answer came means nothing.
func (l *looks) restart(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.seen {
		k.asked, k.failed = now, time.Time{}
	}
}

// close gives all questions up.
func (l *looks) close() {
	l.stop()
	l.open.Wait()
}

// of returns what is known of a queue. The lock must be held.
func (l *looks) of(q queue) *look {
	k := l.seen[q]
	if k == nil {
		k = &look{}
		l.seen[q] = k
	}
	return k
}

// ask asks a queue, if it is time. The lock must be held.
func (l *looks) ask(q queue, k *look, now time.Time) {
	if k.open || now.Sub(k.asked) < k.pause(l.timing) || l.ctx.Err() != nil {
		return
	}
	k.asked, k.open = now, true
	l.open.Go(func() {
		ctx, cancel := context.WithTimeout(l.ctx, 2*l.timing.Elsewhere)
		defer cancel()
		c, err := l.js.Consumer(ctx, StreamOfJobs(q.shard), Consumer(q.provider))
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil {
			l.log.Debug("look at the queue", slog.String("provider", q.provider), slog.Int("shard", q.shard), slog.Any("error", err))
			k.refused(time.Now())
			return
		}
		k.answer(c.CachedInfo(), time.Now())
	})
}

// pause is how long to wait between questions: longer and longer for who never
// gets an answer.
func (k *look) pause(timing Timing) time.Duration {
	if k.answered.IsZero() && k.tries > 0 {
		return min(timing.Elsewhere<<min(k.tries, 16), maxPatience)
	}
	return timing.Heartbeat / 5 // a bit less than from tick to tick
}

func (k *look) refused(now time.Time) {
	k.open, k.failed = false, now
	k.tries++
}

func (k *look) answer(info *jetstream.ConsumerInfo, now time.Time) {
	k.open, k.tries, k.failed, k.answered = false, 0, time.Time{}, now
	k.delivered = info.Delivered.Stream
	k.full = info.Config.MaxAckPending > 0 && info.NumAckPending >= info.Config.MaxAckPending
}

// sight says what is known of a job. Only what came after its publication means
// anything; and from the moment that a job is delivered its worker needs some
// time to say hello.
func (k *look) sight(pub publication, now time.Time, timing Timing) sight {
	slow := k.open && now.Sub(k.asked) >= timing.Elsewhere
	switch {
	case k.answered.IsZero():
		return sightNone
	case slow || k.failed.After(pub.anew):
		return sightSilent
	case !k.answered.After(pub.anew) || k.delivered < pub.seq || now.Sub(k.answered) < timing.Heartbeat/8:
		return sightNone
	case k.full:
		return sightFull
	}
	return sightHanded
}
