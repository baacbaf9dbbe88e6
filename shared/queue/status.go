package queue

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A Status is what there is to see of a provider's room.
type Status struct {
	Provider  string        `json:"provider"`
	State     State         `json:"state"`
	Waiting   map[Class]int `json:"waiting"` // the calls in the room
	Queued    int           `json:"queued"`  // on their way to a worker
	Running   int           `json:"running"`
	Cap       int           `json:"cap"`    // over the whole cluster; 0: none
	Window    int           `json:"window"` // the most that Queued can be
	Depth     int           `json:"depth"`  // the most that can wait
	Oldest    time.Duration `json:"oldest"` // for how long the oldest call has waited in the room
	PerMinute int           `json:"per_minute"`
	Expected  time.Duration `json:"expected"` // about how long a newcomer would wait; 0: not at all, or nobody can say
	Calls     []CallStatus  `json:"calls"`
}

// A CallStatus is what there is to see of a call.
type CallStatus struct {
	ID       string    `json:"id"`
	Key      string    `json:"key"`
	Class    Class     `json:"class"`
	Model    string    `json:"model"`
	Stage    Stage     `json:"state"`
	Position int       `json:"position"` // in turn to be let in; 0: it was
	Since    time.Time `json:"since"`    // when it came
}

// Snapshot returns the state of all rooms that calls have ever been in, by the
// names of their providers.
func (g *Gate) Snapshot() []Status {
	g.mu.RLock()
	places := slices.Collect(maps.Values(g.places))
	g.mu.RUnlock()
	slices.SortFunc(places, func(a, b *place) int { return cmp.Compare(a.provider, b.provider) })
	list := make([]Status, len(places))
	for i, p := range places {
		list[i] = p.status(time.Now())
	}
	return list
}

func (p *place) status(now time.Time) Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look(now)
	s := p.room.status(now)
	s.Provider = p.provider
	return s
}

func (r *room) status(now time.Time) Status {
	s := Status{
		State: r.state, Waiting: map[Class]int{}, Queued: r.queued, Running: r.admitted.size - r.queued,
		Cap: max(r.limit, 0), Window: window(r.limit), Depth: r.options.Depth,
		PerMinute: r.begun.perMinute(now), Calls: make([]CallStatus, 0, r.waiting+r.admitted.size),
	}
	if r.waiting > 0 {
		s.Expected = time.Duration(r.waiting+1+r.queued) * r.tempo.interval(now)
	}
	for t := range r.admitted.all(byAge) {
		s.Calls = append(s.Calls, r.call(t, 0))
	}
	first := len(s.Calls)
	for i := range r.lines {
		l := &r.lines[i]
		s.Waiting[l.class] = l.order.size
		if oldest := l.order.first; oldest != nil {
			s.Oldest = max(s.Oldest, now.Sub(oldest.arrived))
		}
	}
	for t, position := range r.inTurn(now) {
		s.Calls = append(s.Calls, r.call(t, position))
	}
	slices.SortStableFunc(s.Calls[first:], func(a, b CallStatus) int { return cmp.Compare(a.Position, b.Position) })
	return s
}

func (r *room) call(t *ticket, position int) CallStatus {
	return CallStatus{ID: t.ID, Key: t.Key, Class: t.Class, Model: t.Model, Stage: t.stage, Position: position, Since: t.arrived}
}

// inTurn yields the waiting calls with their positions, in the order in which
// they will be let in as far as nothing changes.
func (r *room) inTurn(now time.Time) func(yield func(*ticket, int) bool) {
	return func(yield func(*ticket, int) bool) {
		var queues [len(classes)][]*ticket
		for i := range r.lines {
			queues[i] = r.lines[i].sorted()
		}
		f := r.forecast(now)
		for n := 1; n <= r.waiting; n++ {
			i := f.next()
			t := queues[i][0]
			queues[i] = queues[i][1:]
			if t.told == 0 || n < t.told {
				t.told = n
			}
			if !yield(t, t.told) {
				return
			}
		}
	}
}

// sorted returns the waiting calls in the order of the line.
func (l *line) sorted() []*ticket {
	type entry struct {
		t     *ticket
		start float64
	}
	entries := make([]entry, 0, l.order.size)
	for _, f := range l.next {
		f.until(func(t *ticket, start float64) bool {
			entries = append(entries, entry{t, start})
			return false
		})
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.t.number, b.t.number))
	})
	list := make([]*ticket, len(entries))
	for i, e := range entries {
		list[i] = e.t
	}
	return list
}
