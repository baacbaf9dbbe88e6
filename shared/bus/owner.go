package bus

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/llm"
)

// OwnerOptions tune an [Owner]. The zero value is ready to use.
type OwnerOptions struct {
	Timing      Timing
	MaxAttempts int          // leases for one call, all workers together; default 2
	Local       *Local       // set where workers run in the same process
	Logger      *slog.Logger // default: discard
}

// An Owner makes calls and waits for their answers. It has one subscription
// for all of them. It is safe for concurrent use.
type Owner struct {
	id       string
	nc       *nats.Conn
	options  OwnerOptions
	log      *slog.Logger
	subs     []*nats.Subscription
	presence presenceTable
	choices  choices
	looks    *looks

	mu    sync.Mutex
	calls map[string]*Call
	link  link

	stopped bool // nobody looks after calls any more
}

// NewOwner subscribes to answers and to the presence of workers. [Owner.Run]
// must run while calls are made.
func NewOwner(nc *nats.Conn, options OwnerOptions) (*Owner, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	options.Timing = options.Timing.withDefaults()
	options.MaxAttempts = cmp.Or(options.MaxAttempts, 2)
	o := &Owner{
		id: NewID(), nc: nc, options: options,
		log:   cmp.Or(options.Logger, slog.New(slog.DiscardHandler)),
		calls: map[string]*Call{},
		link:  link{up: nc.IsConnected(), since: time.Now()},
	}
	o.looks = newLooks(js, o.log, options.Timing)
	o.choices.avoid = options.Timing.Publish
	o.presence.absent, o.presence.since = options.Timing.Absent, time.Now()
	for subject, handle := range map[string]nats.MsgHandler{
		subjectsResp(o.id): o.receive,
		subjectsPresence:   o.hear,
	} {
		sub, err := nc.Subscribe(subject, handle)
		if err != nil {
			return nil, fmt.Errorf("subscribe to %s: %w", subject, err)
		}
		if err := sub.SetPendingLimits(-1, 256<<20); err != nil {
			return nil, fmt.Errorf("set limits of %s: %w", subject, err)
		}
		o.subs = append(o.subs, sub)
	}
	options.Local.add(o)
	o.muster()
	return o, nil
}

// Run watches over the calls until ctx is done. Calls that are still open then
// fail.
func (o *Owner) Run(ctx context.Context) error {
	changes := o.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	defer o.nc.RemoveStatusListener(changes)
	o.setLink(o.nc.IsConnected(), time.Now())
	tick := time.NewTicker(o.options.Timing.Heartbeat / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			o.close()
			return nil
		case status := <-changes:
			o.setLink(status == nats.CONNECTED, time.Now())
		case now := <-tick.C:
			o.tick(now)
		}
	}
}

// tick looks after the calls. Where ticks have failed to come, the process
// stood still, and what others said meanwhile is still to be read.
func (o *Owner) tick(now time.Time) {
	o.setLink(o.nc.IsConnected(), now) // a change of status may have been missed
	calls := o.open()
	if o.stoodStill(now) {
		o.looks.restart(now)
		for _, c := range calls {
			c.woke(now)
		}
	}
	o.looks.tick()
	link := o.linkState()
	for _, c := range calls {
		c.tick(now, link)
	}
}

// Call publishes a job and returns at once; [Call.Batches] waits for the
// answer. The caller must range over it, or close the call. It fails with an
// [*llm.Error] when nobody can serve the job now.
func (o *Owner) Call(j Job) (*Call, error) {
	now := time.Now()
	link := o.linkState()
	if !link.up && now.Sub(link.since) > o.options.Timing.Outage/2 {
		return nil, errBusDown
	}
	if link.settled(now, o.options.Timing.Absent) && o.presence.none(j.Provider, now) {
		return nil, errNoWorker(j.Provider)
	}
	c := newCall(o, j, now)
	if !o.remember(c) {
		return nil, errStopped
	}
	c.publish(now)
	return c, nil
}

// Workers says how many workers serve the provider, as far as is known.
func (o *Owner) Workers(provider string) int { return o.presence.count(provider, time.Now()) }

// Load says what the provider's workers say of it, as far as is known. It does
// not wait.
func (o *Owner) Load(provider string) Load { return o.presence.load(provider, time.Now()) }

// Connected says whether the bus is there, and since when.
func (o *Owner) Connected() (up bool, since time.Time) {
	l := o.linkState()
	return l.up, l.since
}

func (o *Owner) receive(m *nats.Msg) {
	request := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	o.mu.Lock()
	c := o.calls[request]
	o.mu.Unlock()
	if c != nil {
		c.receive(m)
		return
	}
	if m.Reply != "" && len(m.Data) > 0 && m.Data[0] != '{' {
		o.send(m.Reply, encodeDenial(deniedGone))
	}
}

// hear takes a worker's sign of life. What the queue sent to one that was cut
// off may have got lost, and comes again only after a while.
func (o *Owner) hear(m *nats.Msg) {
	provider, worker, p, ok := parsePresence(m)
	if !ok {
		return
	}
	now := time.Now()
	o.presence.note(provider, worker, p, now)
	if p.Away == 0 {
		return
	}
	since := now.Add(-time.Duration(p.Away) * time.Millisecond)
	for _, c := range o.open() {
		if token(c.job.Provider) == provider {
			c.workerBack(since, now)
		}
	}
}

// muster has all workers say that they are there, which each does anyway, but
// not at once: until then it is not known where a provider is at home.
func (o *Owner) muster() { o.send(subjectMuster, nil) }

// send publishes without caring whether it arrives: whatever matters is said
// again.
func (o *Owner) send(subject string, data []byte) {
	if err := o.nc.Publish(subject, data); err != nil {
		o.log.Debug("publish", slog.String("subject", subject), slog.Any("error", err))
	}
}

func (o *Owner) open() []*Call {
	o.mu.Lock()
	defer o.mu.Unlock()
	calls := make([]*Call, 0, len(o.calls))
	for _, c := range o.calls {
		calls = append(calls, c)
	}
	return calls
}

// remember reports false where the owner has stopped.
func (o *Owner) remember(c *Call) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.stopped {
		o.calls[c.job.Request] = c
	}
	return !o.stopped
}

func (o *Owner) forget(c *Call) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.calls, c.job.Request)
}

func (o *Owner) close() {
	o.options.Local.remove(o)
	o.mu.Lock()
	o.stopped = true
	o.mu.Unlock()
	o.looks.close()
	for _, c := range o.open() {
		c.fail(errStopped)
	}
	for _, sub := range o.subs {
		if err := sub.Unsubscribe(); err != nil {
			o.log.Debug("unsubscribe", slog.Any("error", err))
		}
	}
}

func (o *Owner) setLink(up bool, now time.Time) {
	o.mu.Lock()
	back := up && !o.link.up
	if up != o.link.up {
		o.link.up, o.link.since = up, now
	}
	o.mu.Unlock()
	if !back {
		return
	}
	o.looks.restart(now)
	o.muster()
	for _, c := range o.open() {
		c.reconnected(now)
	}
}

// stoodStill notes a tick, and reports whether those before have failed to come.
func (o *Owner) stoodStill(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.link.ticked
	o.link.ticked = now
	if before.IsZero() || now.Sub(before) <= o.options.Timing.Lost/2 {
		return false
	}
	o.link.since = now
	return true
}

func (o *Owner) linkState() link {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.link
}

// A link is the state of the connection to the bus.
type link struct {
	up     bool
	since  time.Time
	ticked time.Time // when Run has last looked
}

// settled says whether the connection has stood long enough for the absence of
// a message to mean something: not where the process has just stood still, and
// what came meanwhile is still to be read.
func (l link) settled(now time.Time, long time.Duration) bool {
	return l.up && now.Sub(l.since) > long && now.Sub(l.ticked) < long/2
}

var (
	errBusDown  = &llm.Error{Code: llm.CodeOverloaded, Message: "the job queue is not reachable; try again shortly", RetryAfter: 5 * time.Second}
	errFull     = &llm.Error{Code: llm.CodeOverloaded, Message: "server busy, please try again.  maximum pending requests exceeded", RetryAfter: 2 * time.Second}
	errStopped  = &llm.Error{Code: llm.CodeOverloaded, Message: "allama is shutting down", RetryAfter: time.Second}
	errDeadline = &llm.Error{Code: llm.CodeTimeout, Message: "the answer did not come in time"}
	errLost     = &llm.Error{Code: llm.CodeInterrupted, Message: "stream interrupted: the worker was lost"}
	errGap      = &llm.Error{Code: llm.CodeInterrupted, Message: "stream interrupted: a part of the answer was lost"}
	errAttempts = &llm.Error{Code: llm.CodeUpstream, Message: "the workers that served the call were lost"}
)

func errNoWorker(provider string) *llm.Error {
	return &llm.Error{
		Code: llm.CodeOverloaded, RetryAfter: 5 * time.Second,
		Message: fmt.Sprintf("no worker is running for provider %q", provider),
	}
}
