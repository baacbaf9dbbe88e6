package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/metrics"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// waitMargin is how much longer than an upstream's longest silence the bus
// waits for a sign of an attempt: the upstream's own timeout comes first.
const waitMargin = 5 * time.Second

// managePatience is how long an upstream may be silent while it changes its
// models: it may have to check, or to convert, files of many gigabytes.
const managePatience = 10 * time.Minute

// A handler has one provider perform jobs.
type handler struct {
	provider Provider
	strict   bool      // whatever jobs say
	thoughts *thoughts // nil where the provider's models miss none
	pacer    *pacer    // nil: calls are made as they come
	meter    *metrics.Upstream
	log      *slog.Logger
}

// handle is the [bus.Handler].
func (h *handler) handle(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
	began := time.Now()
	ctx, passage := h.pacer.enter(ctx, j)
	a := &attempt{ctx: ctx, job: j, reply: r}
	err := passage.wait(ctx, r.Expect)
	switch {
	case err != nil:
	case j.Encoding == bus.Canonical:
		err = h.perform(a)
	case j.Encoding == bus.Native:
		err = h.native(a)
	default:
		err = fmt.Errorf("job with the encoding %q", j.Encoding)
	}
	if err == nil {
		err = a.data(nil)
	}
	a.end.Error = failure(ctx, err)
	passage.leave(a.end)
	took := time.Since(began)
	h.report(j, a.end.Error, took)
	h.count(a.end.Error, a.end.Usage, took)
	return a.end
}

// perform does what a canonical job is for.
func (h *handler) perform(a *attempt) error {
	switch a.job.Task {
	case "":
		return h.canonical(a)
	case llm.TaskEmbed:
		return h.embed(a)
	default: // of an ingress that is newer
		return &llm.Error{Code: llm.CodeUnsupported, Message: fmt.Sprintf("model '%s' cannot do this: %s", a.job.Model, a.job.Task)}
	}
}

func (h *handler) canonical(a *attempt) error {
	r, err := llm.ParseRequest(a.job.Body)
	if err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	r.Model, r.Strict = a.job.Model, h.isStrict(a.job)
	events, warnings, err := h.answer(a, r)
	if err != nil {
		return err
	}
	a.head = &bus.Head{Warnings: warnings}
	return a.write(events)
}

func (h *handler) native(a *attempt) error {
	f, ok := h.provider.(Forwarder)
	if !ok || !takes(f, a.job) {
		return fmt.Errorf("job in the dialect %q, with the operation %q: the provider does not take it as it is", a.job.Dialect, a.job.Operation)
	}
	call := &upstream.Call{
		Dialect: a.job.Dialect, Operation: a.job.Operation, Method: a.job.Method, Body: a.job.Body, Header: a.job.Header,
		Stream: a.job.Stream, Media: a.job.Task == llm.TaskMedia, Strict: h.isStrict(a.job), Wait: a.wait,
		Affinity: a.job.Affinity,
	}
	if a.job.Task == llm.TaskManage {
		call.Media, call.Patience, call.Upload = !a.job.Stream, managePatience, a.upload()
	}
	answer, err := f.Forward(a.ctx, call)
	if err != nil {
		return err
	}
	if answer.Events != nil {
		a.head = &bus.Head{Encoding: bus.Canonical, Warnings: answer.Warnings}
		return a.write(answer.Events)
	}
	a.head = &bus.Head{ContentType: answer.ContentType, Whole: answer.Whole, Status: answer.Status, Warnings: answer.Warnings}
	var o opening
	for p, err := range answer.Pieces {
		for _, e := range p.Events {
			a.note(e)
		}
		if err != nil {
			return err
		}
		raw := o.pass(p)
		if len(raw) == 0 {
			continue
		}
		send := a.data
		if answer.Whole {
			send = a.parts
		}
		if err := send(raw); err != nil {
			return err
		}
	}
	return nil
}

// isStrict says whether a job is rather refused than performed in part. A
// client cannot loosen what the operator has tightened.
func (h *handler) isStrict(j *bus.Job) bool { return h.strict || j.Strict }

// takes goes by the rule by which the owners of calls go.
func takes(f Forwarder, j *bus.Job) bool {
	p := catalog.Provider{Dialect: f.Dialect(), Native: f.Native()}
	return p.Takes(j.Dialect, j.Operation)
}

// maxHeld is about how much is held back of the opening of an answer, which may
// repeat all instructions and tools of the call, and more than once.
const maxHeld = 1 << 20

// An opening holds back the pieces of an answer in which there is nothing that
// a client waits for, so that a call that fails right after them still gets a
// status, or another attempt.
type opening struct {
	held []byte
	over bool
}

// pass returns what may be sent on, with the next piece; nothing so far where
// that belongs to the opening, too.
func (o *opening) pass(p upstream.Piece) []byte {
	if o.over {
		return p.Raw
	}
	o.over = !isOpening(p) || len(o.held)+len(p.Raw) > maxHeld
	if o.over && len(o.held) == 0 {
		return p.Raw // it may be a whole picture
	}
	if o.held = append(o.held, p.Raw...); !o.over {
		return nil
	}
	return o.held
}

func isOpening(p upstream.Piece) bool {
	for _, e := range p.Events {
		if _, ok := e.(llm.Start); !ok {
			return false
		}
	}
	return len(p.Events) > 0 || p.Idle
}

// An attempt is a job while it is performed.
type attempt struct {
	ctx   context.Context
	job   *bus.Job
	reply *bus.Reply
	head  *bus.Head // goes with the first piece of the answer
	line  []byte
	end   bus.End // as far as it is known
}

// wait sends what has been written before the upstream is waited for: so what
// came together travels together, and nothing waits for more.
func (a *attempt) wait(longest time.Duration) error {
	if err := a.reply.Flush(a.ctx); err != nil {
		return err
	}
	a.reply.Expect(longest + waitMargin)
	return nil
}

func (a *attempt) data(p []byte) error {
	if a.head != nil {
		a.reply.Head(*a.head)
		a.head = nil
	}
	if len(p) == 0 {
		return nil
	}
	return a.reply.Data(a.ctx, p)
}

// maxPart is what of a body is sent at once.
const maxPart = 256 << 10

// parts sends a body, which may be large, so that nobody on the way puts it
// together but who needs the whole of it.
func (a *attempt) parts(body []byte) error {
	if a.head != nil {
		a.head.Size = len(body)
	}
	for part := range slices.Chunk(body, maxPart) {
		if err := a.data(part); err != nil {
			return err
		}
	}
	return nil
}

// write writes events as lines.
func (a *attempt) write(events llm.Stream) error {
	var check llm.Checker
	for e, err := range events {
		if err != nil {
			return err
		}
		if err := check.Check(e); err != nil {
			return err
		}
		a.note(e)
		if a.line, err = llm.AppendEvent(a.line[:0], e); err != nil {
			return err
		}
		if err := a.data(a.line); err != nil {
			return err
		}
	}
	return check.End()
}

// note keeps what the end of the answer shall say.
func (a *attempt) note(e llm.Event) {
	var usage *llm.Usage
	switch e := e.(type) {
	case llm.Start:
		usage = e.Usage
	case llm.Finish:
		usage, a.end.Reason = e.Usage, e.Reason
	}
	if usage != nil {
		a.end.Usage = usage
	}
}

// failure is what the client is told of err; nil for nil.
func failure(ctx context.Context, err error) *llm.Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return e
	}
	switch {
	case ctx.Err() != nil:
		return &llm.Error{Code: llm.CodeCanceled, Message: "request canceled", Err: context.Cause(ctx)}
	case errors.Is(err, llm.ErrTruncated):
		return &llm.Error{Code: llm.CodeInterrupted, Message: llm.ErrTruncated.Error()}
	default:
		return llm.AsError(err)
	}
}

// levelOf is how urgent a failure is to the operator; others are warnings.
var levelOf = map[llm.Code]slog.Level{
	llm.CodeUpstreamAuth: slog.LevelError,
	llm.CodeUpstreamBill: slog.LevelError,
	llm.CodeInternal:     slog.LevelError,
	llm.CodeCanceled:     slog.LevelDebug,
	llm.CodeInvalid:      slog.LevelDebug,
	llm.CodeUnsupported:  slog.LevelDebug,
}

// report logs how an attempt ended.
func (h *handler) report(j *bus.Job, e *llm.Error, took time.Duration) {
	level := slog.LevelDebug
	if e != nil {
		var ok bool
		if level, ok = levelOf[e.Code]; !ok {
			level = slog.LevelWarn
		}
	}
	if j.Task == llm.TaskManage || e != nil && e.Again {
		level = min(level, slog.LevelInfo) // it is the client's wish that has failed, not a model; or little is lost
	}
	if !h.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String(logging.KeyRequest, j.Request), slog.Int("attempt", j.Attempt()),
		slog.String(logging.KeyModel, j.Model), slog.String("encoding", string(j.Encoding)),
		slog.Duration("took", took),
	}
	if e == nil {
		h.log.LogAttrs(context.Background(), level, "attempt done", attrs...)
		return
	}
	attrs = append(attrs, slog.String("code", string(e.Code)), slog.Any(logging.KeyError, e))
	h.log.LogAttrs(context.Background(), level, "attempt failed", attrs...)
}
