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
}

// A Worker performs the calls of several providers.
type Worker struct {
	parts     []*bus.Worker
	providers []Provider
}

// New returns a worker; [Worker.Run] starts it. It fails when a provider's
// configuration is of no use.
func New(nc *nats.Conn, c Config) (*Worker, error) {
	log := cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	w := &Worker{}
	names := map[string]bool{}
	for _, p := range c.Providers {
		if names[p.Name] {
			return nil, fmt.Errorf("provider %s: there are two of the name", p.Name)
		}
		names[p.Name] = true
		provider, err := Open(p)
		if err != nil {
			return nil, err
		}
		h := &handler{provider: provider, log: log.With(slog.String(logging.KeyProvider, p.Name))}
		part, err := bus.NewWorker(nc, p.Name, bus.WorkerOptions{
			Concurrency: cmp.Or(p.MaxConcurrency, defaultConcurrency),
			Grace:       c.Drain, Local: c.Local, Logger: log,
		}, h.handle)
		if err != nil {
			return nil, fmt.Errorf("provider %s: %w", p.Name, err)
		}
		w.parts = append(w.parts, part)
		w.providers = append(w.providers, provider)
	}
	return w, nil
}

// Run performs calls until ctx is done, then lets the running ones end. When
// one provider's part fails, all of them stop.
func (w *Worker) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(w.parts))
	var parts sync.WaitGroup
	for i, part := range w.parts {
		parts.Go(func() {
			if errs[i] = part.Run(ctx); errs[i] != nil {
				stop()
			}
		})
	}
	parts.Wait()
	for _, p := range w.providers {
		if r, ok := p.(remote); ok {
			r.Close()
		}
	}
	return errors.Join(errs...)
}
