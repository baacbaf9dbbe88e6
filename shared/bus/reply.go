package bus

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/scratch"
)

// The causes for which an attempt's context is done.
var (
	errCancelled = errors.New("the owner does not wait any more")
	errNoOwner   = errors.New("the owner is gone")
)

// A Reply is the way of an answer back to the owner. Its methods are for one
// goroutine, the handler's.
type Reply struct {
	worker *Worker
	job    *Job // nil once it has ended
	address
	msg     *nats.Msg       // the job's, in the queue; nil once it has left that
	answers chan *nats.Msg  // to hello and to fetches
	done    <-chan struct{} // closed when the handler is to end; nil while there is none

	head []byte          // a record that waits for Flush
	data *scratch.Buffer // of a record that does; nil: nothing of one

	mu      sync.Mutex
	send    sender
	cancel  context.CancelCauseFunc // nil while not running
	room    chan struct{}           // the window has shrunk; nil as long as it was never full
	refused uint32                  // a fence that was cancelled before its attempt ran; 0: none
	inQueue time.Time               // the last sign of life to JetStream

	other *Reply // another attempt for the same request, see attempts
}

// An address is where an attempt's answer goes, and by what names its owner and
// its worker know it.
type address struct {
	owner   string
	request string
	attempt string
	subject string
}

func newReply(w *Worker, j *Job, owner string, m *nats.Msg) *Reply {
	return &Reply{
		worker: w, job: j, msg: m,
		address: address{owner: owner, request: j.Request, attempt: NewID(), subject: subjectResp(owner, j.Provider, j.Request)},
		answers: make(chan *nats.Msg, 1),
		send:    sender{timing: w.options.Timing},
		inQueue: time.Now(),
	}
}

// Head opens the answer; it is sent with what follows.
func (r *Reply) Head(h Head) { r.head = h.append(r.head) }

// Data adds a piece of the answer, which the owner gets as one [Data] or as a
// part of one. It is sent by the next Flush, or at once when much has come
// together. The error is why the answer is not wanted any more.
func (r *Reply) Data(ctx context.Context, p []byte) error {
	if r.data == nil {
		r.data = scratch.Borrow()
	}
	r.data.Bytes = append(r.data.Bytes, p...)
	if len(r.data.Bytes) < packetSize {
		return nil
	}
	return r.Flush(ctx)
}

// Flush sends what was added. It blocks while the owner is behind.
func (r *Reply) Flush(ctx context.Context) error {
	if len(r.head) == 0 && (r.data == nil || len(r.data.Bytes) == 0) {
		return context.Cause(ctx)
	}
	return r.flush(ctx, nil)
}

// flush sends what was added, in as many packets as it takes, and the tail
// with the last of them.
func (r *Reply) flush(ctx context.Context, tail []byte) error {
	if r.data == nil {
		r.data = scratch.Borrow()
	}
	all := r.data.Bytes
	for len(r.data.Bytes) > packetSize {
		if err := r.waitForRoom(ctx); err != nil {
			return err
		}
		r.publish(appendRecord(r.packet(packetSize), recordMore, r.data.Bytes[:packetSize]))
		r.data.Bytes = r.data.Bytes[packetSize:]
	}
	if err := r.waitForRoom(ctx); err != nil {
		return err
	}
	p := r.packet(len(r.data.Bytes) + len(tail))
	if len(r.data.Bytes) > 0 {
		p = appendRecord(p, recordData, r.data.Bytes)
	}
	r.publish(append(p, tail...))
	r.data.Bytes = all // what is lent again is all of its memory
	r.data.Return()
	r.data = nil
	return nil
}

// packet begins a packet, with the head if that was not sent yet, that has room
// for a record of the size.
func (r *Reply) packet(size int) []byte {
	p := append(newPacket(len(r.head)+recordHeader+size), r.head...)
	r.head = nil
	return p
}

// Expect says that the handler is about to wait for the upstream, for d at
// most. Writing to the reply ends the waiting. Unlike the other methods it may
// be called by anyone.
func (r *Reply) Expect(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.send.progress(d, time.Now())
}

func (r *Reply) publish(packet []byte) {
	now := time.Now()
	r.mu.Lock()
	r.send.progress(r.worker.options.Stall, now)
	probe := r.send.send(packet, now)
	r.mu.Unlock()
	if probe {
		r.worker.request(r.subject, r.attempt, packet)
	} else {
		r.worker.send(r.subject, packet)
	}
}

func (r *Reply) waitForRoom(ctx context.Context) error {
	for {
		r.mu.Lock()
		full := r.send.full()
		if full {
			r.send.progress(time.Hour, time.Now()) // the owner's silence is watched elsewhere
			if r.room == nil {
				r.room = make(chan struct{}, 1)
			}
		}
		room := r.room
		r.mu.Unlock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !full {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
		}
	}
}

// run performs the job and ends the answer.
func (r *Reply) run(ctx context.Context) {
	began := time.Now()
	ctx, stop := r.begin(ctx)
	defer stop()
	end := r.handle(ctx)
	r.conclude(ctx, end, began)
}

// begin returns the context for the handler, and what releases it.
func (r *Reply) begin(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop = func() { cancel(nil) }
	if deadline := r.job.Deadline; !deadline.IsZero() {
		timer := time.AfterFunc(time.Until(deadline), func() { cancel(errDeadline) })
		stop = func() { timer.Stop(); cancel(nil) }
		ctx = dated{ctx, deadline}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel, r.done = cancel, ctx.Done()
	r.send.progress(r.worker.options.Stall, time.Now())
	if r.refused == r.send.fence {
		cancel(errCancelled)
	}
	return ctx, stop
}

// conclude sends the end, and reports on the attempt.
func (r *Reply) conclude(ctx context.Context, end End, began time.Time) {
	if cause := context.Cause(ctx); cause != nil {
		end = overridden(end, cause)
	}
	r.finish(ctx, end)
	r.worker.report(r.job, end, began)
	r.job, r.data = nil, nil // what lingers has no use for them
}

// handle calls the handler; a panic there is a failure of this job alone.
func (r *Reply) handle(ctx context.Context) (end End) {
	defer func() {
		if p := recover(); p != nil {
			r.worker.log.Error("handler panicked", slog.String("request", r.request),
				slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			end = End{Error: &llm.Error{Code: llm.CodeInternal, Message: "internal error"}}
		}
	}()
	return r.worker.handle(ctx, r.job, r)
}

// overridden replaces an error that comes of the context by its cause.
func overridden(end End, cause error) End {
	switch {
	case end.Error == nil: // it came to its end all the same
	case errors.Is(cause, errShutdown):
		end.Error = &llm.Error{Code: llm.CodeInterrupted, Message: "stream interrupted: the worker is shutting down", Again: true}
	case errors.Is(cause, errDeadline):
		end.Error = errDeadline
	}
	return end
}

// finish sends the last packet, with whatever still waits, and takes the job
// off the queue.
func (r *Reply) finish(ctx context.Context, end End) {
	var room [128]byte
	if err := r.flush(ctx, end.append(room[:0])); err != nil {
		if end.Error == nil {
			end.Error = &llm.Error{Code: llm.CodeInterrupted, Message: "stream interrupted"}
		}
		r.publish(end.append(newPacket(0))) // the owner may still listen
	}
	r.mu.Lock()
	job := r.msg
	r.send.ended, r.msg = true, nil
	r.mu.Unlock()
	r.worker.settle(job.Ack)
}

// kept is about how much memory an ended attempt takes, for the packets that
// may have to be sent again.
func (r *Reply) kept() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.send.ended {
		return 0
	}
	return r.send.size + replySize
}

// receive takes an owner's answer, or the server's word that there is no
// owner.
func (r *Reply) receive(m *nats.Msg) {
	r.mu.Lock()
	running := r.cancel != nil
	r.mu.Unlock()
	if !running || len(m.Data) > 0 && m.Data[0] == kindPiece {
		select {
		case r.answers <- m:
		default: // an answer that came too late
		}
		return
	}
	switch {
	case len(m.Data) == 0:
		r.unheard()
	case m.Data[0] == kindDeny:
		r.cancel(errCancelled)
	default:
		if msg, err := parseNumbered(m.Data); err == nil {
			r.control(msg)
		}
	}
}

// unheard takes the server's word that nobody listens to the answer.
func (r *Reply) unheard() {
	r.mu.Lock()
	gone := r.send.unheard(time.Now())
	r.mu.Unlock()
	if gone {
		r.cancel(errNoOwner)
	}
}

// control takes an owner's word about the running attempt.
func (r *Reply) control(msg numbered) {
	now := time.Now()
	r.mu.Lock()
	if r.cancel == nil || msg.fence != r.send.fence {
		leasing := r.cancel == nil
		if leasing && msg.kind == kindCancel {
			r.refused = msg.fence
		}
		r.mu.Unlock()
		if leasing && msg.kind == kindResend { // the owner's answer may have got lost
			r.receive(&nats.Msg{Data: []byte{kindResend}})
		}
		return
	}
	var again [][]byte
	switch msg.kind {
	case kindAck:
		r.send.ack(msg.n, now)
	case kindResend:
		again = r.send.resend(msg.n, now)
	case kindCancel:
		defer r.cancel(errCancelled)
	}
	room := r.room
	r.mu.Unlock()
	for _, data := range again {
		r.worker.send(r.subject, data)
	}
	select {
	case room <- struct{}{}: // never where it is nil
	default:
	}
}

// reconnected tells the owner how far the answer is, so that it can ask for what
// has got lost.
func (r *Reply) reconnected() {
	r.mu.Lock()
	begun, sign := r.cancel != nil, r.send.alive()
	r.mu.Unlock()
	if begun {
		r.worker.request(r.subject, r.attempt, sign)
	}
}

// tick is called a few times a second: it gives signs of life to the owner and
// to JetStream.
func (r *Reply) tick(now time.Time) {
	timing := r.worker.options.Timing
	r.mu.Lock()
	if r.cancel == nil || r.send.ended {
		r.mu.Unlock()
		return
	}
	if !r.worker.nc.IsConnected() && now.Sub(r.send.heard) < 2*timing.OwnerLost {
		r.send.absent = time.Time{}
		r.mu.Unlock()
		return // the owner is not to blame for its silence
	}
	sign, lost := r.send.tick(now)
	queue := r.send.working(now) && now.Sub(r.inQueue) >= timing.Presence
	if queue {
		r.inQueue = now
	}
	job := r.msg
	r.mu.Unlock()
	switch {
	case lost:
		r.cancel(errNoOwner)
	case sign != nil:
		r.worker.request(r.subject, r.attempt, sign)
	}
	if queue {
		r.worker.settle(job.InProgress)
	}
}
