package bus

import (
	"context"
	"sync"
)

// slots are the places of a worker for jobs: each is free, kept for a job that
// was asked for, or taken by one that runs. They are safe for concurrent use.
type slots struct {
	mu    sync.Mutex
	total int
	free  int
	taken int
	freed chan struct{} // some may be free
}

func newSlots(total int) *slots {
	return &slots{total: total, free: total, freed: make(chan struct{}, 1)}
}

// keep waits until a slot is free, and keeps as many as share says of all and
// of those that are free, one at least; 0 once ctx is done.
func (s *slots) keep(ctx context.Context, share func(total, free int) int) int {
	for ctx.Err() == nil {
		if n := s.tryKeep(share); n > 0 {
			return n
		}
		select {
		case <-s.freed:
		case <-ctx.Done():
		}
	}
	return 0
}

func (s *slots) tryKeep(share func(total, free int) int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free == 0 {
		return 0
	}
	n := min(s.free, max(1, share(s.total, s.free)))
	s.free -= n
	if s.free > 0 {
		s.signal() // somebody else may wait, too
	}
	return n
}

// drop frees n of the slots that were kept.
func (s *slots) drop(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free += n; n > 0 {
		s.signal()
	}
}

// take has a job take a slot that was kept.
func (s *slots) take() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
}

// leave frees the slot of a job that has ended.
func (s *slots) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	s.free++
	s.signal()
}

// running is how many jobs have a slot.
func (s *slots) running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

func (s *slots) signal() {
	select {
	case s.freed <- struct{}{}:
	default:
	}
}
