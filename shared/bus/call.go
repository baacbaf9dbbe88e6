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
	stored       bool // JetStream has the job
	publications int
	published    time.Time     // the last publication
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
		owner: o, job: j, wake: make(chan struct{}, 1), began: now,
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
		var asm assembler
		attempt := 0
		for {
			records, now, err := c.wait(ctx)
			if err != nil {
				yield(Batch{}, err)
				return
			}
			if now != attempt {
				attempt, asm = now, assembler{}
			}
			b := Batch{Attempt: attempt}
			size := 0
			for _, r := range records {
				size += len(r)
				if b.Messages, err = asm.messages(b.Messages, r); err != nil {
					yield(Batch{}, &llm.Error{Code: llm.CodeInternal, Message: "internal error", Err: err})
					return
				}
			}
			if ended(b) {
				c.finish(attempt)
			}
			if !yield(b, nil) || ended(b) {
				return
			}
			c.consumed(attempt, size)
		}
	}
}

func ended(b Batch) bool {
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
// left to cancel.
func (c *Call) finish(attempt int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if int(c.recv.fence) == attempt {
		c.recv.done = true
	}
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
		return // no responders: there is no stream yet; the job is published again
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
		c.stored = true
		c.mu.Unlock()
		return
	}
	c.owner.log.Warn("job refused by JetStream", slog.String("request", c.job.Request),
		slog.Int("code", ack.Error.Code), slog.String("error", ack.Error.Description))
	c.mu.Lock()
	waiting := c.recv.fence == 0
	c.mu.Unlock()
	if waiting {
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
		c.owner.log.Debug("lease denied", slog.String("request", c.job.Request), slog.String("reason", string(denied)))
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
	missing, want := c.recv.missing(), c.recv.want
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

// body returns the job's body to a worker in the same process.
func (c *Call) body(fence uint32) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.job.Body, c.recv.current(fence)
}

// publish puts the job into the queue. JetStream's answer comes to the same
// subject as the worker's.
func (c *Call) publish(now time.Time) {
	c.mu.Lock()
	c.published = now
	m := c.job.message(c.owner.id, c.publications)
	c.mu.Unlock()
	m.Reply = subjectResp(c.owner.id, c.job.Provider, c.job.Request)
	if err := c.owner.nc.PublishMsg(m); err != nil {
		c.owner.log.Warn("publish job", slog.String("request", c.job.Request), slog.Any("error", err))
	}
}

// publishAnew puts the job into the queue a second time, as another message.
func (c *Call) publishAnew(now time.Time) {
	c.mu.Lock()
	c.publications++
	c.patience *= 2
	c.stored = false
	c.mu.Unlock()
	c.publish(now)
}

// tick is called a few times a second.
func (c *Call) tick(now time.Time, l link) {
	if !l.up {
		c.outage(now, l)
		return
	}
	c.mu.Lock()
	waiting := c.recv.fence == 0 || c.recv.lost
	unstored := waiting && !c.stored
	stale := waiting && now.Sub(c.published) > c.patience
	published, began := c.published, c.began
	v := c.recv.tick(now)
	c.mu.Unlock()

	timing := c.owner.options.Timing
	switch {
	case v != goOn:
		c.judge(v, now)
	case waiting && l.settled(now, timing.Absent) && c.owner.presence.none(c.job.Provider, now):
		c.fail(errNoWorker(c.job.Provider))
	case unstored && now.Sub(began) > timing.Outage && l.settled(now, timing.Publish):
		c.fail(errBusDown)
	case stale:
		c.publishAnew(now) // the job may have been lost; if not, the lease keeps it from running twice
	case unstored && now.Sub(published) > timing.Publish:
		c.publish(now)
	}
}

func (c *Call) judge(v verdict, now time.Time) {
	switch v {
	case askAgain:
		c.mu.Lock()
		fence, want := c.recv.fence, c.recv.want
		c.mu.Unlock()
		c.control(kindResend, fence, want)
	case tryAgain:
		c.owner.log.Warn("attempt lost, trying again", slog.String("request", c.job.Request), slog.String("provider", c.job.Provider))
		c.publishAnew(now)
	case interrupt:
		c.fail(errLost)
	case giveUp:
		c.fail(errAttempts)
	case outOfTime:
		c.fail(errDeadline)
	case irreparable:
		c.fail(errGap)
	}
}

// outage judges a call while the bus is away.
func (c *Call) outage(now time.Time, l link) {
	c.mu.Lock()
	over, running := c.recv.over(now), c.recv.fence > 0
	c.mu.Unlock()
	away := now.Sub(l.since)
	switch outage := c.owner.options.Timing.Outage; {
	case over:
		c.fail(errDeadline)
	case running && away > 2*outage:
		c.fail(errLost)
	case !running && away > outage:
		c.fail(errBusDown)
	}
}

// reconnected publishes the job again if nobody runs it: the queue may have
// been lost.
func (c *Call) reconnected(now time.Time) {
	c.mu.Lock()
	c.recv.reconnected(now)
	waiting := c.recv.fence == 0 || c.recv.lost
	c.mu.Unlock()
	if waiting {
		c.publishAnew(now)
	}
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

// Local lets workers take large bodies from owners in the same process
// without a copy. The zero value is ready; nil is no owner at all. It is safe
// for concurrent use.
type Local struct {
	owners sync.Map // by id
}

func (l *Local) add(o *Owner) {
	if l != nil {
		l.owners.Store(o.id, o)
	}
}

func (l *Local) remove(o *Owner) {
	if l != nil {
		l.owners.Delete(o.id)
	}
}

// body returns the held body of a request; ok is false where its owner is not
// in this process or has no such attempt.
func (l *Local) body(owner, request string, fence uint32) (body []byte, ok bool) {
	if l == nil {
		return nil, false
	}
	v, ok := l.owners.Load(owner)
	if !ok {
		return nil, false
	}
	o := v.(*Owner)
	o.mu.Lock()
	c := o.calls[request]
	o.mu.Unlock()
	if c == nil {
		return nil, false
	}
	return c.body(fence)
}
