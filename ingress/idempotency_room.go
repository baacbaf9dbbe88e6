package ingress

import "time"

// What errands hold is counted here. The lock of the errands is held where a
// comment does not say otherwise.

// grow makes room for more of an answer, and reports false where it is not to be
// kept any more. The lock is not held.
func (s *errands) grow(d *errand, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.state == errandDropped || d.held+n > maxAnswer || !s.reserve(n) {
		s.release(d)
		return false
	}
	d.held += n
	return true
}

// reserve makes room for n bytes, if need be at the cost of the answers that
// are the oldest.
func (s *errands) reserve(n int64) bool {
	for s.held+n > s.budget {
		if !s.evict() {
			return false
		}
	}
	s.held += n
	return true
}

// release gives the room for an answer back.
func (s *errands) release(d *errand) {
	s.held -= d.held
	d.held = 0
}

// evict forgets the oldest answer that nobody is being given, but not that it
// was given: its call is not to run again.
func (s *errands) evict() bool {
	for range s.answers {
		d := shift(&s.answers)
		switch {
		case d.state != errandKept:
		case d.followers > 0:
			s.answers = append(s.answers, d)
		default:
			d.tape.drop()
			d.state = errandUnkept
			s.release(d)
			return true
		}
	}
	return false
}

// expire forgets what has been remembered for long enough.
func (s *errands) expire() {
	now := time.Now()
	for len(s.done) > 0 && !s.done[0].expires.After(now) {
		s.drop(shift(&s.done))
	}
	for len(s.answers) > 0 && s.answers[0].state != errandKept {
		shift(&s.answers)
	}
}

// shift takes the first out of a list, which then does not hold it any more.
func shift(list *[]*errand) (first *errand) {
	first, (*list)[0] = (*list)[0], nil
	*list = (*list)[1:]
	return first
}

// drop makes an errand nobody's to join.
func (s *errands) drop(d *errand) {
	if d.state == errandDropped {
		return
	}
	d.state = errandDropped
	s.release(d)
	if d.key != "" {
		delete(s.byKey, d.key)
		s.held -= recordSize
	}
}

// soonest is when there will be room again, at the earliest.
func (s *errands) soonest() time.Duration {
	if len(s.done) == 0 {
		return time.Second
	}
	return max(time.Second, time.Until(s.done[0].expires))
}
