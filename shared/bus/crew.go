package bus

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	crewRest = time.Second // how long a goroutine waits for another piece of work
	crewSize = 64          // how many of them may wait
)

// A crew does pieces of work, each at once in a goroutine of its own. One that is
// done waits for a while for the next piece, for its stack has grown to the size
// that the work takes, which costs more than the rest of a new one. It is safe
// for concurrent use, but for close.
type crew[W any] struct {
	perform func(W)
	next    chan W // to whoever waits
	over    chan struct{}
	working sync.WaitGroup
	members sync.WaitGroup
	resting atomic.Int32
}

// newCrew returns a crew that has nothing to do; it must be closed.
func newCrew[W any](perform func(W)) *crew[W] {
	return &crew[W]{perform: perform, next: make(chan W), over: make(chan struct{})}
}

// do has a piece of work done, and does not wait for it.
func (c *crew[W]) do(work W) {
	c.working.Add(1)
	select {
	case c.next <- work:
	default:
		c.members.Go(func() { c.member(work) })
	}
}

// wait waits until all work is done.
func (c *crew[W]) wait() { c.working.Wait() }

// close waits for what is being done, and has all goroutines end. Nothing must
// be given to the crew any more.
func (c *crew[W]) close() {
	close(c.over)
	c.members.Wait()
}

// member does a piece of work, and then others.
func (c *crew[W]) member(work W) {
	c.one(work)
	var rest *time.Timer
	for {
		if c.resting.Add(1) > crewSize {
			c.resting.Add(-1)
			return
		}
		if rest == nil {
			rest = time.NewTimer(crewRest)
			defer rest.Stop()
		} else {
			rest.Reset(crewRest)
		}
		more := c.await(&work, rest)
		c.resting.Add(-1)
		if !more {
			return
		}
		c.one(work)
	}
}

// await waits for the next piece of work; it reports false where none comes.
func (c *crew[W]) await(work *W, rest *time.Timer) bool {
	var none W
	*work = none // for the garbage collector
	select {
	case *work = <-c.next:
		return true
	case <-rest.C:
	case <-c.over:
	}
	return false
}

// one does a piece of work, and is done with it even where the work ends its
// goroutine.
func (c *crew[W]) one(work W) {
	defer c.working.Done()
	c.perform(work)
}
