package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// patientLooks is how often a worker looks for its queue before it says
	// that there is none: that of a provider which was just defined comes soon.
	patientLooks = 3

	fetchWait   = 5 * time.Second // how long one pull stands
	maxDelivery = 3               // a job that comes more often has killed its workers
)

// fetch pulls jobs and starts them, under the context jobs, until ctx is done.
// It never pulls more than there are free slots, so no job waits here while
// another worker is free.
func (w *Worker) fetch(ctx, jobs context.Context) {
	p := puller{worker: w, inbox: w.nc.NewInbox()}
	var err error
	if p.sub, err = w.nc.SubscribeSync(p.inbox + ".*"); err != nil {
		w.log.Error("subscribe to jobs", slog.Any("error", err))
		return
	}
	defer p.close()
	defer context.AfterFunc(ctx, p.drain)()
	for attached := false; w.reserve(ctx); {
		free := cap(w.slots) - len(w.slots) + 1 // the one that is reserved here is free, too
		w.release()
		if !attached && !w.attach(ctx) {
			return
		}
		err := p.pull(ctx, jobs, free)
		if attached = err == nil; !attached { // the queue may have been made anew
			w.log.Debug("pull", slog.Any("error", err))
			pause(ctx, w.options.Timing.Heartbeat/4)
		}
	}
}

// attach waits until the provider's queue is there.
func (w *Worker) attach(ctx context.Context) bool {
	for looks := 1; ; looks++ {
		_, err := w.js.Consumer(ctx, StreamJobs, Consumer(w.provider))
		if err == nil {
			w.attached.Store(true)
			w.present(false)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		unknown := errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound)
		if unknown {
			w.attached.Store(false)
		}
		if unknown && looks == patientLooks {
			w.log.Warn("the broker has no queue for this provider yet; is the provider configured there, too?")
		}
		pause(ctx, w.options.Timing.Heartbeat/2)
	}
}

// A puller asks the queue for jobs. It has one subscription for all its pulls:
// a job that comes late, after its pull was given up or when the worker stops,
// is not lost until the queue takes the worker for dead.
type puller struct {
	worker *Worker
	inbox  string
	sub    *nats.Subscription
	pulls  int
	late   []*nats.Msg // came when no more were to be started
}

// pull takes n jobs, or as many as come while it stands.
func (p *puller) pull(ctx, jobs context.Context, n int) error {
	w := p.worker
	p.pulls++
	inbox := p.inbox + "." + strconv.Itoa(p.pulls)
	ask := fmt.Appendf(nil, `{"batch":%d,"expires":%d,"idle_heartbeat":%d}`, n, fetchWait, fetchWait/5)
	if err := w.nc.PublishRequest(subjectNext(w.provider), inbox, ask); err != nil {
		return err
	}
	for taken := 0; taken < n; {
		m, err := p.sub.NextMsg(2 * fetchWait / 5)
		if err != nil {
			return err
		}
		if status := m.Header.Get("Status"); status != "" {
			if m.Subject == inbox && status != statusAlive {
				return pullEnded(status)
			}
			continue
		}
		if m.Subject == inbox {
			taken++
		}
		p.start(ctx, jobs, m)
	}
	return nil
}

// start starts a job, if there is a slot for it; a pull that was given up may
// have brought one more than asked for. That one is given back with a delay, or
// the pull that stands now would get it at once.
func (p *puller) start(ctx, jobs context.Context, m *nats.Msg) {
	w := p.worker
	if ctx.Err() != nil {
		p.late = append(p.late, m)
		return
	}
	select {
	case w.slots <- struct{}{}:
	default:
		w.giveBack(m, w.options.Timing.Heartbeat)
		return
	}
	w.running.Go(func() {
		defer w.release()
		w.take(jobs, m)
	})
}

// What the queue says about a pull.
const (
	statusAlive    = "100"
	statusExpired  = "408"
	statusNotFound = "404"
)

// pullEnded returns why a pull has ended before its time.
func pullEnded(status string) error {
	if status == statusExpired || status == statusNotFound {
		return nil
	}
	return errors.New("the pull has ended with status " + status)
}

// drain ends the subscription once everything on its way has come.
func (p *puller) drain() {
	if err := p.sub.Drain(); err != nil {
		p.worker.log.Debug("drain jobs", slog.Any("error", err))
	}
}

// close gives back what was not started, when nothing can come here any more:
// sooner, the same pull would get it again.
func (p *puller) close() {
	for {
		m, err := p.sub.NextMsg(p.worker.options.Timing.Hello)
		if err != nil {
			break
		}
		if m.Header.Get("Status") == "" {
			p.late = append(p.late, m)
		}
	}
	for _, m := range p.late {
		p.worker.giveBack(m, 0)
	}
}

func (w *Worker) reserve(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case w.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *Worker) release() { <-w.slots }

// settle tells JetStream what became of a job. When that does not arrive the
// job comes again, and its owner denies it.
func (w *Worker) settle(how func(...nats.AckOpt) error) {
	if err := how(); err != nil {
		w.log.Debug("settle job", slog.Any("error", err))
	}
}

// take performs one job, or finds out that it must not be performed.
func (w *Worker) take(ctx context.Context, m *nats.Msg) {
	job, owner, held, err := parseJob(w.provider, m.Header, m.Data)
	if err != nil {
		w.log.Error("job thrown away", slog.Any("error", err))
		w.settle(m.Term)
		return
	}
	delivery := deliveries(m)
	if delivery > maxDelivery {
		w.bury(job, m)
		return
	}
	r := newReply(w, job, owner, m)
	w.attempts.add(r)
	defer w.attempts.end(r, w.options.Timing.Linger)
	switch fate, err := r.lease(delivery, held); fate {
	case leased:
		r.run(ctx)
	case refused:
		w.log.Debug("job not run", slog.String("request", job.Request), slog.Any("reason", err))
		w.settle(m.Term)
	case unanswered:
		w.giveBack(m, 0)
	}
}

// deliveries is how often the queue has delivered a job, this time included.
func deliveries(m *nats.Msg) uint64 {
	meta, err := m.Metadata()
	if err != nil {
		return 1
	}
	return meta.NumDelivered
}

// giveBack lets another worker try, after a delay. The last delivery before the
// job would be buried is not given back: that it was not run is not its fault,
// and an owner that still waits publishes it anew.
func (w *Worker) giveBack(m *nats.Msg, delay time.Duration) {
	if deliveries(m) >= maxDelivery {
		w.settle(m.Term)
		return
	}
	w.settle(func(o ...nats.AckOpt) error { return m.NakWithDelay(delay, o...) })
}

// bury puts a job aside that no worker survives.
func (w *Worker) bury(job *Job, m *nats.Msg) {
	w.log.Error("job given up: it was delivered too often", slog.String("request", job.Request))
	dead := job.message("", 0)
	dead.Subject = SubjectDLQ(w.provider)
	if err := w.nc.PublishMsg(dead); err != nil {
		w.log.Error("publish to the dead letters", slog.Any("error", err))
	}
	w.settle(m.Term)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
