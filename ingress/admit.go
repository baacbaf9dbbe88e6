package ingress

import (
	"context"
	"errors"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/queue"
)

// A stay is what becomes of an exchange on its way to workers, over all
// attempts.
type stay struct {
	claim    queue.Claim   // what it enters the waiting rooms with
	patience time.Duration // how long it waits to be begun at the most; 0: as long as it may take
	position int           // when it first had to wait in a room; 0: it never had to
	queued   time.Duration // how long it has waited, in rooms and on its way
	attempts int
}

// relay has a worker perform the job, when it is its turn, and writes the
// answer to the client. Only calls that change models do not queue: they keep
// nobody from being served.
func (x *exchange) relay(ctx context.Context, job *bus.Job) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := newRelay(x, cancel)
	defer r.breakSilences()()
	if job.Task == llm.TaskManage {
		x.slip.begins(x)
		return r.perform(ctx, job)
	}
	pass, err := x.enter(job)
	if err != nil {
		return x.countRefusal(err)
	}
	x.usage = nil
	defer func() { pass.Done(tokensOf(x.usage)) }()
	r.admission(pass)
	defer r.hurry(pass)()
	began := time.Now()
	err = pass.Wait(ctx)
	r.waited(time.Since(began))
	if err != nil {
		return x.countRefusal(overdueOr(ctx, err))
	}
	return overdueOr(ctx, r.perform(ctx, job))
}

// limit is how many calls a provider runs at once; below 0 as long as no worker
// has told: those that are there tell a server that has just started within
// seconds.
func (s *Server) limit(provider string) int {
	load := s.owner.Load(provider)
	if load.Workers == 0 {
		return -1
	}
	return load.Cap
}

// perform has a worker perform the job at once.
func (r *relay) perform(ctx context.Context, job *bus.Job) error {
	call, err := r.endpoint.server.owner.Call(*job)
	if err != nil {
		return err
	}
	if r.pass != nil {
		call.OnLease(r.pass.Began)
	}
	if r.out.leased != nil {
		call.OnLease(r.out.leased)
	}
	r.mu.Lock()
	r.call = call
	r.mu.Unlock()
	defer r.leave()
	return r.ownField(r.run(ctx))
}

// enter enters the waiting room of the job's provider.
func (x *exchange) enter(job *bus.Job) (*queue.Pass, error) {
	claim := x.claim
	claim.ID, claim.Model, claim.Deadline = job.Request, job.Model, job.Deadline
	if x.patience > 0 {
		if overdue := time.Now().Add(x.patience - x.queued); claim.Deadline.IsZero() || overdue.Before(claim.Deadline) {
			claim.Deadline = overdue
		}
	}
	return x.endpoint.server.gate.Enter(job.Provider, claim)
}

// admission says where the relay waits, if it does.
func (r *relay) admission(pass *queue.Pass) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pass = pass
	if position, _ := pass.Standing(); r.position == 0 {
		r.position = position
	}
}

// waited takes note of how long the relay was in a room.
func (r *relay) waited(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queued += d
}

// hurry ends a call that was let in, but that no worker takes on in time. What
// it returns stops that.
func (r *relay) hurry(pass *queue.Pass) (stop func()) {
	if r.patience == 0 {
		return func() {}
	}
	timer := time.AfterFunc(r.patience-r.queued, func() {
		if err := pass.Overdue(); err != nil {
			r.cancel(err)
		}
	})
	return func() { timer.Stop() }
}

// overdueOr returns the error that a call was ended with by hurry, or err.
func overdueOr(ctx context.Context, err error) error {
	if overdue, ok := errors.AsType[*llm.Error](context.Cause(ctx)); ok && err != nil {
		return overdue
	}
	return err
}
