package broker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/logging"
)

const (
	checkInterval = 10 * time.Second
	applyTimeout  = 5 * time.Second
	minBackoff    = 250 * time.Millisecond
	maxBackoff    = 5 * time.Second
)

// A Keeper applies a [Topology] and keeps it so: what somebody deletes, or a
// server without a disk forgets, is there again within 10 seconds, and at once
// after a reconnect. It is a
// [github.com/offbeat-studio/allama/shared/service.Readier].
type Keeper struct {
	js       jetstream.JetStream
	topology Topology
	log      *slog.Logger
	interval time.Duration

	ready     chan struct{}
	readyOnce sync.Once
	failing   string // the error that was logged last; only Run uses it
}

// NewKeeper returns a keeper of t. A nil logger discards.
func NewKeeper(js jetstream.JetStream, t Topology, log *slog.Logger) *Keeper {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{
		js:       js,
		topology: t,
		log:      log.With(slog.String(logging.KeyComponent, "broker")),
		interval: checkInterval,
		ready:    make(chan struct{}),
	}
}

// Ready returns a channel that is closed once the topology was applied.
func (k *Keeper) Ready() <-chan struct{} { return k.ready }

// Run keeps the topology until ctx is done. A server that does not answer is
// tried again for as long as it takes; Run never returns an error.
func (k *Keeper) Run(ctx context.Context) error {
	connected := k.js.Conn().StatusChanged(nats.CONNECTED)
	defer k.js.Conn().RemoveStatusListener(connected)
	backoff := minBackoff
	for {
		wait := k.interval
		if !k.check(ctx) {
			wait, backoff = backoff, min(2*backoff, maxBackoff)
		} else {
			backoff = minBackoff
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case _, open := <-connected:
			timer.Stop()
			if !open { // the connection was closed for good
				connected = nil
			}
		case <-timer.C:
		}
	}
}

// check applies the topology and reports whether all is well.
func (k *Keeper) check(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	changed, err := apply(bounded, k.js, k.topology)
	if len(changed) > 0 {
		k.log.Log(ctx, k.level(), "set up what was missing or different", slog.Any("changed", changed))
	}
	switch {
	case err == nil:
		k.failing = ""
		k.readyOnce.Do(func() { close(k.ready) })
	case ctx.Err() == nil && err.Error() != k.failing:
		k.failing = err.Error()
		k.log.Warn("streams and buckets cannot be set up, trying again", slog.Any(logging.KeyError, err))
	}
	return err == nil
}

// level is that of a change: at the start it is expected, later it means that
// somebody, or a restart, has taken something away.
func (k *Keeper) level() slog.Level {
	select {
	case <-k.ready:
		return slog.LevelWarn
	default:
		return slog.LevelDebug
	}
}
