package bus

import (
	"cmp"
	"context"
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

	reading sync.WaitGroup // the source is, for workers

	mu      sync.Mutex
	recv    receiver
	queue   [][]byte // records that wait for the client
	err     *llm.Error
	pub     publication
	began   time.Time
	leased  time.Time // the first lease
	onLease []func()  // what is to be done then
}

// A Batch is what has come at once: it is written and flushed to the client at
// once, too.
type Batch struct {
	Attempt  int // the attempt it belongs to, from 1
	Messages []Message
}

func newCall(o *Owner, j Job, now time.Time) *Call {
	return &Call{
		owner: o, job: j, wake: make(chan struct{}, 1), began: now,
		pub:  newPublication(o, j, now),
		recv: receiver{timing: o.options.Timing, maxAttempts: cmp.Or(j.MaxAttempts, o.options.MaxAttempts), deadline: j.Deadline},
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
	records [][]byte // of the batch before; the room for them is used again
}

// next waits for the next batch; size is that of its records.
func (r *batchReader) next(ctx context.Context) (b Batch, size int, err error) {
	clear(r.records)
	records, attempt, err := r.call.wait(ctx, r.records[:0])
	if err != nil {
		return Batch{}, 0, err
	}
	r.records = records
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

// OnLease has f called once, when a worker is first granted a lease: at once
// where that has happened. What has to hear of it holds up the answers of all
// calls meanwhile. A call that ends without a lease calls nothing.
func (c *Call) OnLease(f func()) {
	c.mu.Lock()
	late := !c.leased.IsZero()
	if !late {
		c.onLease = append(c.onLease, f)
	}
	c.mu.Unlock()
	if late {
		f()
	}
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
	c.reading.Wait()
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

// wait returns what is ready for the client, and of which attempt it is. What
// comes next is put where there is room.
func (c *Call) wait(ctx context.Context, room [][]byte) (records [][]byte, attempt int, err error) {
	for {
		c.mu.Lock()
		if len(c.queue) > 0 {
			records, c.queue = c.queue, room
		}
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
		c.onNoStream(m)
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

func (c *Call) onHello(m *nats.Msg) {
	h, err := parseHello(m.Data)
	if err != nil || m.Reply == "" {
		return // not of this protocol
	}
	now := time.Now()
	c.mu.Lock()
	before := c.recv.fence
	g, denied := c.recv.greet(h, now)
	var tell []func()
	if c.recv.fence != before {
		c.queue = nil
		if before == 0 {
			c.leased = now
			tell, c.onLease = c.onLease, nil
		}
	}
	c.mu.Unlock()
	if denied != "" {
		c.owner.log.Debug("lease denied", slog.String("request", c.job.Request), slog.String("reason", string(denied)),
			slog.String("worker", h.Worker), slog.Uint64("delivery", h.Delivery))
		c.owner.send(m.Reply, encodeDenial(denied))
		return
	}
	c.owner.send(m.Reply, g.encode())
	for _, f := range tell {
		f()
	}
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
		c.queue = c.recv.packet(c.queue, msg, now)
	case kindAlive:
		c.recv.alive(msg.n, now)
	case kindFetch:
		c.recv.heard = now
		if c.job.Source != nil {
			c.sendPiece(m, msg)
			c.mu.Unlock()
			return
		}
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
