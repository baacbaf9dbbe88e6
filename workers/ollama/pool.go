package ollama

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

const (
	// While a call waits for its host it says so every signEvery, for which it
	// is believed for signFor.
	signEvery = 10 * time.Second
	signFor   = 30 * time.Second
)

// A pool carries a schedule: it tells it the time, and has calls wait for what
// it says. It is safe for concurrent use.
type pool struct {
	clients []*upstream.Client // in the order of the schedule's hosts
	look    look

	mu       sync.Mutex
	schedule *schedule
	timer    *time.Timer // for what time alone changes; nil: not yet
}

// A lease is a call's place at a host, until it is released.
type lease struct {
	pool    *pool
	ticket  *ticket
	client  *upstream.Client
	release func() // can be called more than once, by anyone
}

// take waits for a host for a call of a model. Meanwhile it calls wait, with a
// time within which it does so again. The lease ends with ctx at the latest.
func (p *pool) take(ctx context.Context, model, affinity string, wait func(time.Duration) error) (*lease, error) {
	t := &ticket{model: nameOf(model), affinity: affinity, ready: make(chan struct{})}
	if err := p.glance(ctx, wait); err != nil {
		return nil, err
	}
	p.change(func(s *schedule, now time.Time) { s.add(t, now) })
	give := sync.OnceFunc(func() { p.change(func(s *schedule, now time.Time) { s.drop(t, now) }) })
	if err := p.await(ctx, t, wait); err != nil {
		give()
		return nil, err
	}
	stop := context.AfterFunc(ctx, give)
	release := func() {
		stop()
		give()
	}
	return &lease{p, t, p.clients[t.host.index], release}, nil
}

func (p *pool) await(ctx context.Context, t *ticket, wait func(time.Duration) error) error {
	select {
	case <-t.ready:
		return nil
	default:
	}
	sign := time.NewTicker(signEvery)
	defer sign.Stop()
	for {
		p.watch(t)
		if err := wait(signFor); err != nil {
			return err
		}
		select {
		case <-t.ready:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-sign.C:
		}
	}
}

// change changes the schedule, and lets go whoever can go then.
func (p *pool) change(f func(s *schedule, now time.Time)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	f(p.schedule, now)
	for _, t := range p.schedule.grant(now) {
		close(t.ready)
	}
	next := p.schedule.next(now)
	switch {
	case next.IsZero() && p.timer != nil:
		p.timer.Stop()
	case next.IsZero():
	case p.timer == nil:
		p.timer = time.AfterFunc(next.Sub(now), func() { p.change(func(*schedule, time.Time) {}) })
	default:
		p.timer.Reset(next.Sub(now))
	}
}

// answered notes how a host has taken a call, and returns the error for the
// client, which says whether another host may do better.
func (l *lease) answered(ctx context.Context, err error) error {
	e, isOurs := errors.AsType[*llm.Error](err)
	if err != nil && (!isOurs || ctx.Err() != nil) {
		return err
	}
	again := false
	l.pool.change(func(s *schedule, now time.Time) {
		h := l.ticket.host
		switch {
		case e == nil:
			h.answered()
			return
		case isAway[e.Code]:
			h.failed(now)
		case e.Code == llm.CodeModelNotFound:
			h.lacks(l.ticket.model)
		default:
			return
		}
		again = s.hasOther(h, l.ticket.model, now)
	})
	if e == nil || !again {
		return err
	}
	told := *e
	told.Again = true
	return &told
}

// isAway says of a failure whether the host had better be left alone for a
// while.
var isAway = map[llm.Code]bool{llm.CodeUnreachable: true, llm.CodeTimeout: true, llm.CodeOverloaded: true}

// hasOther says whether there is another host for a model.
func (s *schedule) hasOther(not *host, model string, now time.Time) bool {
	for _, h := range s.hosts {
		if h != not && h.has(model) && !h.isAvoided(now) {
			return true
		}
	}
	return false
}

// events are those of an answer, with which the lease ends.
func (l *lease) events(events llm.Stream) llm.Stream {
	return func(yield func(llm.Event, error) bool) {
		defer l.release()
		for e, err := range events {
			if !yield(e, err) {
				return
			}
		}
	}
}

// answer has the lease end with an answer.
func (l *lease) answer(a *upstream.Answer) *upstream.Answer {
	if a.Events != nil {
		a.Events = l.events(a.Events)
		return a
	}
	pieces := a.Pieces
	a.Pieces = func(yield func(upstream.Piece, error) bool) {
		defer l.release()
		for p, err := range pieces {
			if !yield(p, err) {
				return
			}
		}
	}
	return a
}
