package bus

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	fetchWait   = 5 * time.Second // how long one pull stands
	maxDelivery = 3               // a job that comes more often has killed its workers
)

// fetch pulls jobs and starts them, under the context jobs, until ctx is done.
// It never pulls more than there are free slots, so no job waits here while
// another worker is free.
func (w *Worker) fetch(ctx, jobs context.Context) {
	var consumer jetstream.Consumer
	for w.reserve(ctx) {
		free := cap(w.slots) - len(w.slots) + 1 // the one that is reserved here is free, too
		w.release()
		if consumer == nil {
			if consumer = w.consumer(ctx); consumer == nil {
				return
			}
		}
		if err := w.pull(ctx, jobs, consumer, free); err != nil {
			w.log.Debug("pull", slog.Any("error", err))
			consumer = nil // it may have been made anew
			pause(ctx, w.options.Timing.Heartbeat/4)
		}
	}
}

// consumer looks the provider's consumer up, until it is there.
func (w *Worker) consumer(ctx context.Context) jetstream.Consumer {
	for warned := false; ; {
		c, err := w.js.Consumer(ctx, StreamJobs, Consumer(w.provider))
		if err == nil {
			w.attached.Store(true)
			w.present(false)
			return c
		}
		if ctx.Err() != nil {
			return nil
		}
		unknown := errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound)
		if unknown {
			w.attached.Store(false)
		}
		if unknown && !warned {
			warned = true
			w.log.Warn("the broker has no queue for this provider yet; is the provider configured there, too?")
		}
		pause(ctx, w.options.Timing.Heartbeat/2)
	}
}

// pull takes up to n jobs, as they come.
func (w *Worker) pull(ctx, jobs context.Context, c jetstream.Consumer, n int) error {
	stand, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	batch, err := c.Fetch(n, jetstream.FetchContext(stand), jetstream.FetchHeartbeat(fetchWait/5))
	if err != nil {
		return err
	}
	for m := range batch.Messages() {
		if !w.reserve(ctx) {
			w.settle(m.Nak)
			continue
		}
		w.running.Go(func() {
			defer w.release()
			w.take(jobs, m)
		})
	}
	err = batch.Error()
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
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
func (w *Worker) settle(how func() error) {
	if err := how(); err != nil {
		w.log.Debug("settle job", slog.Any("error", err))
	}
}

// take performs one job, or finds out that it must not be performed.
func (w *Worker) take(ctx context.Context, m jetstream.Msg) {
	job, owner, held, err := parseJob(w.provider, m.Headers(), m.Data())
	if err != nil {
		w.log.Error("job thrown away", slog.Any("error", err))
		w.settle(m.Term)
		return
	}
	delivery := uint64(1)
	if meta, err := m.Metadata(); err == nil {
		delivery = meta.NumDelivered
	}
	if delivery > maxDelivery {
		w.bury(job, m)
		return
	}
	r := newReply(w, job, owner, m)
	w.add(r)
	defer w.linger(r)
	switch fate, err := r.lease(delivery, held); fate {
	case leased:
		r.run(ctx)
	case refused:
		w.log.Debug("job not run", slog.String("request", job.Request), slog.Any("reason", err))
		w.settle(m.Term)
	case unanswered:
		w.settle(m.Nak)
	}
}

// bury puts a job aside that no worker survives.
func (w *Worker) bury(job *Job, m jetstream.Msg) {
	w.log.Error("job given up: it was delivered too often", slog.String("request", job.Request))
	dead := job.message("", 0)
	dead.Subject = SubjectDLQ(w.provider)
	if err := w.nc.PublishMsg(dead); err != nil {
		w.log.Error("publish to the dead letters", slog.Any("error", err))
	}
	w.settle(m.Term)
}

func (w *Worker) add(r *Reply) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replies[r.attempt] = r
	w.requests[r.job.Request] = append(slices.Clip(w.requests[r.job.Request]), r)
}

// remove forgets an attempt. The lock must be held.
func (w *Worker) remove(r *Reply) {
	delete(w.replies, r.attempt)
	rest := slices.DeleteFunc(slices.Clone(w.requests[r.job.Request]), func(o *Reply) bool { return o == r })
	if len(rest) == 0 {
		delete(w.requests, r.job.Request)
	} else {
		w.requests[r.job.Request] = rest
	}
}

// linger keeps an ended attempt for a while, for packets that got lost on
// their way.
func (w *Worker) linger(r *Reply) {
	size := r.kept()
	w.mu.Lock()
	defer w.mu.Unlock()
	if size == 0 {
		w.remove(r)
		return
	}
	w.ended = append(w.ended, ended{r, size, time.Now()})
	w.endedSize += size
	w.forget(time.Now())
}

// forget forgets the attempts that have lingered for long enough, and the oldest
// of the others where they take too much room. The lock must be held.
func (w *Worker) forget(now time.Time) {
	for len(w.ended) > 0 {
		oldest := w.ended[0]
		if w.endedSize <= lingerSize && now.Sub(oldest.at) < w.options.Timing.Linger {
			return
		}
		w.remove(oldest.reply)
		w.endedSize -= oldest.size
		w.ended[0] = ended{}
		w.ended = w.ended[1:]
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
