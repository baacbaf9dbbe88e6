package workers

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/pace"
	"github.com/offbeat-studio/allama/shared/rawjson"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// A limited is a [Provider] that knows what its upstream has room for.
type limited interface {
	Provider

	// Attend has it say what becomes of the limits.
	Attend(h upstream.Hooks)

	// Room is how many calls a worker with such a part in the limits may send;
	// where it is none, after which time that may change.
	Room(p pace.Part) (calls int, wait time.Duration)
}

// A pacer is the [bus.Pace] of a provider: it goes by what the operator allows,
// and by what the upstream says. A nil one counts nothing.
type pacer struct {
	limited limited // nil: nothing is known of the upstream's limits
	counted bool    // there is a limit of tokens

	mu      sync.Mutex
	gate    *pace.Gate
	part    pace.Part
	entered int           // jobs that may be sent, and are not yet
	herald  *herald       // nil: there is nothing to tell
	changed chan struct{} // closed when there may be more room
}

func newPacer(p Provider, r pace.Rates) *pacer {
	l, _ := p.(limited)
	return &pacer{limited: l, counted: r.Tokens > 0, gate: pace.NewGate(r), changed: make(chan struct{})}
}

// Take is that of [bus.Pace].
func (p *pacer) Take(ctx context.Context, n int) int {
	for ctx.Err() == nil {
		granted, wait, changed := p.try(n)
		if granted > 0 {
			return granted
		}
		pauseUntil(ctx, wait, changed)
	}
	return 0
}

// lookAgain is the shortest time after which it is looked again for room that
// others may give back.
const lookAgain = 5 * time.Millisecond

// try is Take without the waiting.
func (p *pacer) try(n int) (granted int, wait time.Duration, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limited != nil {
		room, after := p.limited.Room(p.part)
		if n = min(n, room-p.gate.Taken()); n < 1 {
			return 0, max(after, lookAgain), p.changed // what was taken may be returned at any time
		}
	}
	granted, wait = p.gate.Take(n, time.Now())
	return granted, wait, p.changed
}

// Return is that of [bus.Pace].
func (p *pacer) Return(n int) {
	if n > 0 {
		p.with(func(g *pace.Gate) { g.Return(n) })
	}
}

// Share is that of [bus.Pace].
func (p *pacer) Share(rank, n int) {
	part := pace.Part{Rank: rank, Of: n}
	p.mu.Lock()
	same := part == p.part
	p.mu.Unlock()
	if !same {
		p.with(func(g *pace.Gate) {
			p.part = part
			g.Share(n, time.Now())
		})
	}
}

// PerMinute is that of [bus.Pace].
func (p *pacer) PerMinute() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gate.PerMinute()
}

// with changes the gate and tells who waits.
func (p *pacer) with(f func(g *pace.Gate)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f != nil {
		f(p.gate)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// A passage is a job on its way through the pacer.
type passage struct {
	pacer     *pacer
	estimated int

	entered bool // counts among those of the pacer

	mu   sync.Mutex
	sent bool
}

// enter begins a passage. Where the provider does not say when it sends a call,
// that is now.
func (p *pacer) enter(ctx context.Context, j *bus.Job) (context.Context, *passage) {
	h := upstream.Hints{Affinity: j.Affinity}
	if p == nil {
		return upstream.WithHints(ctx, h), nil
	}
	s := &passage{pacer: p}
	if p.counted {
		s.estimated = estimate(j)
	}
	if h.Sent = s.send; p.limited == nil {
		s.send()
	}
	return upstream.WithHints(ctx, h), s
}

func (s *passage) send() {
	s.mu.Lock()
	again := s.sent
	s.sent = true
	s.mu.Unlock()
	if !again {
		s.passed()
		s.pacer.with(func(g *pace.Gate) { g.Begin(s.estimated, time.Now()) })
		s.pacer.herald.speak()
	}
}

// leave ends a passage.
func (s *passage) leave(end bus.End) {
	if s == nil {
		return
	}
	s.passed()
	s.mu.Lock()
	sent := s.sent
	s.mu.Unlock()
	switch {
	case !sent:
		s.pacer.Return(1)
	case !s.pacer.counted:
	case end.Usage != nil:
		s.settle(end.Usage.Total())
	case end.Error != nil && !begun[end.Error.Code]:
		s.settle(0)
	}
}

// begun are the failures of calls that may have cost tokens all the same.
var begun = map[llm.Code]bool{llm.CodeCanceled: true, llm.CodeInterrupted: true, llm.CodeTimeout: true}

func (s *passage) settle(used int) {
	s.pacer.with(func(g *pace.Gate) { g.End(s.estimated, used, time.Now()) })
}

// mostTokens is more than any model answers with.
const mostTokens = 1 << 24

// estimate is about how many tokens a job takes.
func estimate(j *bus.Job) int {
	n := upstream.EstimateTokens(j.Body)
	if j.Task != "" {
		return n
	}
	if j.Encoding == bus.Canonical {
		var r struct {
			Limits llm.Limits `json:"limits"`
		}
		_ = json.Unmarshal(j.Body, &r) // whoever performs the job will say what is wrong with it
		return n + min(r.Limits.MaxTokens, mostTokens)
	}
	for f := range rawjson.Fields(j.Body) {
		if most := dialect.OutputLimit(f); most > 0 {
			return n + min(most, mostTokens)
		}
	}
	return n
}
