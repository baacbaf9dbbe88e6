package catalogsync

import "time"

// A turn says when a source is listed. The zero value is due.
type turn struct {
	due      time.Time
	running  bool
	heard    bool // a listing has ended, be it well or badly
	again    bool // asked for while it was running
	failures int  // in a row
}

// end notes that a listing has ended, and plans the next.
func (t *turn) end(now time.Time, failed bool, interval time.Duration) {
	t.running, t.heard = false, true
	wait := interval
	if failed {
		// The shift is bounded so that it cannot overflow.
		wait = min(interval, retryDelay<<min(t.failures, 16))
		t.failures++
	} else {
		t.failures = 0
	}
	if t.again {
		t.again, wait = false, 0
	}
	t.due = now.Add(wait)
}

// due returns the sources to list now, and takes them to be running.
func (s *state) due(now time.Time) (sources []int) {
	for i := range s.turns {
		if t := &s.turns[i]; !t.running && !now.Before(t.due) {
			t.running = true
			sources = append(sources, i)
		}
	}
	return sources
}

// all makes every source due.
func (s *state) all() {
	for i := range s.turns {
		s.turns[i].due, s.turns[i].again = time.Time{}, s.turns[i].running
	}
}

// idle reports whether no listing is running.
func (s *state) idle() bool {
	for _, t := range s.turns {
		if t.running {
			return false
		}
	}
	return true
}

// next returns when there is something to do.
func (s *state) next() time.Time {
	at := s.checkAt
	if !s.commitAt.IsZero() && s.commitAt.Before(at) {
		at = s.commitAt
	}
	for _, t := range s.turns {
		if !t.running && t.due.Before(at) {
			at = t.due
		}
	}
	return at
}
