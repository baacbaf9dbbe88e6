package bus

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A Call is one call in the eyes of its owner.
type Call struct {
	owner *Owner
	job   Job
	wake  chan struct{} // something has changed

	mu           sync.Mutex
	recv         receiver
	queue        [][]byte // records that wait for the client
	err          *llm.Error
	stored       bool // JetStream has the job's last publication
	queued       bool // it has, or had, one of them
	publications int
	published    time.Time     // when the job was last sent to JetStream
	anew         time.Time     // when its last publication was first sent
	patience     time.Duration // how long to wait for a worker before the next one
	began        time.Time
	leased       time.Time // the first lease
}

// A Batch is what has come at once: it is written and flushed to the client at
// once, too.
type Batch struct {
	Attempt  int // the attempt it belongs to, from 1
	Messages []Message
}

func newCall(o *Owner, j Job, now time.Time) *Call {
	return &Call{
		owner: o, job: j, wake: make(chan struct{}, 1), began: now, anew: now,
		patience: 2 * o.options.Timing.Outage,
		recv:     receiver{timing: o.options.Timing, maxAttempts: o.options.MaxAttempts, deadline: j.Deadline},
	}
}

// Batches yields the answer as it comes, up to and with [End], or an
// [*llm.Error], last. When the loop ends, or ctx is done, the call is over: a
// running attempt is cancelled, a queued job will not be run.
func (c *Call) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		defer c.Close()
		r := batchReader{call: c}
		for {
			b, size, err := r.next(ctx)
			if err != nil {
				yield(Batch{}, err)
				return
			}
			last := isLast(b)
			if last && !c.finish(b.Attempt) {
				continue // another attempt has taken over
			}
			if !yield(b, nil) || last {
				return
			}
			c.consumed(b.Attempt, size)
		}
	}
}

// A batchReader makes batches of what has come.
type batchReader struct {
	call    *Call
	asm     assembler
	attempt int
}

// next waits for the next batch; size is that of its records.
func (r *batchReader) next(ctx context.Context) (b Batch, size int, err error) {
	records, attempt, err := r.call.wait(ctx)
	if err != nil {
		return Batch{}, 0, err
	}
	if attempt != r.attempt {
		r.attempt, r.asm = attempt, assembler{}
	}
	b.Attempt = attempt
	for _, record := range records {
		size += len(record)
		if b.Messages, err = r.asm.messages(b.Messages, record); err != nil {
			return Batch{}, 0, &llm.Error{Code: llm.CodeInternal, Message: "internal error", Err: err}
		}
	}
	return b, size, nil
}

func isLast(b Batch) bool {
	if len(b.Messages) == 0 {
		return false
	}
	_, ok := b.Messages[len(b.Messages)-1].(End)
	return ok
}

// Commit says that content of the attempt is about to be written to the
// client: from now on no other attempt can take over. It reports false where
// another one already has; what came of the attempt must then be thrown away.
func (c *Call) Commit(attempt int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if int(c.recv.fence) != attempt {
		return false
	}
	c.recv.committed = true
	return true
}

// Attempts is the number of attempts that were granted so far.
func (c *Call) Attempts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.recv.fence)
}

// Queued is how long the call waited, or has waited, for a worker.
func (c *Call) Queued() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leased.IsZero() {
		return time.Since(c.began)
	}
	return c.leased.Sub(c.began)
}

// Close ends the call, if it has not ended, and cancels its attempt.
func (c *Call) Close() {
	c.owner.forget(c)
	c.mu.Lock()
	open := !c.recv.done && c.recv.fence > 0
	c.recv.done = true
	c.queue = nil
	fence := c.recv.fence
	c.mu.Unlock()
	if open {
		c.control(kindCancel, fence, 0)
	}
}

// finish takes note that the attempt has come to its end, so that nothing is
// left to cancel. It reports false where another one has taken over.
func (c *Call) finish(attempt int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if int(c.recv.fence) != attempt {
		return false
	}
	c.recv.done = true
	return true
}

// wait returns what is ready for the client, and of which attempt it is.
func (c *Call) wait(ctx context.Context) (records [][]byte, attempt int, err error) {
	for {
		c.mu.Lock()
		records, c.queue = c.queue, nil
		attempt = int(c.recv.fence)
		failed := c.err
		c.mu.Unlock()
		if len(records) > 0 {
			return records, attempt, nil
		}
		if failed != nil {
			return nil, attempt, failed
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return nil, attempt, &llm.Error{Code: llm.CodeCanceled, Message: "request canceled", Err: context.Cause(ctx)}
		}
	}
}

func (c *Call) consumed(attempt, size int) {
	c.mu.Lock()
	due := int(c.recv.fence) == attempt && c.recv.consumed(size)
	var next uint64
	if due {
		next = c.recv.acknowledge(len(c.queue))
	}
	fence := c.recv.fence
	c.mu.Unlock()
	if due {
		c.control(kindAck, fence, next)
	}
}

// receive takes a message of a worker, or JetStream's word on the job.
func (c *Call) receive(m *nats.Msg) {
	if len(m.Data) == 0 {
		c.onNoStream()
		return
	}
	switch m.Data[0] {
	case '{':
		c.onStored(m.Data)
	case kindHello:
		c.onHello(m)
	case kindPacket, kindAlive, kindFetch:
		c.onNumbered(m)
	}
}

// onNoStream has the job published again soon: there is no stream yet, or none
// any more.
func (c *Call) onNoStream() {
	timing := c.owner.options.Timing
	c.mu.Lock()
	defer c.mu.Unlock()
	c.published = time.Now().Add(timing.Heartbeat/4 - timing.Publish)
}

func (c *Call) onStored(data []byte) {
	var ack struct {
		Error *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(data, &ack); err != nil {
		return // the publication is repeated when no good answer comes
	}
	if ack.Error == nil {
		c.mu.Lock()
		c.stored, c.queued = true, true
		c.mu.Unlock()
		return
	}
	c.owner.log.Warn("job refused by JetStream", slog.String("request", c.job.Request),
		slog.Int("code", ack.Error.Code), slog.String("error", ack.Error.Description))
	c.mu.Lock()
	waiting := c.recv.fence == 0
	c.stored = c.queued && waiting // there is no room for another copy, but the one before is there
	queued := c.queued
	c.mu.Unlock()
	if waiting && !queued {
		c.fail(errFull)
	}
}

func (c *Call) onHello(m *nats.Msg) {
	var h hello
	if err := json.Unmarshal(m.Data[1:], &h); err != nil || m.Reply == "" {
		return // not of this protocol
	}
	now := time.Now()
	c.mu.Lock()
	before := c.recv.fence
	g, denied := c.recv.greet(h, now)
	if c.recv.fence != before {
		c.queue = nil
		if before == 0 {
			c.leased = now
		}
	}
	c.mu.Unlock()
	if denied != "" {
		c.owner.log.Debug("lease denied", slog.String("request", c.job.Request), slog.String("reason", string(denied)),
			slog.String("worker", h.Worker), slog.Uint64("delivery", h.Delivery))
		c.owner.send(m.Reply, encodeDenial(denied))
		return
	}
	c.owner.send(m.Reply, encodeJSON(kindGrant, g))
}

func (c *Call) onNumbered(m *nats.Msg) {
	msg, err := parseNumbered(m.Data)
	if err != nil {
		return
	}
	now := time.Now()
	c.mu.Lock()
	if !c.recv.current(msg.fence) {
		c.mu.Unlock()
		c.dismiss(m.Reply, msg.fence)
		return
	}
	var answer []byte
	gap := c.recv.gapSince
	switch msg.kind {
	case kindPacket:
		c.queue = append(c.queue, c.recv.packet(msg.n, msg.body, now)...)
	case kindAlive:
		c.recv.alive(msg.n, now)
	case kindFetch:
		c.recv.heard = now
		answer = c.piece(msg)
	}
	if answer == nil && m.Reply != "" {
		answer = numbered{kind: kindAck, fence: msg.fence, n: c.recv.acknowledge(len(c.queue))}.encode()
	}
	// A gap is asked for as it opens, and then by the ticks: what comes back is
	// all that the worker has kept.
	missing, want := c.recv.missing() && !c.recv.gapSince.Equal(gap), c.recv.want
	c.mu.Unlock()
	if m.Reply != "" {
		c.owner.send(m.Reply, answer)
	}
	if missing {
		c.control(kindResend, msg.fence, want)
	}
	c.signal()
}

// dismiss tells an attempt that it does not count any more.
func (c *Call) dismiss(reply string, fence uint32) {
	if reply != "" {
		c.owner.send(reply, encodeDenial(deniedFence))
		return
	}
	c.control(kindCancel, fence, 0)
}

// piece returns the part of a held body that a worker asks for.
func (c *Call) piece(m numbered) []byte {
	start := min(m.n, uint64(len(c.job.Body)))
	end := min(start+pieceSize, uint64(len(c.job.Body)))
	return numbered{kind: kindPiece, fence: m.fence, n: start, body: c.job.Body[start:end]}.encode()
}

// fail ends the call with an error, after what is in the queue.
func (c *Call) fail(e *llm.Error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = e
	}
	c.mu.Unlock()
	c.signal()
}

func (c *Call) control(kind byte, fence uint32, n uint64) {
	c.owner.send(subjectCtl(c.job.Provider, c.job.Request), numbered{kind: kind, fence: fence, n: n}.encode())
}

func (c *Call) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
