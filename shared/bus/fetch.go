package bus

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	maxDelivery = 3           // a job that comes more often has killed its workers
	lookAgain   = time.Minute // how often a worker looks whether there are more shards
)

// fetch pulls jobs from all shards of the queue and has the crew perform them,
// until ctx is done. It never pulls more than there are free slots, so no job
// waits here while another worker is free.
func (w *Worker) fetch(ctx context.Context) {
	var pullers sync.WaitGroup
	defer pullers.Wait()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for started := 0; ; {
		for count := w.shards.number(); started < count; started++ {
			shard := started
			pullers.Go(func() { w.pullFrom(ctx, shard) })
		}
		select {
		case <-ctx.Done():
			return
		case <-w.shards.more:
		case <-again.C:
			w.lookAround(ctx)
		}
	}
}

// pullFrom is fetch for one shard.
func (w *Worker) pullFrom(ctx context.Context, shard int) {
	p := puller{worker: w, shard: shard, inbox: w.nc.NewInbox()}
	var err error
	if p.sub, err = w.nc.SubscribeSync(p.inbox + ".*"); err != nil {
		w.log.Error("subscribe to jobs", slog.Any("error", err))
		return
	}
	defer p.close()
	defer context.AfterFunc(ctx, p.drain)()
	for attached := false; ctx.Err() == nil; {
		if !attached && !w.attach(ctx, shard) {
			return
		}
		err := p.pull(ctx)
		attached = err == nil || errors.Is(err, errBack)
		if !attached && ctx.Err() == nil { // the queue may have been made anew
			w.log.Debug("pull", slog.Int("shard", shard), slog.Any("error", err))
			w.pulls(shard, false)
			pause(ctx, w.options.Timing.Heartbeat/4)
		}
	}
}

// reserve waits until jobs may be asked for, and returns how many, for each of
// which a slot is kept; 0 once ctx is done. All pulls go through it. Where there
// are several shards none of them may keep from the others what there is: one
// that has just brought jobs has half of the free slots, others an eighth of
// all; and where the pace allows few jobs, half of those. It is scarce where
// others may wait for what a pull keeps.
func (w *Worker) reserve(ctx context.Context, busy bool) (n int, scarce bool) {
	several := w.shards.number() > 1
	n = w.slots.keep(ctx, func(total, free int) int {
		switch {
		case !several:
			return min(free, maxPull)
		case busy:
			return min((free+1)/2, maxPull)
		}
		return min(total/8, (free+1)/2, maxPull)
	})
	allowed := w.allowed(ctx, n)
	if several && allowed < n {
		scarce = true
		w.options.Pace.Return(allowed / 2)
		allowed -= allowed / 2
	}
	w.slots.drop(n - allowed)
	return allowed, scarce || several && allowed < fewSlots
}

// settle tells JetStream what became of a job. When that does not arrive the
// job comes again, and its owner denies it.
func (w *Worker) settle(how func(...nats.AckOpt) error) {
	if err := how(); err != nil {
		w.log.Debug("settle job", slog.Any("error", err))
	}
}

// perform performs a job that has a slot, which it leaves.
func (w *Worker) perform(ctx context.Context, m *nats.Msg) {
	defer w.slots.leave()
	r := w.take(m)
	if r == nil {
		w.options.Pace.Return(1)
		return
	}
	defer w.attempts.end(r, w.options.Timing.Linger)
	r.run(ctx)
}

// take returns an attempt at a job that may be performed; nil where it must not
// be.
func (w *Worker) take(m *nats.Msg) *Reply {
	job, owner, held, err := parseJob(w.provider, m)
	if err != nil {
		w.log.Error("job thrown away", slog.Any("error", err))
		w.settle(m.Term)
		return nil
	}
	delivery := deliveries(m)
	if delivery > maxDelivery {
		w.bury(job, m)
		return nil
	}
	if wait := time.Until(w.pausedUntil()); wait > 0 { // it was on its way when the pause began
		w.giveBack(m, wait)
		return nil
	}
	r := newReply(w, job, owner, m)
	w.attempts.add(r)
	switch fate, err := r.lease(delivery, held); fate {
	case leased:
		return r
	case refused:
		w.log.Debug("job not run", slog.String("request", job.Request), slog.Any("reason", err))
		w.settle(m.Term)
	case unanswered:
		w.giveBack(m, 0)
	}
	w.attempts.end(r, w.options.Timing.Linger)
	return nil
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
	dead := &nats.Msg{Subject: SubjectDLQ(w.provider), Data: job.Body, Header: nats.Header{ // for whoever looks at it
		nats.MsgIdHdr: {job.Request}, "Allama-Request": {job.Request}, "Allama-Caller": {job.Caller},
		"Allama-Model": {job.Model}, "Allama-Dialect": {job.Dialect}, "Allama-Operation": {job.Operation},
	}}
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
