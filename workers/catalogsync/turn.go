package catalogsync

import "time"

// A turn says when a source is listed. The zero value is due.
type turn struct {
	serial   uint64 // of the source, which no other one has had
	due      time.Time
	running  bool
	ended    uint64    // how many listings have, be it well or badly
	endedAt  time.Time // when the last one did
	again    bool      // asked for while it was running
	failures int       // in a row
	gone     []string  // models that were deleted while it was running
}

// A pace says how often a source is listed.
type pace struct {
	interval time.Duration // by itself
	gap      time.Duration // at least, however often it is asked for
}

// end notes that a listing has ended, and plans the next.
func (t *turn) end(now time.Time, failed bool, p pace) {
	t.running, t.endedAt = false, now
	t.ended++
	wait := p.interval
	if failed {
		// The shift is bounded so that it cannot overflow.
		wait = min(p.interval, retryDelay<<min(t.failures, 16))
		t.failures++
	} else {
		t.failures = 0
	}
	if t.again {
		t.again, wait = false, p.gap
	}
	t.due = now.Add(wait)
}

// ask makes a listing due unless one is younger than maxAge or running; with a
// maxAge of zero, one that runs is followed by another, for it may have begun
// too early. It returns how many will have ended then.
func (t *turn) ask(now time.Time, maxAge, gap time.Duration) uint64 {
	switch {
	case t.running && maxAge > 0:
		return t.ended + 1
	case t.running:
		t.again = true
		return t.ended + 2
	case t.ended > 0 && now.Sub(t.endedAt) < maxAge:
		return t.ended
	}
	if due := t.endedAt.Add(gap); due.Before(t.due) {
		t.due = due
	}
	return t.ended + 1
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
func (s *state) all(now time.Time) {
	for i := range s.turns {
		s.turns[i].ask(now, 0, s.pace.gap)
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
