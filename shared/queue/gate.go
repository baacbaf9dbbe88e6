package queue

import (
	"context"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A Gate has a room for each provider. It is safe for concurrent use.
type Gate struct {
	options Options

	mu     sync.RWMutex
	places map[string]*place
}

// A place is a room and what guards it.
type place struct {
	provider string
	limit    func(provider string) int

	mu     sync.Mutex
	room   *room
	looked time.Time // when the cap was asked for
}

// capFresh is for how long a cap is believed.
const capFresh = time.Second

// NewGate returns a gate without any calls.
func NewGate(o Options) *Gate { return &Gate{options: o, places: map[string]*place{}} }

// A Pass is a call's stay in a room. Whoever gets one must call [Pass.Done].
type Pass struct {
	place  *place
	ticket ticket
}

// Enter has a call enter the room of a provider. It does not wait: that is
// what [Pass.Wait] is for. It returns an [*llm.Error] where the room takes the
// call not.
func (g *Gate) Enter(provider string, c Claim) (*Pass, error) {
	p := &Pass{place: g.place(provider), ticket: ticket{Claim: c}}
	now := time.Now()
	p.place.mu.Lock()
	defer p.place.mu.Unlock()
	displaced, err := p.place.room.Enter(&p.ticket, now)
	if err != nil {
		return nil, err
	}
	if displaced != nil {
		close(displaced.ready)
	}
	p.place.pump(now)
	switch p.ticket.stage {
	case Waiting:
		p.ticket.ready = make(chan struct{})
	case gone:
		return nil, p.place.room.errOverdue(&p.ticket, now)
	}
	return p, nil
}

// Wait returns nil once the call is let in. It returns an [*llm.Error] when
// ctx is done, when the call's deadline is over, or when its place was given to
// another; the call has left the room then.
func (p *Pass) Wait(ctx context.Context) error {
	t := &p.ticket
	if t.ready == nil {
		return nil
	}
	var overdue <-chan time.Time
	if !t.Deadline.IsZero() {
		timer := time.NewTimer(time.Until(t.Deadline))
		defer timer.Stop()
		overdue = timer.C
	}
	select {
	case <-t.ready:
	case <-ctx.Done():
		p.Done(0)
		return &llm.Error{Code: llm.CodeCanceled, Message: "request canceled", Err: context.Cause(ctx)}
	case <-overdue:
	}
	return p.outcome(time.Now())
}

// outcome says what has become of a call that waits no longer.
func (p *Pass) outcome(now time.Time) error {
	p.place.mu.Lock()
	defer p.place.mu.Unlock()
	switch t := &p.ticket; {
	case t.refused != nil:
		return t.refused
	case t.stage == Queued:
		return nil
	default:
		p.place.room.Done(t, 0, now)
		return p.place.room.errOverdue(t, now)
	}
}

// Began says that a worker has taken the call on: another one may be let in.
// It may be called more than once.
func (p *Pass) Began() {
	now := time.Now()
	p.place.mu.Lock()
	defer p.place.mu.Unlock()
	p.place.room.Began(&p.ticket, now)
	p.place.pump(now)
}

// Done says that the call has ended or has left, and how many tokens it has
// cost; 0 where that is not known. It may be called more than once.
func (p *Pass) Done(tokens int) {
	now := time.Now()
	p.place.mu.Lock()
	defer p.place.mu.Unlock()
	p.place.room.Done(&p.ticket, tokens, now)
	p.place.pump(now)
}

// Overdue is Done for a call that was let in, but that no worker has taken on
// in time. It returns nil, and does nothing, where one has.
func (p *Pass) Overdue() error {
	now := time.Now()
	p.place.mu.Lock()
	defer p.place.mu.Unlock()
	if p.ticket.stage != Queued {
		return nil
	}
	p.place.room.Done(&p.ticket, 0, now)
	p.place.pump(now)
	return p.place.room.errOverdue(&p.ticket, now)
}

// Standing returns which in turn to be let in the call is, 0 where it does not
// wait, and after about what time it will run, 0 where nobody can say. The
// position never rises.
func (p *Pass) Standing() (position int, wait time.Duration) {
	now := time.Now()
	p.place.mu.Lock()
	defer p.place.mu.Unlock()
	return p.place.room.Position(&p.ticket, now), p.place.room.Expect(&p.ticket, now)
}

// SetState opens, pauses or drains the room of a provider. Calls that waited
// in a paused one go on when it is opened.
func (g *Gate) SetState(provider string, s State) {
	p := g.place(provider)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room.SetState(s)
	p.pump(time.Now())
}

func (g *Gate) place(provider string) *place {
	g.mu.RLock()
	p := g.places[provider]
	g.mu.RUnlock()
	if p != nil {
		return p
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if p = g.places[provider]; p == nil {
		p = &place{provider: provider, limit: g.options.Cap, room: newRoom(g.options)}
		g.places[provider] = p
	}
	return p
}

// pump lets in whoever may go. The lock must be held.
func (p *place) pump(now time.Time) {
	p.look(now)
	for {
		t := p.room.Next(now)
		if t == nil {
			return
		}
		if t.ready != nil {
			close(t.ready)
		}
	}
}

// look asks for the provider's cap, if that was not done lately. The lock must
// be held.
func (p *place) look(now time.Time) {
	if p.limit == nil || now.Sub(p.looked) < capFresh {
		return
	}
	limit := p.limit(p.provider)
	if limit >= 0 {
		p.looked = now
	}
	p.room.SetCap(limit)
}
