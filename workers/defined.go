package workers

import (
	"context"
	"log/slog"
	"sync"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
)

// Defined says which of the providers that are defined at run time a [Worker]
// serves, besides those that it is configured for. The zero value: none.
type Defined struct {
	View   *roster.View   // run by whoever made it
	Sealer *roster.Sealer // opens their keys; nil: only those without a key can be served
	Serves func(name string) bool
}

// FromDefinition returns the configuration of a provider that was defined at run
// time. With an error, of [roster.Sealer.Open], only its key is missing.
func FromDefinition(d roster.Definition, s *roster.Sealer) (ProviderConfig, error) {
	key, err := s.Open(d.Name, d.Key)
	return ProviderConfig{
		Name: d.Name, Kind: d.Kind, Host: d.Host, APIKey: key,
		MaxConcurrency: d.MaxConcurrency, Timeout: d.Timeout, Strict: d.Strict, Beta: d.Beta, Guarded: true,
	}, err
}

// A follower has a part running for each definition.
type follower struct {
	*Worker
	running map[string]follow
	parts   sync.WaitGroup
}

// A follow is a part that runs for a definition, or the definition alone where
// it is of no use.
type follow struct {
	definition roster.Definition
	stop       context.CancelFunc
}

// follow serves what is defined until ctx is done, and returns when the calls
// of all parts have ended.
func (w *Worker) follow(ctx context.Context) {
	f := follower{Worker: w, running: map[string]follow{}}
	defer f.parts.Wait()
	for {
		changed := w.defined.View.Changed()
		f.apply(ctx, w.defined.View.Roster())
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// apply starts, replaces and stops parts, and leaves alone those whose
// definition is as it was. A part that is stopped lets its calls end; its
// successor is there before.
func (f *follower) apply(ctx context.Context, r roster.Roster) {
	wanted := map[string]bool{}
	for _, d := range r.Active() {
		if !f.defined.Serves(d.Name) {
			continue
		}
		wanted[d.Name] = true
		before, ok := f.running[d.Name]
		if ok && before.definition.Equal(d) {
			continue
		}
		f.running[d.Name] = follow{d, f.start(ctx, d)}
		if ok {
			before.stop()
		}
	}
	for name, part := range f.running {
		if !wanted[name] {
			f.log.Info("the provider was removed or switched off", slog.String(logging.KeyProvider, name))
			part.stop()
			delete(f.running, name)
		}
	}
}

// start starts a part. What is wrong with its definition is only logged: it
// must not stop the others.
func (f *follower) start(ctx context.Context, d roster.Definition) (stop context.CancelFunc) {
	whole := ctx
	ctx, stop = context.WithCancel(ctx)
	log := f.log.With(slog.String(logging.KeyProvider, d.Name))
	c, err := FromDefinition(d, f.defined.Sealer)
	var p part
	if err == nil {
		p, err = f.part(c, whole.Done())
	}
	if err != nil {
		log.Error("the provider that was defined cannot be served", slog.Any(logging.KeyError, err))
		return stop
	}
	log.Info("provider", slog.String("kind", d.Kind), slog.String("defined", "at run time"))
	f.parts.Go(func() {
		if err := p.run(ctx); err != nil {
			log.Error("the provider cannot be served", slog.Any(logging.KeyError, err))
		}
	})
	return stop
}

// A part serves one provider.
type part struct {
	*bus.Worker
	provider Provider
}

// run performs calls until ctx is done and the running ones have ended.
func (p part) run(ctx context.Context) error {
	err := p.Run(ctx)
	if r, ok := p.provider.(remote); ok {
		r.Close()
	}
	return err
}
