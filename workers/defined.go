package workers

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

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
// time. With an error, of [roster.Sealer.Open], only its keys are missing.
func FromDefinition(d roster.Definition, s *roster.Sealer) (ProviderConfig, error) {
	key, err := s.Open(d.Name, d.Key)
	c := ProviderConfig{
		Name: d.Name, Kind: d.Kind, Host: d.Host, APIKey: key,
		MaxConcurrency: d.MaxConcurrency, RPM: d.RPM, TPM: d.TPM, Timeout: d.Timeout, Strict: d.Strict, Beta: d.Beta, Guarded: true,
		Pool: Pool{
			Parallel: d.Pool.Parallel, MaxLoaded: d.Pool.MaxLoaded, SwitchAfter: d.Pool.SwitchAfter, PerModel: d.Pool.PerModel,
			Context: d.Pool.Context.Tokens, Fixed: d.Pool.Context.Fixed,
		},
	}
	for i := 0; i < len(d.Keys) && err == nil; i++ {
		var key logging.Secret
		key, err = s.Open(d.Name, d.Keys[i])
		c.APIKeys = append(c.APIKeys, key)
	}
	if err != nil {
		c.APIKey, c.APIKeys = "", nil
	}
	return c, err
}

// definedPool is a pool as a definition would have it.
func definedPool(p Pool) roster.Pool {
	return roster.Pool{
		Parallel: p.Parallel, MaxLoaded: p.MaxLoaded, SwitchAfter: p.SwitchAfter, PerModel: p.PerModel,
		Context: roster.Context{Tokens: p.Context, Fixed: p.Fixed},
	}
}

// A follower has a part running for each definition.
type follower struct {
	*Worker
	running  map[string]follow
	parts    sync.WaitGroup
	attended map[string]context.CancelFunc     // definitions of which models are listed
	current  atomic.Pointer[map[string]follow] // what runs, for whoever lists models
}

// A follow is a part that runs for a definition, or the definition alone where
// it is of no use.
type follow struct {
	definition roster.Definition
	part       *part // nil: it is of no use
	stop       context.CancelFunc
}

// follow serves what is defined until ctx is done, and returns when the calls
// of all parts have ended.
func (w *Worker) follow(ctx context.Context) {
	f := follower{Worker: w, running: map[string]follow{}, attended: map[string]context.CancelFunc{}}
	f.current.Store(&map[string]follow{})
	defer f.parts.Wait()
	for {
		changed := w.defined.View.Changed()
		r := w.defined.View.Roster()
		w.limit(r)
		f.attend(ctx, r)
		f.apply(ctx, r)
		f.current.Store(new(maps.Clone(f.running)))
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// limit has the providers that are configured keep to the limits that were set
// since.
func (w *Worker) limit(r roster.Roster) {
	for _, p := range w.parts {
		p.resize(r.Cap(p.config.Name, p.config.MaxConcurrency), w.most)
	}
}

// apply starts, replaces and stops parts, and leaves alone those whose
// definition is as it was, or but for the limit of calls at once. A part that is
// stopped lets its calls end; its successor is there before.
func (f *follower) apply(ctx context.Context, r roster.Roster) {
	wanted := map[string]bool{}
	for _, d := range r.Active() {
		if !f.defined.Serves(d.Name) {
			continue
		}
		wanted[d.Name] = true
		before, ok := f.running[d.Name]
		if ok && before.resized(d, f.most) {
			before.definition = d
			f.running[d.Name] = before
			continue
		}
		f.running[d.Name] = f.start(ctx, d)
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

// resized reports whether what runs will do for d, with another limit perhaps.
func (f follow) resized(d roster.Definition, most int) bool {
	if f.definition.Equal(d) {
		return true
	}
	limit := d.MaxConcurrency
	d.MaxConcurrency = f.definition.MaxConcurrency
	if f.part == nil || !f.definition.Equal(d) {
		return false
	}
	f.part.resize(limit, most)
	return true
}

// start starts a part. What is wrong with its definition is only logged: it
// must not stop the others.
func (f *follower) start(ctx context.Context, d roster.Definition) follow {
	whole := ctx
	ctx, stop := context.WithCancel(ctx)
	log := f.log.With(slog.String(logging.KeyProvider, d.Name))
	c, err := FromDefinition(d, f.defined.Sealer)
	var p part
	if err == nil {
		p, err = f.part(c, whole.Done())
	}
	if err != nil {
		log.Error("the provider that was defined cannot be served", slog.Any(logging.KeyError, err))
		return follow{d, nil, stop}
	}
	log.Info("provider", slog.String("kind", d.Kind), slog.String("defined", "at run time"))
	f.parts.Go(func() {
		if err := p.run(ctx); err != nil {
			log.Error("the provider cannot be served", slog.Any(logging.KeyError, err))
		}
	})
	return follow{d, &p, stop}
}

// A part serves one provider.
type part struct {
	*bus.Worker
	provider Lister
	config   ProviderConfig
	meter    *meter
}

// run performs calls until ctx is done and the running ones have ended.
func (p part) run(ctx context.Context) error {
	defer p.meter.attend(p)()
	err := p.Run(ctx)
	if r, ok := p.provider.(remote); ok {
		r.Close()
	}
	return err
}
