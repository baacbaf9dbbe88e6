package pace

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"
)

// An agenda is what happens in simulated time.
type agenda struct {
	now   time.Time
	items []item
	count int
}

type item struct {
	at time.Time
	n  int // in the order in which they were entered
	do func()
}

// Len is that of [heap.Interface].
func (a *agenda) Len() int { return len(a.items) }

// Less is that of [heap.Interface].
func (a *agenda) Less(i, j int) bool {
	if a.items[i].at.Equal(a.items[j].at) {
		return a.items[i].n < a.items[j].n
	}
	return a.items[i].at.Before(a.items[j].at)
}

// Swap is that of [heap.Interface].
func (a *agenda) Swap(i, j int) { a.items[i], a.items[j] = a.items[j], a.items[i] }

// Push is that of [heap.Interface].
func (a *agenda) Push(x any) { a.items = append(a.items, x.(item)) }

// Pop is that of [heap.Interface].
func (a *agenda) Pop() any {
	last := a.items[len(a.items)-1]
	a.items = a.items[:len(a.items)-1]
	return last
}

func (a *agenda) in(d time.Duration, do func()) {
	a.count++
	heap.Push(a, item{a.now.Add(max(d, 0)), a.count, do})
}

// run goes on until the time.
func (a *agenda) run(until time.Time) {
	for len(a.items) > 0 && a.items[0].at.Before(until) {
		next := heap.Pop(a).(item)
		a.now = next.at
		next.do()
	}
	a.now = until
}

// A counter is how an upstream counts, and what it says of it.
type counter interface {
	count(now time.Time) (ok bool, left int, reset time.Duration)
}

// A window begins with a call where no other goes on.
type window struct {
	limit int
	size  time.Duration
	since time.Time
	taken int
}

func (w *window) count(now time.Time) (bool, int, time.Duration) {
	if now.Sub(w.since) >= w.size {
		w.since, w.taken = now, 0
	}
	ok := w.taken < w.limit
	if ok {
		w.taken++
	}
	return ok, w.limit - w.taken, w.since.Add(w.size).Sub(now)
}

// A slide counts the calls of the last window, whenever that is; it says when
// the oldest of them leaves it.
type slide struct {
	limit int
	size  time.Duration
	calls []time.Time
}

func (s *slide) count(now time.Time) (bool, int, time.Duration) {
	for len(s.calls) > 0 && now.Sub(s.calls[0]) >= s.size {
		s.calls = s.calls[1:]
	}
	ok := len(s.calls) < s.limit
	if ok {
		s.calls = append(s.calls, now)
	}
	return ok, s.limit - len(s.calls), s.calls[0].Add(s.size).Sub(now)
}

// A pail fills evenly; it says when it is full.
type pail struct {
	limit int
	size  time.Duration
	taken float64
	at    time.Time
}

func (p *pail) count(now time.Time) (bool, int, time.Duration) {
	per := p.size.Seconds() / float64(p.limit)
	p.taken = max(0, p.taken-now.Sub(p.at).Seconds()/per)
	p.at = now
	ok := p.taken+1 <= float64(p.limit)
	if ok {
		p.taken++
		return true, int(float64(p.limit) - p.taken), time.Duration(p.taken * per * float64(time.Second))
	}
	return false, 0, time.Duration(p.taken * per * float64(time.Second))
}

// An unlimited upstream takes whatever comes.
type unlimited struct{}

func (unlimited) count(time.Time) (bool, int, time.Duration) { return true, 0, 0 }

// A world is an upstream and the workers that send it as many calls as they
// may.
type world struct {
	agenda
	upstream counter
	limit    int           // in headers; 0: it does not tell
	after    bool          // it says after which time to call again
	answers  time.Duration // about how long it takes to answer
	slow     time.Duration // about how long a message takes
	random   *rand.Rand
	demand   func(at time.Time) int // calls that there are to send; nil: any number
	sent     int
	workers  []*simulated
	passed   []time.Time
	refused  []time.Time
}

type simulated struct {
	w       *world
	rank    int
	l       Learnt
	coming  int // calls that are on their way to it
	cool    time.Time
	woken   time.Time // when it looks again anyway
	telling bool
}

func (w *world) about(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.5 + w.random.Float64()))
}

func (w *world) begin(n int) {
	w.now = start
	for i := range n {
		s := &simulated{w: w, rank: i, l: Doubtful()}
		w.workers = append(w.workers, s)
		w.in(0, s.look)
	}
}

const mostOpen = 100 // calls of a worker

// look takes as many calls as it may.
func (s *simulated) look() {
	w := s.w
	if wait := s.cool.Sub(w.now); wait > 0 {
		s.wake(wait)
		return
	}
	room, wait := s.l.Room(Part{s.rank, len(w.workers)}, w.now)
	room = min(room, mostOpen-len(s.l.open))
	for s.coming < room && (w.demand == nil || w.sent < w.demand(w.now)) {
		w.sent++
		s.coming++
		w.in(w.about(w.slow), s.send)
	}
	if room-s.coming <= 0 && wait > 0 {
		s.wake(wait)
	}
}

func (s *simulated) wake(d time.Duration) {
	at := s.w.now.Add(d)
	if s.woken.After(s.w.now) && !at.Before(s.woken) {
		return
	}
	s.woken = at
	s.w.in(d, s.look)
}

func (s *simulated) send() {
	w := s.w
	s.coming--
	if s.cool.After(w.now) {
		w.sent--
		s.look()
		return
	}
	m := s.l.Send(0, w.now)
	s.changed()
	w.in(w.about(w.slow), func() {
		ok, left, reset := w.upstream.count(w.now)
		r := Reading{}
		if w.limit > 0 {
			r = said(w.limit, left, w.now.Add(reset))
		}
		took := w.about(w.slow)
		if ok {
			w.passed = append(w.passed, w.now)
			took += w.about(w.answers)
		} else {
			w.refused = append(w.refused, w.now)
			w.sent--
			if w.after {
				r.RetryAfter = reset
			}
		}
		w.in(took, func() { s.hear(m, r, !ok) })
	})
	s.look()
}

func (s *simulated) hear(m Mark, r Reading, refused bool) {
	w := s.w
	s.l.Hear(m, r, refused, w.now)
	if refused {
		wait := max(r.RetryAfter, 50*time.Millisecond) // else whoever sent the call tries again soon
		until := w.now.Add(wait)
		for _, o := range w.workers {
			delay := w.about(w.slow)
			if o == s {
				delay = 0
			}
			w.in(delay, func() {
				if r.RetryAfter > 0 || o == s {
					if until.After(o.cool) {
						o.cool = until
					}
				}
				o.look()
			})
		}
	}
	s.changed()
}

// changed is for what has changed of what is known.
func (s *simulated) changed() {
	if !s.telling {
		s.telling = true
		s.w.in(0, s.tell)
	}
	s.look()
}

// tell tells the others, but not more often than it should.
func (s *simulated) tell() {
	w := s.w
	word, ok := s.l.Word(w.now)
	if s.telling = ok; !ok {
		return
	}
	for _, o := range w.workers {
		if o != s {
			w.in(w.about(w.slow), func() { o.l.Told(fmt.Sprint(s.rank), word, w.now); o.changed() })
		}
	}
	w.in(10*time.Millisecond, s.tell)
}

func within(times []time.Time, from, to time.Time) (n int) {
	for _, t := range times {
		if !t.Before(from) && t.Before(to) {
			n++
		}
	}
	return n
}
