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

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/lists"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
)

// maxListings is how many lists of models a process asks for at a time. Whoever
// keeps the catalog asks for one of each provider.
const maxListings = 64

// maxListing is how long one may take where nobody says.
const maxListing = 30 * time.Second

// Describe returns what the catalog knows of a provider before it was listed.
func Describe(c ProviderConfig) (catalog.Provider, error) {
	p, err := Open(c)
	if err != nil {
		return catalog.Provider{}, err
	}
	return describe(c, p), nil
}

// Show returns what is shown of a provider of the configuration.
func Show(c ProviderConfig) roster.Provider {
	p := roster.Provider{
		Name: c.Name, Kind: c.Kind, Source: roster.Environment, Active: true,
		HasKey: c.APIKey != "", Keys: c.KeyCount(),
		Limits:  roster.Limits{MaxConcurrency: c.MaxConcurrency, RPM: c.RPM, TPM: c.TPM},
		Timeout: c.Timeout, Strict: c.Strict, Beta: c.Beta, Pool: definedPool(c.Pool),
	}
	if entry, err := Describe(c); err == nil {
		p.BaseURL = entry.BaseURL
	}
	return p
}

// A bureau lists the models of providers for whoever keeps the catalog.
type bureau struct {
	nc   *nats.Conn
	log  *slog.Logger
	open chan struct{} // has room for as many as may run

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

func newBureau(nc *nats.Conn, log *slog.Logger) *bureau {
	return &bureau{nc: nc, log: log, open: make(chan struct{}, maxListings)}
}

// serve answers questions for a provider's models until ctx is done.
func (b *bureau) serve(ctx context.Context, provider string, defined bool, list func(context.Context, lists.Question) lists.Answer) error {
	sub, err := lists.Serve(b.nc, provider, defined, func(q lists.Question, reply func(lists.Answer) error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.closed {
			return
		}
		b.running.Go(func() {
			if err := reply(b.list(ctx, q, list)); err != nil {
				b.log.Warn("the models cannot be told", slog.String(logging.KeyProvider, provider), slog.Any(logging.KeyError, err))
			}
		})
	})
	if err != nil {
		return fmt.Errorf("provider %s: %w", provider, err)
	}
	// What has come is answered still: whoever asked would wait for nothing.
	context.AfterFunc(ctx, func() { _ = sub.Drain() }) // or the connection is gone, and the subscription with it
	return nil
}

// list lists models, unless too many others do.
func (b *bureau) list(ctx context.Context, q lists.Question, list func(context.Context, lists.Question) lists.Answer) lists.Answer {
	select {
	case b.open <- struct{}{}:
		defer func() { <-b.open }()
	default:
		return unable(errors.New("too many models are being listed"))
	}
	bounded, cancel := context.WithTimeout(ctx, cmp.Or(q.Within, maxListing))
	defer cancel()
	a := list(bounded, q)
	a.Unable = a.Unable || ctx.Err() != nil // the worker stops, and another may go on
	return a
}

// close waits for what runs.
func (b *bureau) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.running.Wait()
}

// unable is the answer of a worker that cannot ask a provider.
func unable(err error) lists.Answer { return lists.Answer{Error: shown(err), Unable: true} }

// listed has a provider list its models.
func listed(ctx context.Context, c ProviderConfig, p Lister) lists.Answer {
	a := lists.Answer{Provider: describe(c, p), Shown: Show(c)}
	models, err := p.Models(ctx)
	if err != nil {
		a.Error = shown(err)
		return a
	}
	a.Models = models
	return a
}

// shown is an error as it may be told to others.
func shown(err error) *llm.Error {
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return e
	}
	return &llm.Error{Code: llm.CodeUpstream, Message: err.Error()}
}

// attend answers questions for the models of all definitions that are to be
// served here, active or not.
func (f *follower) attend(ctx context.Context, r roster.Roster) {
	there := map[string]bool{}
	for _, d := range r.Definitions {
		if there[d.Name] = f.defined.Serves(d.Name); !there[d.Name] || f.attended[d.Name] != nil {
			continue
		}
		ctx, stop := context.WithCancel(ctx)
		if err := f.bureau.serve(ctx, d.Name, true, f.list); err != nil {
			f.log.Error("nobody is told the models", slog.Any(logging.KeyError, err))
		}
		f.attended[d.Name] = stop
	}
	for name, stop := range f.attended {
		if !there[name] {
			stop()
			delete(f.attended, name)
		}
	}
}

// list lists the models of a definition: by the part that serves it, or where
// there is none, as for one that is not active, by one that is opened for that.
func (f *follower) list(ctx context.Context, q lists.Question) lists.Answer {
	d := q.Definition
	if d == nil {
		return unable(errors.New("it is not said what the provider is"))
	}
	if running := (*f.current.Load())[d.Name]; running.part != nil && running.definition.Equal(*d) {
		return defined(listed(ctx, running.part.config, running.part.provider))
	}
	c, err := FromDefinition(*d, f.defined.Sealer)
	if errors.Is(err, roster.ErrNoSecret) {
		err = fmt.Errorf("the key cannot be opened: %w where calls are made", err)
	}
	var p Lister
	if err == nil {
		p, err = Open(c)
	}
	if err != nil {
		return unable(err)
	}
	if r, ok := p.(remote); ok {
		defer r.Close()
	}
	return defined(listed(ctx, c, p))
}

// defined says that an answer is of a provider that was defined at run time.
func defined(a lists.Answer) lists.Answer {
	a.Shown.Source = roster.API
	return a
}
