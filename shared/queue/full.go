package queue

import (
	"fmt"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// displace makes room for a call in a full room, or returns the error that it
// is refused with.
func (r *room) displace(t *ticket, now time.Time) (*ticket, error) {
	own := r.places(t)
	victim := r.victim(t, own)
	if victim == nil {
		if own > 1 && r.shared() {
			return nil, r.errGreedy(now)
		}
		return nil, r.errFull(now)
	}
	victim.refused = r.errGreedy(now)
	if victim.Class < t.Class {
		victim.refused = r.errFull(now)
	}
	r.Done(victim, 0, now)
	return victim, nil
}

// victim returns the newest call of the key that holds the most places, among
// those that are no more urgent than t; nil where t must not take its place.
func (r *room) victim(t *ticket, own int) *ticket {
	for i := len(r.lines) - 1; i >= 0 && r.lines[i].class <= t.Class; i-- {
		greedy := r.lines[i].greediest()
		if greedy != nil && (r.lines[i].class < t.Class || greedy.calls.size > own+1) {
			return greedy.calls.last
		}
	}
	return nil
}

// greediest returns the flow with the most waiting calls, for its weight; nil
// where none waits.
func (l *line) greediest() (most *flow) {
	for _, f := range l.next {
		if most == nil || f.greed() > most.greed() {
			most = f
		}
	}
	return most
}

func (f *flow) greed() float64 { return f.calls.first.tokens(f.calls.size) }

// places is how many calls of the same key and class wait.
func (r *room) places(t *ticket) int {
	if f := r.line(t.Class).flows[t.Key]; f != nil {
		return f.calls.size
	}
	return 0
}

// shared says whether calls of several keys wait.
func (r *room) shared() bool {
	n := 0
	for i := range r.lines {
		n += len(r.lines[i].next)
	}
	return n > 1
}

// The words of the refusals; those of a full room are Ollama's own.
const (
	saysFull     = "server busy, please try again.  maximum pending requests exceeded"
	saysGreedy   = "too many requests of this API key are waiting already"
	saysDraining = "the provider takes no new requests now"
)

func (r *room) errFull(now time.Time) *llm.Error {
	return &llm.Error{Code: llm.CodeOverloaded, Message: saysFull, RetryAfter: r.retryAfter(now)}
}

func (r *room) errGreedy(now time.Time) *llm.Error {
	return &llm.Error{Code: llm.CodeRateLimited, Message: saysGreedy, RetryAfter: r.retryAfter(now)}
}

// errOverdue is for a call that was not worth to wait any longer.
func (r *room) errOverdue(t *ticket, now time.Time) *llm.Error {
	return &llm.Error{
		Code: llm.CodeOverloaded, RetryAfter: r.retryAfter(now),
		Message: fmt.Sprintf("the request has waited for %v in the queue, and was not begun in time", now.Sub(t.arrived).Round(time.Millisecond)),
	}
}

func errDraining() *llm.Error {
	return &llm.Error{Code: llm.CodeOverloaded, Message: saysDraining, RetryAfter: 30 * time.Second}
}

const (
	minRetry     = time.Second
	maxRetry     = 5 * time.Minute
	unknownRetry = 5 * time.Second
)

// retryAfter is when a quarter of those that wait will have gone: there is
// then a place for others than the quickest.
func (r *room) retryAfter(now time.Time) time.Duration {
	interval := r.tempo.interval(now)
	if interval == 0 {
		return unknownRetry
	}
	return min(max(time.Duration(r.waiting/4+1)*interval, minRetry), maxRetry)
}
