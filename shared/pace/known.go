package pace

import (
	"math"
	"time"
)

// A known quota is what an answer said, and what was spent since.
type known struct {
	quota
	spent float64   // by calls that are not counted in it, as far as one can tell
	heard uint64    // the last call that was sent before it was known
	ended time.Time // set: this is a guess, for what was said has ended then
}

const (
	// unseen is how old a call may be that an upstream has not counted yet.
	unseen = time.Second

	// renewed is how long an upstream is taken to have the limit that it had
	// before, when nothing newer is heard of it.
	renewed = time.Minute

	// sameTime is how much a time may vary that is said twice.
	sameTime = 10 * time.Millisecond
	// hardly is what is left of a quota that was hardly used: nobody can be
	// mistaken by much in taking it for whole.
	hardly = 0.9
)

// learn takes what the answer to a call says of a quota. Answers to calls that
// were under way together come in any order, and are counted in any: of those
// the least counts.
func (l *Learnt) learn(kind int, m Mark, q quota) {
	k := &l.quotas[kind]
	next := known{quota: q, spent: l.uncounted(kind, m.at), heard: l.marks}
	switch {
	case k.reset.IsZero() || m.n > k.heard:
		*k = next
	case !k.ended.IsZero() && q.reset.Before(k.ended.Add(sameTime)): // it is about what has ended
	case next.mine(l.part) < k.mine(l.part):
		*k = next
	}
}

// uncounted is what the open calls take that an answer may not speak of, to a
// call that was sent at some time.
func (l *Learnt) uncounted(kind int, sent time.Time) float64 {
	sum := 0.0
	for _, m := range l.open {
		if sent.Sub(m.at) < unseen {
			sum += m.cost(kind)
		}
	}
	return sum
}

// mine is what is left for one of the workers. The others may not have heard yet
// that there is as little.
func (k *known) mine(p Part) float64 {
	margin := min(3*(p.all()-1), k.limit/10)
	return p.of(max(0, k.remaining-margin)) - k.spent
}

// left is how many calls a quota leaves room for, and when it is whole again.
func (l *Learnt) left(kind int, now time.Time) (calls float64, wait time.Duration) {
	k := &l.quotas[kind]
	if !k.reset.IsZero() && !now.Before(k.reset) {
		l.renew(kind, now)
	}
	switch {
	case k.reset.IsZero():
		return math.Inf(1), 0
	case kind == ofCalls:
		return k.mine(l.part), until(k.reset, now)
	}
	return math.Ceil(k.mine(l.part) / max(l.average, 1)), until(k.reset, now)
}

// renew is for a quota that should be whole again. What was left of it is there
// in any case; whether more is, the next call finds out.
func (l *Learnt) renew(kind int, now time.Time) {
	k := &l.quotas[kind]
	left, limit := k.mine(l.part), k.limit/l.part.all()
	if kind != ofCalls {
		left /= max(l.average, 1)
	}
	switch before := *k; {
	case k.limit > 0:
		next := known{quota: quota{k.limit, k.limit, now.Add(renewed)}, heard: l.marks, ended: k.reset}
		one := 1.0
		if kind != ofCalls {
			one = max(l.average, 1)
		}
		// A bucket that fills lacks what was sent since. But nobody finds out
		// without a call.
		next.spent = min(max(k.spent, l.uncounted(kind, now)), max(0, next.mine(l.part)-one))
		*k = next
		if before.mine(l.part) < hardly*float64(limit) {
			l.doubt(left, now)
		}
	default:
		*k = known{}
		l.doubt(left, now)
	}
}
