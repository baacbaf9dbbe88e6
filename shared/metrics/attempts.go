package metrics

import (
	"cmp"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Attempts are those of a process's workers at calls. They are safe for
// concurrent use. Nil counts nothing.
type Attempts struct {
	ended  *prometheus.CounterVec
	took   *prometheus.HistogramVec
	tokens *prometheus.CounterVec
	pauses *prometheus.CounterVec
}

// NewAttempts returns what counts attempts, of which a registry has but one.
func NewAttempts(r *Registry) *Attempts {
	if r == nil {
		return nil
	}
	return &Attempts{
		ended:  r.counter("upstream_requests_total", "Attempts at calls that have ended, by what came of them; outcome held_back: nothing of it was sent to the upstream.", labelProvider, "outcome"),
		took:   r.histogram("upstream_request_duration_seconds", "From the beginning of an attempt to the end of the answer.", durations),
		tokens: r.counter("upstream_tokens_total", "Tokens of calls and answers, as far as upstreams have told of them.", labelProvider, "direction"),
		pauses: r.counter("upstream_pauses_total", "How often a worker has paused the queue, because the upstream would take no more.", labelProvider),
	}
}

// An Upstream counts the attempts at one provider. It is safe for concurrent
// use. Nil counts nothing.
type Upstream struct {
	outcomes cache[string, prometheus.Counter]
	ended    func(outcome string) prometheus.Counter
	took     prometheus.Observer
	input    prometheus.Counter
	output   prometheus.Counter
	pauses   prometheus.Counter

	mu     sync.Mutex
	paused time.Time // until then
}

// Of returns what counts the attempts at a provider.
func (a *Attempts) Of(provider string) *Upstream {
	if a == nil {
		return nil
	}
	return &Upstream{
		ended: func(outcome string) prometheus.Counter { return a.ended.WithLabelValues(provider, outcome) },
		took:  a.took.WithLabelValues(provider),
		input: a.tokens.WithLabelValues(provider, "input"), output: a.tokens.WithLabelValues(provider, "output"),
		pauses: a.pauses.WithLabelValues(provider),
	}
}

// heldBack is the outcome of what was not sent, whatever the reason.
const heldBack = "held_back"

// An Attempt is what there is to count of an attempt that has ended.
type Attempt struct {
	Code   string // why it failed; empty: it did not
	Unsent bool   // nothing of it was sent to the upstream
	Took   time.Duration
	Input  int // tokens; 0: nobody knows
	Output int
}

// Ended counts an attempt that has ended.
func (u *Upstream) Ended(a Attempt) {
	if u == nil {
		return
	}
	outcome := cmp.Or(a.Code, ok)
	if a.Unsent {
		outcome = heldBack
	}
	u.outcomes.of(outcome, u.ended).Inc()
	if a.Unsent {
		return
	}
	u.took.Observe(a.Took.Seconds())
	u.input.Add(float64(max(0, a.Input)))
	u.output.Add(float64(max(0, a.Output)))
}

// Pausing returns pause, which may be told several times of the same pause,
// with each counted once.
func (u *Upstream) Pausing(pause func(until time.Time)) func(until time.Time) {
	if u == nil {
		return pause
	}
	return func(until time.Time) {
		u.mu.Lock()
		if now := time.Now(); until.After(now) && !now.Before(u.paused) {
			u.pauses.Inc()
		}
		if until.After(u.paused) {
			u.paused = until
		}
		u.mu.Unlock()
		pause(until)
	}
}
