package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// maxPause is how long a provider's queue is held up at a time: who asks for
// more is asked again.
const maxPause = 5 * time.Minute

// Pause holds up the provider's queue, for all of its workers, until the time
// that is given, and for 5 minutes at most. It never shortens a pause. It
// returns at once.
func (w *Worker) Pause(until time.Time) {
	if latest := time.Now().Add(maxPause); until.After(latest) {
		until = latest
	}
	if !w.heedPause(until) {
		return
	}
	w.log.Warn("the provider is paused", slog.Duration("pause", time.Until(until).Round(time.Millisecond)))
	w.present(w.leaving.Load())
	w.pausing.Go(func() {
		for shard := range w.shards.number() {
			if err := w.pauseShard(shard, until); err != nil {
				w.log.Warn("the provider's queue cannot be paused; its workers wait all the same", slog.Any("error", err))
			}
		}
	})
}

// heedPause takes note of a pause and reports whether it is longer than what
// was known.
func (w *Worker) heedPause(until time.Time) bool {
	for {
		before := w.paused.Load()
		if until.UnixNano() <= before {
			return false
		}
		if w.paused.CompareAndSwap(before, until.UnixNano()) {
			return time.Unix(0, before).Before(until.Add(-pauseStep))
		}
	}
}

// pauseStep is by how much a pause has to be longer to be worth a word.
const pauseStep = 50 * time.Millisecond

func (w *Worker) pausedUntil() time.Time { return time.Unix(0, w.paused.Load()) }

// pauseShard pauses the provider's consumer of a shard, if it is not paused for
// longer.
func (w *Worker) pauseShard(shard int, until time.Time) error {
	ctx, cancel := context.WithTimeout(context.Background(), w.options.Timing.Outage)
	defer cancel()
	stream := StreamOfJobs(shard)
	c, err := w.js.Consumer(ctx, stream, Consumer(w.provider))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil // nor is there a queue
	}
	if err != nil {
		return fmt.Errorf("look at the queue: %w", err)
	}
	if info := c.CachedInfo(); info.Paused && info.PauseRemaining >= time.Until(until) {
		return nil
	}
	if _, err := w.js.PauseConsumer(ctx, stream, Consumer(w.provider), until); err != nil {
		return fmt.Errorf("pause the queue: %w", err)
	}
	return nil
}
