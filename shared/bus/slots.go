package bus

import (
	"context"
	"slices"
	"sync"
)

// slots are the places of a worker for jobs: each is free, kept for a job that
// was asked for, or taken by one that runs. They are safe for concurrent use.
type slots struct {
	mu      sync.Mutex
	total   int
	free    int
	taken   int
	waiting []*slotWaiter // in the order in which they came
}

// A share says how many slots to keep, of all and of those that are free.
type share func(total, free int) int

// A slotWaiter waits until a slot is free.
type slotWaiter struct {
	share share
	kept  chan int
}

func newSlots(total int) *slots { return &slots{total: total, free: total} }

// keep waits until a slot is free and nobody has waited for longer, and keeps
// what the share is, one at least; 0 once ctx is done.
func (s *slots) keep(ctx context.Context, share share) int {
	w := &slotWaiter{share: share, kept: make(chan int, 1)}
	s.mu.Lock()
	s.waiting = append(s.waiting, w)
	s.serve()
	s.mu.Unlock()
	select {
	case n := <-w.kept:
		return n
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(o *slotWaiter) bool { return o == w })
	select {
	case n := <-w.kept:
		s.free += n
		s.serve()
	default:
	}
	return 0
}

// serve gives what is free to those who wait. The lock must be held.
func (s *slots) serve() {
	for s.free > 0 && len(s.waiting) > 0 {
		w := s.waiting[0]
		s.waiting = slices.Delete(s.waiting, 0, 1)
		n := min(s.free, max(1, w.share(s.total, s.free)))
		s.free -= n
		w.kept <- n
	}
}

// drop frees n of the slots that were kept.
func (s *slots) drop(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	s.serve()
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
	s.serve()
}

// running is how many jobs have a slot.
func (s *slots) running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}
