package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/logging"
)

// subjectsOfJobs are those of all streams of jobs.
const subjectsOfJobs = "allama.jobs.>"

// retireTimeout is for all that is removed at a time.
const retireTimeout = 5 * time.Second

// errBusy is why a consumer is not removed yet.
var errBusy = errors.New("jobs wait, or are being served")

// retire removes the consumers of providers that were defined at run time and
// are not any more. It goes by what this keeper has seen: whatever else a server
// has may be another process's.
func (k *Keeper) retire(ctx context.Context, wanted Topology) {
	has := func(list []Provider, name string) bool {
		return slices.ContainsFunc(list, func(p Provider) bool { return p.Name == name })
	}
	for _, p := range wanted.Providers {
		if !has(k.topology.Providers, p.Name) {
			k.served[p.Name] = true
		}
	}
	ctx, cancel := context.WithTimeout(ctx, retireTimeout)
	defer cancel()
	for name := range k.served {
		if has(wanted.Providers, name) {
			continue
		}
		if err := removeConsumers(ctx, k.js, bus.Consumer(name)); err != nil { // then the next check tries again
			k.log.Debug("the consumer of a provider that was removed stays for now", slog.String(logging.KeyProvider, name), slog.Any(logging.KeyError, err))
			continue
		}
		delete(k.served, name)
		k.log.Debug("the consumer of a provider that was removed is gone", slog.String(logging.KeyProvider, name))
	}
}

// removeConsumers removes the consumers of a name in all streams of jobs, unless
// one of them still has jobs: nobody else would take those out of the queue.
func removeConsumers(ctx context.Context, js jetstream.JetStream, name string) error {
	var idle []string
	streams := js.StreamNames(ctx, jetstream.WithStreamListSubject(subjectsOfJobs))
	for stream := range streams.Name() {
		c, err := js.Consumer(ctx, stream, name)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			continue
		case err != nil:
			return fmt.Errorf("look at consumer %s of %s: %w", name, stream, err)
		}
		if have := c.CachedInfo(); have.NumPending > 0 || have.NumAckPending > 0 {
			return errBusy
		}
		idle = append(idle, stream)
	}
	if err := streams.Err(); err != nil {
		return fmt.Errorf("list the streams of jobs: %w", err)
	}
	for _, stream := range idle {
		if err := js.DeleteConsumer(ctx, stream, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("remove consumer %s of %s: %w", name, stream, err)
		}
	}
	return nil
}
