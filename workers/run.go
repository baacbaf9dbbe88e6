package workers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/logging"
)

const defaultConcurrency = 20_000

// Config says what a [Worker] serves.
type Config struct {
	Providers []ProviderConfig
	Local     *bus.Local    // set where the owners of calls run in the same process
	Logger    *slog.Logger  // default: discard
	Drain     time.Duration // how long running calls may go on at the end; default 30s
	Defined   Defined
}

// A Worker performs the calls of several providers.
type Worker struct {
	nc      *nats.Conn
	local   *bus.Local
	drain   time.Duration
	log     *slog.Logger
	parts   []part
	defined Defined
}

// New returns a worker; [Worker.Run] starts it. It fails when a provider's
// configuration is of no use.
func New(nc *nats.Conn, c Config) (*Worker, error) {
	w := &Worker{nc: nc, local: c.Local, drain: c.Drain, log: cmp.Or(c.Logger, slog.New(slog.DiscardHandler)), defined: c.Defined}
	names := map[string]bool{}
	for _, p := range c.Providers {
		if names[p.Name] {
			return nil, fmt.Errorf("provider %s: there are two of the name", p.Name)
		}
		names[p.Name] = true
		part, err := w.part(p, nil)
		if err != nil {
			return nil, err
		}
		w.parts = append(w.parts, part)
	}
	return w, nil
}

// part returns what serves a provider. Where until is not nil, its calls are
// given all the time they need before that is closed.
func (w *Worker) part(p ProviderConfig, until <-chan struct{}) (part, error) {
	provider, err := Open(p)
	if err != nil {
		return part{}, err
	}
	h := &handler{provider: provider, strict: p.Strict, log: w.log.With(slog.String(logging.KeyProvider, p.Name))}
	if s, ok := provider.(signer); ok {
		if h.thoughts, err = newThoughts(w.nc, p.Name, s, h.log); err != nil {
			return part{}, fmt.Errorf("provider %s: %w", p.Name, err)
		}
	}
	worker, err := bus.NewWorker(w.nc, p.Name, bus.WorkerOptions{
		Concurrency: cmp.Or(p.MaxConcurrency, defaultConcurrency),
		Grace:       w.drain, Until: until, Local: w.local, Logger: w.log,
	}, h.handle)
	if err != nil {
		return part{}, fmt.Errorf("provider %s: %w", p.Name, err)
	}
	return part{worker, provider}, nil
}

// Run performs calls until ctx is done, then lets the running ones end. When
// the part of a provider that is configured fails, all of them stop.
func (w *Worker) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(w.parts))
	var parts sync.WaitGroup
	for i, part := range w.parts {
		parts.Go(func() {
			if errs[i] = part.run(ctx); errs[i] != nil {
				stop()
			}
		})
	}
	if w.defined.View != nil {
		parts.Go(func() { w.follow(ctx) })
	}
	parts.Wait()
	return errors.Join(errs...)
}
