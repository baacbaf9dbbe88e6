package failover

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Options tune a [Guide]. The zero value is ready to use.
type Options struct {
	// Load says how many calls a provider runs, over the whole cluster, and how
	// many it can, 0 where nobody knows. Nil: only the guide's own calls count.
	Load func(provider string) (running, limit int)
}

// maxStates is how many targets are remembered: clients can make names up.
const maxStates = 1 << 12

// A Guide knows how targets fare. It is safe for concurrent use.
type Guide struct {
	load   func(provider string) (running, limit int)
	random func() float64 // from [0, 1)

	mu      sync.Mutex
	states  map[key]*state
	own     map[string]int // attempts that go on, by provider
	budgets map[string]*budget
}

type key struct{ provider, model string }

// A state is what is known of a target.
type state struct {
	breaker breaker
	pace    pace
	passes  int       // attempts that go on
	used    time.Time // last
}

// A pass is an attempt while it goes on.
type pass struct {
	target Target
	state  *state
	began  time.Time
	heard  bool // it has begun to answer
}

// NewGuide returns a guide that knows nothing yet.
func NewGuide(o Options) *Guide {
	return &Guide{
		load: o.Load, random: rand.Float64,
		states: map[key]*state{}, own: map[string]int{}, budgets: map[string]*budget{},
	}
}

// enter begins an attempt at a target, or returns nil where none may be made.
func (g *Guide) enter(t Target, forced bool, now time.Time) *pass {
	p := &pass{target: t, state: g.remember(t, now), began: now}
	if !p.state.breaker.admit(p, forced, now) {
		return nil
	}
	p.state.passes++
	p.state.used = now
	g.own[t.Provider]++
	return p
}

// leave ends an attempt.
func (g *Guide) leave(p *pass) {
	p.state.breaker.leave(p)
	p.state.passes--
	if g.own[p.target.Provider]--; g.own[p.target.Provider] <= 0 {
		delete(g.own, p.target.Provider)
	}
}

// known returns what is known of a target, which must not be changed.
func (g *Guide) known(t Target) *state {
	if s := g.states[key{t.Provider, t.Model}]; s != nil {
		return s
	}
	return &state{}
}

// remember returns what is known of a target. Where there are too many, it is
// forgotten afterwards.
func (g *Guide) remember(t Target, now time.Time) *state {
	k := key{t.Provider, t.Model}
	if s := g.states[k]; s != nil {
		return s
	}
	s := &state{used: now}
	if len(g.states) >= maxStates {
		g.forget(now)
	}
	if len(g.states) < maxStates {
		g.states[k] = s
	}
	return s
}

// forget drops the targets that are not called any more.
func (g *Guide) forget(now time.Time) {
	for k, s := range g.states {
		if s.passes == 0 && (now.Sub(s.used) > time.Minute || s.breaker == (breaker{}) && s.pace == (pace{})) {
			delete(g.states, k)
		}
	}
}

// budget returns that of a provider.
func (g *Guide) budget(provider string) *budget {
	b := g.budgets[provider]
	if b == nil {
		if len(g.budgets) >= maxBudgets { // of providers that are long gone
			clear(g.budgets)
		}
		b = &budget{}
		g.budgets[provider] = b
	}
	return b
}
