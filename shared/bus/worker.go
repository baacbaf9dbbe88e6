package bus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A Handler performs a job: it writes the answer to r and returns how it
// ended. Its context is done when the owner does not want the answer any more,
// when the job's deadline is over, or when the worker must stop.
type Handler func(ctx context.Context, j *Job, r *Reply) End

// WorkerOptions tune a [Worker]. The zero value is ready to use.
type WorkerOptions struct {
	Timing      Timing
	Concurrency int           // jobs at once; default 1024
	Stall       time.Duration // longest time for which a handler neither writes nor says that it waits; default 30s
	Grace       time.Duration // how long running jobs may go on when the worker stops; default 30s
	Local       *Local        // set where owners run in the same process
	Cap         int           // of the provider's calls at once, over all workers, for owners to know; 0: none
	Pace        Pace          // default: jobs are taken as fast as they come

	// Until, where it is not nil, puts the grace off until it is closed: a
	// worker that stops before lets its jobs take the time that they need.
	Until <-chan struct{}

	Logger *slog.Logger // default: discard
}

// A Worker performs the jobs of one provider.
type Worker struct {
	id       string
	provider string
	nc       *nats.Conn
	js       jetstream.JetStream
	options  WorkerOptions
	log      *slog.Logger
	handle   Handler
	inbox    string // its replies come to subjects below it
	slots    *slots
	shards   shards
	eras     eras
	peers    presenceTable // the workers of the provider
	work
	intake
}

// The work of a worker is the jobs that it performs.
type work struct {
	crew     *crew[*nats.Msg]        // performs them; set while the worker runs
	stop     context.CancelCauseFunc // cancels them
	attempts attempts
	reports  reports // of what attempts used
	timers   timers  // of those who wait for an owner's word
}

// An intake is whether a worker takes jobs.
type intake struct {
	attached atomic.Bool    // there is a queue to take them from, and it is known in which shards
	leaving  atomic.Bool    // it takes no more
	cap      atomic.Int64   // of the provider's calls at once, over all workers; 0: none
	paused   atomic.Int64   // until when, in nanoseconds since 1970
	pausing  sync.WaitGroup // the queue is being paused
}

// NewWorker returns a worker for a provider's jobs; [Worker.Run] starts it.
func NewWorker(nc *nats.Conn, provider string, options WorkerOptions, h Handler) (*Worker, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	options.Timing = options.Timing.withDefaults()
	options.Concurrency = cmp.Or(options.Concurrency, 1024)
	options.Stall = cmp.Or(options.Stall, 30*time.Second)
	options.Grace = cmp.Or(options.Grace, 30*time.Second)
	if options.Pace == nil {
		options.Pace = unpaced{}
	}
	log := cmp.Or(options.Logger, slog.New(slog.DiscardHandler))
	id := NewID()
	w := &Worker{
		id: id, provider: provider, nc: nc, js: js, options: options, handle: h,
		log:   log.With(slog.String("provider", provider)),
		inbox: nc.NewInbox(),
		slots: newSlots(options.Concurrency), shards: shards{more: make(chan struct{}, 1)},
		peers: presenceTable{absent: options.Timing.Absent},
	}
	w.cap.Store(int64(options.Cap))
	return w, nil
}

// Run takes and performs jobs until ctx is done. It then takes no more, lets
// the running ones end within the grace, and cancels the rest.
func (w *Worker) Run(ctx context.Context) error {
	subs, err := w.subscribe()
	if err != nil {
		return err
	}
	defer func() {
		for _, sub := range subs {
			if err := sub.Unsubscribe(); err != nil {
				w.log.Debug("unsubscribe", slog.Any("error", err))
			}
		}
	}()
	jobs, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	w.stop = cancel
	w.crew = newCrew(func(m *nats.Msg) { w.perform(jobs, m) })
	defer w.crew.close()
	watch, stopWatch := context.WithCancel(jobs)
	var watchers sync.WaitGroup
	watchers.Go(func() { w.watch(watch, ctx) })
	watchers.Go(func() { w.followLink(watch) })
	w.fetch(ctx)
	w.drain()
	stopWatch()
	watchers.Wait()
	w.pausing.Wait()
	w.sendReports(w.reports.rest(time.Now()))
	cancel(nil)
	return nil
}

func (w *Worker) subscribe() ([]*nats.Subscription, error) {
	var subs []*nats.Subscription
	for subject, handle := range map[string]nats.MsgHandler{
		w.inbox + ".*":          w.receive,
		subjectsCtl(w.provider): w.control,

		subjectPresence(w.provider, "*"): w.hear,
		subjectMuster:                    func(*nats.Msg) { w.presentIfThere() },
	} {
		sub, err := w.nc.Subscribe(subject, handle)
		if err != nil {
			return nil, fmt.Errorf("subscribe to %s: %w", subject, err)
		}
		subs = append(subs, sub)
	}
	return subs, nil
}

// errShutdown is why running jobs are cancelled when the worker stops.
var errShutdown = errors.New("the worker is shutting down")

// drain waits for the running jobs, for the length of the grace, and then
// cancels them.
func (w *Worker) drain() {
	done := make(chan struct{})
	go func() {
		w.crew.wait()
		close(done)
	}()
	if w.options.Until != nil {
		select {
		case <-done:
			return
		case <-w.options.Until:
		}
	}
	grace := time.NewTimer(w.options.Grace)
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C:
		w.stop(errShutdown)
		<-done
	}
}

// watch gives signs of life until ctx is done: of the worker, and of each
// attempt. Once taking is done the worker says that it takes no more jobs.
func (w *Worker) watch(ctx, taking context.Context) {
	tick := time.NewTicker(w.options.Timing.Heartbeat / 4)
	defer tick.Stop()
	var said time.Time
	leaving := taking.Done()
	for {
		select {
		case <-ctx.Done():
			return
		case <-leaving:
			leaving = nil
			w.leaving.Store(true)
			w.present(true)
		case now := <-tick.C:
			if leaving != nil && w.attached.Load() && now.Sub(said) >= w.options.Timing.Presence {
				said = now
				w.present(false)
				w.share(now)
			}
			for _, r := range w.attempts.all(now, w.options.Timing.Linger) {
				r.tick(now)
			}
			w.sendReports(w.reports.rest(now))
		}
	}
}

// presence is what there is to say of the worker.
func (w *Worker) presence() presence {
	p := presence{
		Capacity: w.slots.size(), InFlight: w.slots.running(), Cap: int(w.cap.Load()),
		PerMinute: w.options.Pace.PerMinute(),
		Paused:    max(0, time.Until(w.pausedUntil()).Milliseconds()),
	}
	if pulled := w.shards.pulled.Load(); pulled != onlyShard {
		p.Shards = pulled
	}
	return p
}

func (w *Worker) present(leaving bool) {
	p := w.presence()
	p.Leaving = leaving
	w.say(p)
}

// presentIfThere says that the worker is there, if it is.
func (w *Worker) presentIfThere() {
	if w.attached.Load() && !w.leaving.Load() {
		w.present(false)
	}
}

// presentAfter says that the worker is there again, after it was away for long.
func (w *Worker) presentAfter(long time.Duration) {
	p := w.presence()
	p.Away = long.Milliseconds()
	w.say(p)
}

func (w *Worker) say(p presence) {
	data, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("internal error: %v", err)) // numbers always marshal
	}
	w.send(subjectPresence(w.provider, w.id), data)
}

// receive takes an owner's answer to an attempt.
func (w *Worker) receive(m *nats.Msg) {
	if r := w.attempts.byID(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]); r != nil {
		r.receive(m)
	}
}

// control takes an owner's word about a request. It may have been meant for
// another worker.
func (w *Worker) control(m *nats.Msg) {
	request := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	msg, err := parseNumbered(m.Data)
	if err != nil {
		return
	}
	var few [2]*Reply
	for _, r := range w.attempts.byRequest(few[:0], request) {
		r.control(msg)
	}
}

func (w *Worker) send(subject string, data []byte) {
	if err := w.nc.Publish(subject, data); err != nil {
		w.log.Debug("publish", slog.String("subject", subject), slog.Any("error", err))
	}
}

// request publishes a message to which the owner answers to the attempt's
// inbox.
func (w *Worker) request(subject, attempt string, data []byte) {
	if err := w.nc.PublishRequest(subject, w.inbox+"."+attempt, data); err != nil {
		w.log.Debug("publish", slog.String("subject", subject), slog.Any("error", err))
	}
}
