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
	"github.com/offbeat-studio/allama/shared/lists"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/metrics"
	"github.com/offbeat-studio/allama/shared/pace"
	"github.com/offbeat-studio/allama/workers/upstream"
)

const defaultConcurrency = 20_000

// Config says what a [Worker] serves.
type Config struct {
	Providers []ProviderConfig

	// Concurrency is how many calls of one provider this process performs at
	// once; 0: as many as there may be over all.
	Concurrency int

	Local   *bus.Local    // set where the owners of calls run in the same process
	Logger  *slog.Logger  // default: discard
	Drain   time.Duration // how long running calls may go on at the end; default 30s
	Defined Defined
	Metrics *metrics.Registry // nil: nothing is counted

	window time.Duration // that RPM and TPM are counted over; default a minute
}

// A Worker performs the calls of several providers.
type Worker struct {
	nc      *nats.Conn
	most    int // calls of one provider at once; 0: no limit
	local   *bus.Local
	drain   time.Duration
	log     *slog.Logger
	parts   []part
	defined Defined
	window  time.Duration
	bureau  *bureau
	meter   *meter
}

// New returns a worker; [Worker.Run] starts it. It fails when a provider's
// configuration is of no use.
func New(nc *nats.Conn, c Config) (*Worker, error) {
	w := &Worker{nc: nc, most: c.Concurrency, local: c.Local, drain: c.Drain, log: cmp.Or(c.Logger, slog.New(slog.DiscardHandler)), defined: c.Defined, window: c.window}
	w.bureau, w.meter = newBureau(nc, w.log), newMeter(c.Metrics)
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
	pacer := newPacer(provider, pace.Rates{Calls: p.RPM, Tokens: p.TPM, Window: w.window})
	h := &handler{provider: provider, strict: p.Strict, pacer: pacer, meter: w.meter.attempts.Of(p.Name), log: w.log.With(slog.String(logging.KeyProvider, p.Name))}
	if s, ok := provider.(signer); ok {
		if h.thoughts, err = newThoughts(w.nc, p.Name, s, h.log); err != nil {
			return part{}, fmt.Errorf("provider %s: %w", p.Name, err)
		}
	}
	worker, err := bus.NewWorker(w.nc, p.Name, bus.WorkerOptions{
		Concurrency: concurrencyOf(provider, p.MaxConcurrency, w.most),
		Cap:         p.MaxConcurrency, Pace: pacer,
		Grace: w.drain, Until: until, Local: w.local, Logger: w.log,
	}, h.handle)
	if err != nil {
		return part{}, fmt.Errorf("provider %s: %w", p.Name, err)
	}
	if pacer.limited != nil {
		pacer.limited.Attend(upstream.Hooks{Logger: h.log, Pause: h.meter.Pausing(worker.Pause), Changed: pacer.heralded(worker.Tell)})
	}
	return part{worker, provider, p, w.meter}, nil
}

// Run performs calls until ctx is done, then lets the running ones end. When
// the part of a provider that is configured fails, all of them stop.
func (w *Worker) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer w.bureau.close()
	defer stop()
	for _, p := range w.parts {
		list := func(ctx context.Context, _ lists.Question) lists.Answer { return listed(ctx, p.config, p.provider) }
		if err := w.bureau.serve(ctx, p.config.Name, false, list); err != nil {
			return err
		}
	}
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
