package pace

import (
	"math"
	"time"
)

// Learnt is what is known of the limits of one credential from the answers that
// it got: what they say of them, and which calls were refused. The zero value has
// none until it hears of some.
type Learnt struct {
	marks   uint64          // calls that were sent
	open    map[uint64]Mark // whose answers have not begun
	quotas  [kinds]known
	average float64 // tokens of a call
	part    Part
	hunch   hunch
	others  map[string]other
	said    Word   // to them
	over    uint64 // bouts that were over then

	// While it is not known how much is allowed, only some calls may be open.
	doubtful bool
	since    uint64 // the last call that was sent before
	openable float64
	grown    time.Time
}

// Doubtful returns a Learnt that lets only a few calls pass, and then ever more,
// until it has heard of the first one.
func Doubtful() Learnt { return Learnt{doubtful: true, openable: firstOpen} }

// A Mark is a call that was sent.
type Mark struct {
	n      uint64
	at     time.Time
	tokens float64
}

const (
	firstOpen = 16                     // calls that are open before anything is known
	allOpen   = 256                    // from here on it is not counted
	growth    = 500 * time.Millisecond // after which twice as many may be open, though none was answered
)

// Send says that a call of about so many tokens is sent.
func (l *Learnt) Send(tokens int, now time.Time) Mark {
	l.marks++
	m := Mark{l.marks, now, float64(tokens)}
	if l.open == nil {
		l.open = map[uint64]Mark{}
	}
	if m.n == l.since+1 { // the time begins that nobody answers
		l.grown = now
	}
	l.open[m.n] = m
	for kind := range l.quotas {
		l.quotas[kind].spent += m.cost(kind)
	}
	l.hunch.send(l.part.all(), now)
	if l.average == 0 {
		l.average = m.tokens
	}
	l.average += newest * (m.tokens - l.average)
	return m
}

// cost is what a call takes of a quota.
func (m Mark) cost(kind int) float64 {
	if kind == ofCalls {
		return 1
	}
	return m.tokens
}

// Lost says that a call got no answer.
func (l *Learnt) Lost(m Mark) {
	delete(l.open, m.n)
	l.hunch.lose()
}

// Hear takes what the head of a call's answer says. Refused says that it was one
// call too many.
func (l *Learnt) Hear(m Mark, r Reading, refused bool, now time.Time) {
	delete(l.open, m.n)
	for kind, q := range r.quotas {
		if !q.reset.IsZero() {
			l.learn(kind, m, q)
		}
	}
	if refused {
		l.doubtful = false
		l.hunch.refuse(m, l.marks, max(r.RetryAfter, r.UntilReset(now)), now)
		if r.UntilReset(now) > 0 {
			l.hunch.bout.crowd += crowded // it says itself that nothing is left
		}
		return
	}
	if m.n > l.since {
		l.doubtful = false
	}
	l.hunch.answered(m, l.part, now)
}

// doubt lets no more than so many of the next calls be open.
func (l *Learnt) doubt(openable float64, now time.Time) {
	l.doubtful, l.since, l.openable, l.grown = true, l.marks, max(1, openable), now
}

// Room is how many calls may be sent by the worker with a part in the limits;
// where it is none, after which time that may change. It does not count what is
// kept for calls that have not begun.
func (l *Learnt) Room(p Part, now time.Time) (calls int, wait time.Duration) {
	if p != l.part {
		l.part, l.said = p, Word{} // who is new has to be told all of it
	}
	room, wait := l.hunch.room(l.open, p, now)
	if room >= 1 {
		wait = 0
	}
	for kind := range l.quotas {
		left, after := l.left(kind, now)
		if room = min(room, left); left < 1 {
			wait = max(wait, after)
		}
	}
	if l.doubtful {
		open, after := l.room(now)
		if room = min(room, open); open < 1 {
			wait = max(wait, after)
		}
	}
	return int(min(max(room, 0), math.MaxInt32)), wait
}

// room is how many more calls may be open while there are doubts.
func (l *Learnt) room(now time.Time) (calls float64, wait time.Duration) {
	open := 0
	for n := range l.open {
		if n > l.since {
			open++
		}
	}
	for open > 0 && now.Sub(l.grown) >= growth {
		l.openable, l.grown = 2*l.openable, l.grown.Add(growth)
		if l.openable >= allOpen {
			l.doubtful = false
			return math.Inf(1), 0
		}
	}
	return math.Floor(max(1, l.openable/float64(l.part.all()))) - float64(open), until(l.grown.Add(growth), now)
}

// Exhausted is when there is something left again of a limit of which the
// upstream has said that nothing is; zero where there is.
func (l *Learnt) Exhausted(now time.Time) time.Time {
	var at time.Time
	for _, k := range l.quotas {
		if k.remaining == 0 && k.reset.After(now) && k.reset.After(at) {
			at = k.reset
		}
	}
	return at
}
