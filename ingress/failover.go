package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/failover"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/queue"
)

// headerFallback says whether a call of an alias that fails at one target may
// be tried at another one.
const headerFallback = "X-Allama-Fallback"

// A course is the way of an exchange through the targets of its model.
type course struct {
	*failover.Call
	targets  []catalog.Target
	affinity string
	stream   bool          // whether the client wants the answer as one
	number   int           // of the attempt, from 1
	began    time.Time     // the attempt
	queued   time.Duration // how long the exchange had waited by then
	failures []failedAttempt
}

type failedAttempt struct {
	err     error
	target  int
	refused bool
}

// attempt has one target after the other serve the request, until one does or
// the client is to be told of a failure, which it returns. What has begun to
// reach the client is never begun again.
func (x *exchange) attempt(r *http.Request, strict bool) error {
	c, err := x.embark(r.Header)
	if err != nil {
		return err
	}
	x.course = c
	defer c.Close()
	for {
		x.turn()
		before := x.attempts
		err := x.try(r, strict)
		if err == nil || r.Context().Err() != nil || errors.Is(err, errWrite) {
			return err
		}
		failed := failedAttempt{err, c.Target(), x.refused}
		step := c.Failed(failover.Failure{
			Err: llm.AsError(err), Own: !x.refused, Answered: x.answered, Leases: x.attempts - before,
		})
		x.logAttempt(r.Context(), err, step)
		if x.answered {
			return err
		}
		c.failures = append(c.failures, failed)
		if !step.Go {
			return x.telling()
		}
		if err := pause(r.Context(), step.Wait); err != nil {
			return err
		}
	}
}

// embark plans the course of the exchange.
func (x *exchange) embark(h http.Header) (*course, error) {
	stay, err := staysBy(h)
	if err != nil {
		return nil, err
	}
	s, route := x.endpoint.server, x.target
	c := &course{targets: append([]catalog.Target{route.Target}, route.Others...), stream: x.stream}
	plan := failover.Plan{
		Shares: len(route.Weights), Balance: failover.Balance(route.Way.Balance), Stream: x.stream,
		Stay: stay || route.Way.Stay, Once: route.Way.Once, Careful: x.endpoint.route.Task == llm.TaskMedia,
		Deadline: x.deadline(),
	}
	for i, t := range c.targets {
		target := failover.Target{Provider: t.Provider.Name, Model: t.Upstream, Context: t.Model.ContextLength}
		if i < len(route.Weights) {
			target.Weight = route.Weights[i]
		}
		plan.Targets = append(plan.Targets, target)
	}
	c.affinity = x.affinity(h, plan.Shares > 1)
	plan.Affinity = c.affinity
	c.Call, err = s.guide.Call(plan)
	return c, err
}

// staysBy reads the header of the fallback.
func staysBy(h http.Header) (stay bool, err error) {
	switch value := strings.ToLower(strings.TrimSpace(h.Get(headerFallback))); value {
	case "off":
		return true, nil
	case "", "on":
		return false, nil
	default:
		name := strings.ToLower(headerFallback)
		return false, invalid(name, fmt.Sprintf("header %s must be on or off, not %q", name, value))
	}
}

// turn has the exchange turn to the target of the next attempt. What is left of
// the last one would be wrong for that.
func (x *exchange) turn() {
	c := x.course
	x.target.Target, x.delivery, x.stream = c.targets[c.Target()], delivery{}, c.stream
	c.number++
	c.began, c.queued = time.Now(), x.queued
	x.slip.begins(x)
}

// answers takes note that content is about to go to the client.
func (r *relay) answers() {
	r.answered = true
	if c := r.course; c != nil {
		c.Answers(time.Since(c.began) - (r.queued - c.queued) - r.call.Queued())
	}
}

// telling returns the failure that says the most, as if it were the last.
func (x *exchange) telling() error {
	f := x.course.failures[x.course.Telling()]
	x.target.Target = x.course.targets[f.target]
	e := llm.AsError(f.err)
	if f.refused && e.Code == llm.CodeOverloaded && x.course.Spent() {
		x.out.Header().Set(headerShouldRetry, "false") // it was tried again already
	}
	return f.err
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &llm.Error{Code: llm.CodeCanceled, Message: "request canceled", Err: context.Cause(ctx)}
	}
}

// logAttempt says of an attempt that has failed what comes next. That a call
// has failed is said by the line about the call.
func (x *exchange) logAttempt(ctx context.Context, err error, step failover.Step) {
	level, next := slog.LevelInfo, "fallback"
	switch {
	case !step.Go:
		level, next = slog.LevelDebug, "none"
	case step.Same:
		next = "retry"
	}
	e := llm.AsError(err)
	x.slip.fails(e)
	x.endpoint.server.meter.calls.Failed(x.target.Provider.Name, string(e.Code), next)
	attrs := []slog.Attr{
		slog.String(logging.KeyRequest, x.out.id), slog.Int("attempt", x.course.number),
		slog.String(logging.KeyProvider, x.target.Provider.Name), slog.String("upstream_model", x.target.Upstream),
		slog.String(logging.KeyError, string(e.Code)), slog.String("detail", e.Error()), slog.String("next", next),
	}
	if step.Go {
		t := x.course.targets[x.course.Target()]
		attrs = append(attrs, slog.String("next_target", t.Provider.Name+"/"+t.Upstream), slog.Int64("wait_ms", step.Wait.Milliseconds()))
	}
	x.endpoint.server.log.LogAttrs(ctx, level, "attempt failed", attrs...)
}

// load is how many calls a provider runs, and can. One that is paused, or takes
// no new calls, has as much to do as there can be.
func (s *Server) load(provider string) (running, limit int) {
	l := s.owner.Load(provider)
	if time.Now().Before(l.PausedUntil) || s.state(provider) != queue.Open {
		return math.MaxInt32, l.Cap
	}
	return l.InFlight, l.Cap
}

// deadline is when the exchange has to be over.
func (x *exchange) deadline() time.Time {
	return x.out.began.Add(x.endpoint.server.cfg.RequestTimeout)
}

// token is the id of the job of an attempt. The first one has that of the
// request.
func (x *exchange) token() string {
	id := strings.TrimPrefix(x.out.id, idPrefix)
	if c := x.course; c != nil && c.number > 1 {
		id += "-" + itoa(c.number)
	}
	return id
}
