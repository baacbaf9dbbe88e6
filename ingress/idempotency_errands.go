package ingress

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/idem"
	"github.com/offbeat-studio/allama/shared/llm"
)

const (
	maxAnswer  = 8 << 20 // what is kept of one answer at the most
	recordSize = 1 << 10 // about what a call with a key takes, without its answer
)

// An errand is a call that runs by itself: clients follow it, and it may outlive
// them.
type errand struct {
	request *http.Request // with a context that does not end with a client's; nil once it has ended
	key     string        // of what is to run once; empty: nothing of it is remembered
	print   string        // equal for equal requests
	tape    *tape
	cancel  context.CancelCauseFunc

	// The lock of the errands guards what follows.
	followers int
	grace     time.Duration // how long it goes on without any; 0: not at all
	begun     bool          // an upstream may have it
	alone     *time.Timer   // runs while it has no followers
	state     errandState
	expires   time.Time // when it is forgotten
	held      int64     // bytes of the answer
}

type errandState int

const (
	errandRuns    errandState = iota
	errandKept                // it is done, and its answer is there
	errandUnkept              // it is done, but its answer is not there
	errandDropped             // it is nobody's to join
)

// errDeserted is why a call is ended that has no clients any more.
var errDeserted = &llm.Error{Code: llm.CodeCanceled, Message: "request canceled"}

// errands are those of a server, and what is remembered of them. They are safe
// for concurrent use.
type errands struct {
	ttl    time.Duration // how long answers are kept; 0: keys are ignored
	budget int64         // bytes of all that is remembered
	book   *idem.Book    // where servers see what others run; nil: there are no others

	running sync.WaitGroup

	mu      sync.Mutex
	live    map[*errand]bool
	byKey   map[string]*errand
	done    []*errand // all that are remembered, the one that is forgotten first in front
	answers []*errand // those of them that were kept, in the same order
	held    int64
}

func newErrands(cfg KeepConfig, book *idem.Book) *errands {
	return &errands{
		ttl: cfg.TTL, budget: cfg.Bytes, book: book,
		live: map[*errand]bool{}, byKey: map[string]*errand{},
	}
}

// join has a client follow the errand with its key or, where there is none, a
// new one, which the caller has to run.
func (s *errands) join(r *http.Request, t terms, print string) (d *errand, rd *reader, first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	d = s.byKey[t.key]
	switch {
	case d == nil:
		if d, err = s.add(r, t.key, print); err != nil {
			return nil, nil, false, err
		}
		first = true
	case d.print != print:
		return nil, nil, false, errOther
	}
	rd, ok := d.tape.follow()
	if !ok {
		return nil, nil, false, errUnkept
	}
	d.followers++
	d.grace = max(d.grace, t.grace)
	if d.alone != nil {
		d.alone.Stop()
		d.alone = nil
	}
	return d, rd, first, nil
}

// add adds a new errand; the lock is held.
func (s *errands) add(r *http.Request, key, print string) (*errand, error) {
	d := &errand{key: key, print: print}
	var room func(int64) bool
	if key != "" {
		if !s.reserve(recordSize) {
			return nil, errNoRoom(s.soonest())
		}
		s.byKey[key] = d
		room = func(n int64) bool { return s.grow(d, n) }
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	d.request, d.cancel, d.tape = r.WithContext(ctx), cancel, newTape(ctx.Done(), room)
	if cause := context.Cause(r.Context()); cause == errStopping { // it has come too late to be stopped
		cancel(cause)
	}
	s.live[d] = true
	s.running.Add(1)
	return d, nil
}

// lastMoment is how long a call with a key goes on when its last client leaves
// with a part of the answer: that may have been all of it, which is about to be
// kept.
const lastMoment = 100 * time.Millisecond

// leave is for a client that does not follow any more.
func (s *errands) leave(d *errand, rd *reader) {
	rd.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	d.followers--
	switch {
	case d.followers > 0 || d.state != errandRuns:
	case d.grace > 0 && (d.begun || d.key != ""):
		d.alone = time.AfterFunc(d.grace, func() { s.desert(d) })
	case d.key != "" && d.tape.begun():
		d.alone = time.AfterFunc(lastMoment, func() { s.desert(d) })
	default:
		s.drop(d)
		d.cancel(errDeserted)
	}
}

// desert ends an errand to which no client has come back.
func (s *errands) desert(d *errand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.followers == 0 && d.state == errandRuns {
		s.drop(d)
		d.cancel(errDeserted)
	}
}

// begin takes note that an upstream may have the call.
func (s *errands) begin(d *errand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.begun = true
}

// forget has the next call with the key run anew, unless that is remembered.
func (s *errands) forget(d *errand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(d)
}

// keep remembers a call that is done, if it was not forgotten.
func (s *errands) keep(d *errand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.state != errandRuns || d.key == "" {
		return
	}
	d.state, d.expires = errandUnkept, time.Now().Add(s.ttl)
	if d.tape.isWhole() {
		d.state = errandKept
		s.answers = append(s.answers, d)
	}
	s.done = append(s.done, d)
}

// end is for an errand that runs no more.
func (s *errands) end(d *errand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.state == errandRuns {
		s.drop(d)
	}
	if d.alone != nil {
		d.alone.Stop()
	}
	delete(s.live, d)
	d.cancel(nil)
	d.request = nil // what is remembered is small
	s.running.Done()
}

// stop ends all errands that run.
func (s *errands) stop(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d := range s.live {
		d.cancel(cause)
	}
}

// wait waits until no errand runs. Meanwhile none may be added.
func (s *errands) wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() { s.running.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
