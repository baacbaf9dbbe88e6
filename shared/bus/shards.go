package bus

import (
	"context"
	"errors"
	"math/bits"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// MaxShards is how many shards the queue may have.
	MaxShards = 64

	// MetadataShards is what the number of shards is called in the metadata of
	// the providers' consumers: whoever finds one of those knows of all shards.
	MetadataShards = "allama.shards"

	// patientLooks is how often a worker looks for its queue before it takes it
	// that there is none: that of a provider which was just defined comes soon,
	// in one shard after the other.
	patientLooks = 3
)

// shards are those of the queue, as a worker knows them.
type shards struct {
	count  atomic.Int32  // how many there are; 0 is 1
	pulled atomic.Uint64 // those that jobs come from, a bit each
	absent atomic.Uint64 // those that were looked for in vain while others are there
	more   chan struct{} // there are more than there were
}

// number is how many shards there are, as far as is known; 1 at least.
func (s *shards) number() int { return max(1, int(s.count.Load())) }

// learn takes note of how many shards there are. One that is gone is not
// forgotten: jobs may still be in it.
func (s *shards) learn(metadata map[string]string) {
	n, err := strconv.Atoi(metadata[MetadataShards])
	if err != nil || n > MaxShards {
		return
	}
	for before := s.count.Load(); n > int(before); before = s.count.Load() {
		if s.count.CompareAndSwap(before, int32(n)) {
			select {
			case s.more <- struct{}{}:
			default:
			}
		}
	}
}

// known says whether jobs come from any shard, and each of the others is known not
// to be there.
func (s *shards) known() bool {
	all := ^uint64(0) >> (MaxShards - s.number())
	pulled := s.pulled.Load()
	return pulled != 0 && (pulled|s.absent.Load())&all == all
}

// set notes whether jobs come from a shard, and reports whether that is news.
func (s *shards) set(shard int, pulled bool) bool {
	bit := uint64(1) << shard
	before := s.pulled.Load()
	if pulled {
		before = s.pulled.Or(bit)
	} else {
		before = s.pulled.And(^bit)
	}
	return pulled != (before&bit != 0)
}

// pulls notes whether jobs come from a shard, and tells others if that is news.
// They hear of a worker only once it knows of all shards: of one that seemed to
// have a part of them they would take another for the home of its provider, and
// more calls than it allows would run.
func (w *Worker) pulls(shard int, pulled bool) {
	news := w.shards.set(shard, pulled)
	if w.shards.known() && !w.attached.Swap(true) {
		news = true
	}
	if news {
		w.presentIfThere()
	}
}

// attach waits until the provider's queue in a shard is there.
func (w *Worker) attach(ctx context.Context, shard int) bool {
	for looks, vain := 1, 0; ; looks++ {
		era := w.eras.now()
		err := w.look(ctx, shard)
		if err == nil {
			w.pulls(shard, true)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		others := w.shards.pulled.Load() != 0
		unknown := errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound)
		switch {
		case others && errors.Is(err, context.DeadlineExceeded): // it was patient already
			vain = patientLooks
		case others && era.Err() == nil: // the broker makes one after the other
			vain++
		case unknown && !others:
			vain = 0
			w.attached.Store(false)
			w.shards.absent.Store(0)
			if looks == patientLooks {
				w.log.Warn("the broker has no queue for this provider yet; is the provider configured there, too?")
			}
		case !others: // then another shard may know how many there are
			_ = w.look(ctx, 1+looks%patientLooks)
		}
		if others && vain >= patientLooks {
			w.shards.absent.Or(1 << shard)
			w.pulls(shard, false)
		}
		wait := w.options.Timing.Heartbeat / 2
		if w.shards.known() {
			wait *= 4
		}
		select {
		case <-time.After(wait):
		case <-era.Done(): // by another connection it may be there
		case <-ctx.Done():
		}
	}
}

// look looks at the provider's queue in a shard, and learns from it. It fails at
// once when the connection by which it has asked is lost.
func (w *Worker) look(ctx context.Context, shard int) error {
	ctx, cancel := context.WithTimeout(ctx, w.options.Timing.Publish)
	defer cancel()
	defer context.AfterFunc(w.eras.now(), cancel)()
	c, err := w.js.Consumer(ctx, StreamOfJobs(shard), Consumer(w.provider))
	if err == nil {
		w.shards.learn(c.CachedInfo().Config.Metadata)
	}
	return err
}

// lookAround looks at one of the queues that jobs come from.
func (w *Worker) lookAround(ctx context.Context) {
	if pulled := w.shards.pulled.Load(); pulled != 0 {
		_ = w.look(ctx, bits.TrailingZeros64(pulled)) // if it fails there is another time
	}
}
