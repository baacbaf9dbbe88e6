package queue

import "time"

// A State says whether a room takes calls and lets them in.
type State string

// The states.
const (
	Open     State = "open"
	Paused   State = "paused"   // calls come and wait, but none goes
	Draining State = "draining" // no call comes, but those that are there go on
)

// A room is where the calls for one provider wait. It has no clock: every
// method is told the time, which must not run backwards. What it does takes
// a time that grows with the logarithm of how many keys wait, but for the
// finding of positions and of places in a full room, which look at all calls.
// It is not safe for concurrent use.
type room struct {
	options  Options
	state    State
	lines    [len(classes)]line
	admitted lane // the calls that were let in and have not ended
	limit    int  // the cap of the provider; below 0: not known
	waiting  int
	queued   int // admitted calls that no worker has taken on yet
	arrivals uint64
	favour   bool // the last call that went has overtaken more urgent ones
	tempo    tempo
	begun    meter
}

// newRoom returns an empty room.
func newRoom(o Options) *room {
	r := &room{options: o.withDefaults(), state: Open}
	for i, c := range classes {
		r.lines[i].class = c
	}
	return r
}

// SetCap says how many calls the provider runs at once; 0: as many as there
// are; below 0: that is not known.
func (r *room) SetCap(limit int) { r.limit = limit }

// SetState opens, pauses or drains the room.
func (r *room) SetState(s State) { r.state = s }

// Enter takes a call in, which then waits until [room.Next] returns it. It
// returns an [*llm.Error] where the room has no place. A full room gives the
// place of another call, which is returned, to one that is more urgent, or
// whose key has had less than its part of the places.
func (r *room) Enter(t *ticket, now time.Time) (displaced *ticket, err error) {
	if r.state == Draining {
		return nil, errDraining()
	}
	if r.waiting >= r.options.Depth {
		if displaced, err = r.displace(t, now); err != nil {
			return nil, err
		}
	}
	r.arrivals++
	t.stage, t.arrived, t.number = Waiting, now, r.arrivals
	r.line(t.Class).push(t)
	t.flow.line.arrived.add(now)
	r.wait(1, now)
	return displaced, nil
}

// Next lets in the call that is next. It returns nil where none waits, or
// where so many are on their way to a worker that it has to wait.
func (r *room) Next(now time.Time) *ticket {
	for r.waiting > 0 && r.state != Paused && r.queued < window(r.limit) {
		t := r.pick(now).pop()
		if t.expired(now) {
			r.wait(-1, now)
			t.flow.line.settle(t, 0)
			t.stage = gone
			continue
		}
		if !t.arrived.Equal(now) { // who does not wait says nothing of those that do
			r.tempo.left(now)
		}
		r.wait(-1, now)
		t.stage = Queued
		r.queued++
		r.admitted.push(t, byAge)
		return t
	}
	return nil
}

// Began says that a worker has taken the call on. Only the first time counts.
func (r *room) Began(t *ticket, now time.Time) {
	if t.stage != Queued {
		return
	}
	t.stage = Running
	r.queued--
	r.begun.add(now)
}

// Done says that the call has left, wherever it stood, and how many tokens it
// has really cost; 0 where that is not known. Only the first time counts.
func (r *room) Done(t *ticket, actual int, now time.Time) {
	switch t.stage {
	case gone:
		return
	case Waiting:
		t.flow.line.remove(t)
		r.wait(-1, now)
	case Queued: // it has cost nothing
		r.queued--
		r.admitted.remove(t, byAge)
		t.flow.line.settle(t, 0)
	case Running:
		r.admitted.remove(t, byAge)
		if actual <= 0 {
			actual = t.cost()
		}
		t.flow.line.settle(t, min(actual, maxCost))
	}
	t.stage = gone
}

// Position returns which in turn to be let in the call is, if no more come: 1 is
// next, 0 does not wait. It never rises while the call waits, though others may
// overtake.
func (r *room) Position(t *ticket, now time.Time) int {
	if t.stage != Waiting {
		return 0
	}
	f := r.forecast(now)
	if n := f.until(t.flow.line, t.flow.line.ahead(t)); t.told == 0 || n < t.told {
		t.told = n
	}
	return t.told
}

// pick returns the line whose turn it is; some call must wait.
func (r *room) pick(now time.Time) *line {
	p := r.prospects()
	i, favours := r.whose(&p, r.favour, now)
	r.favour = favours
	return p[i].line
}

func (r *room) patience(c Class) time.Duration {
	if c == Flex {
		return r.options.FlexWait
	}
	return r.options.DefaultWait
}

func (r *room) line(c Class) *line {
	for i := range r.lines {
		if r.lines[i].class == c {
			return &r.lines[i]
		}
	}
	return &r.lines[1] // there is no such class
}

// wait counts those that wait.
func (r *room) wait(more int, now time.Time) {
	r.waiting += more
	r.tempo.waiting(r.waiting > 0, now)
}
