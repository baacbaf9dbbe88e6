package metrics

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ok is the code of what did not fail.
const ok = "ok"

// A Call is what there is to count of a client's call that has ended.
type Call struct {
	Dialect   string
	Operation string
	Provider  string // that was tried last; empty: it came as far as to none
	Status    int    // that the client was sent; 0: none was
	Code      string // why it failed; empty: it did not
	Took      time.Duration
	FirstByte time.Duration // until there was a status
	Queued    time.Duration
}

// Calls are those of clients. They are safe for concurrent use. Nil counts
// nothing.
type Calls struct {
	ended    *prometheus.CounterVec
	took     *prometheus.HistogramVec
	first    *prometheus.HistogramVec
	queued   *prometheus.HistogramVec
	attempts *prometheus.CounterVec
	failed   *prometheus.CounterVec
	refused  *prometheus.CounterVec
	replayed *prometheus.CounterVec

	outcomes cache[outcome, prometheus.Counter]
	spans    cache[string, spans]
	tries    cache[string, prometheus.Counter]
}

// An outcome is what calls are counted by.
type outcome struct{ dialect, operation, provider, class, code string }

// spans are the times of a provider's calls.
type spans struct{ took, first, queued prometheus.Observer }

// NewCalls returns what counts calls, of which a registry has but one.
func NewCalls(r *Registry) *Calls {
	if r == nil {
		return nil
	}
	return &Calls{
		ended:    r.counter("calls_total", "Calls of clients that have ended, by the class of the status and by why they failed; code canceled: the client has left.", labelDialect, labelOperation, labelProvider, "status", labelCode),
		took:     r.histogram("call_duration_seconds", "From the beginning of a call to its end.", durations),
		first:    r.histogram("call_first_byte_seconds", "From the beginning of a call to the first byte of its answer.", durations),
		queued:   r.histogram("call_queue_wait_seconds", "How long a call has waited for a worker, over all attempts.", waits),
		attempts: r.counter("call_attempts_total", "Attempts at calls that workers have begun.", labelProvider),
		failed:   r.counter("call_attempt_failures_total", "Attempts at calls that have failed, by why and by what came next: retry, fallback or none.", labelProvider, labelCode, "next"),
		refused:  r.counter("queue_refusals_total", "Calls that the queue has refused or given up; code overloaded: it was full, or takes no calls.", labelProvider, labelCode),
		replayed: r.counter("call_replays_total", "Calls that were answered by the answer to another one with the same idempotency key.", labelDialect, labelOperation),
	}
}

// classes are those of HTTP's status codes.
var classes = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

func classOf(status int) string {
	if n := status / 100; n > 0 && n < len(classes) {
		return classes[n]
	}
	return classes[0]
}

// Ended counts a call that has ended.
func (c *Calls) Ended(call Call) {
	if c == nil {
		return
	}
	key := outcome{call.Dialect, call.Operation, call.Provider, classOf(call.Status), cmp.Or(call.Code, ok)}
	c.outcomes.of(key, func(o outcome) prometheus.Counter {
		return c.ended.WithLabelValues(o.dialect, o.operation, o.provider, o.class, o.code)
	}).Inc()
	if call.Provider == "" {
		return // it says nothing of anybody's speed
	}
	s := c.spans.of(call.Provider, func(p string) spans {
		return spans{c.took.WithLabelValues(p), c.first.WithLabelValues(p), c.queued.WithLabelValues(p)}
	})
	s.took.Observe(call.Took.Seconds())
	s.queued.Observe(call.Queued.Seconds())
	if call.Status != 0 {
		s.first.Observe(call.FirstByte.Seconds())
	}
}

// Tried counts attempts that workers of a provider have begun.
func (c *Calls) Tried(provider string, n int) {
	if c == nil || n == 0 {
		return
	}
	c.tries.of(provider, func(p string) prometheus.Counter { return c.attempts.WithLabelValues(p) }).Add(float64(n))
}

// Failed counts an attempt that has failed, and what comes next.
func (c *Calls) Failed(provider, code, next string) {
	if c != nil {
		c.failed.WithLabelValues(provider, code, next).Inc()
	}
}

// Refused counts a call that may not wait, or not any longer.
func (c *Calls) Refused(provider, code string) {
	if c != nil {
		c.refused.WithLabelValues(provider, code).Inc()
	}
}

// Replayed counts a call that was answered by another one's answer.
func (c *Calls) Replayed(dialect, operation string) {
	if c != nil {
		c.replayed.WithLabelValues(dialect, operation).Inc()
	}
}
