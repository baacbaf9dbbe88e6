package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

// A note is a service that does nothing but say something.
type note struct {
	after <-chan struct{} // nil: at once
	say   func()
}

// Run says it once it is time, and waits for ctx.
func (n note) Run(ctx context.Context) error {
	if n.after != nil {
		select {
		case <-n.after:
		case <-ctx.Done():
			return nil
		}
	}
	n.say()
	<-ctx.Done()
	return nil
}

// sayProviders logs what was configured.
func (p *process) sayProviders(ctx context.Context) {
	for _, c := range p.cfg.Providers {
		log := p.log.With(slog.String(logging.KeyProvider, c.Name))
		if c.Kind == nameDemo {
			log.Info("provider", slog.String("kind", c.Kind))
			continue
		}
		key := "none"
		if c.APIKey != "" {
			key = "set"
		}
		log.Info("provider", slog.String("kind", c.Kind), slog.String("host", baseURL(c)), slog.String("key", key))
		if key == "none" && (c.Name == nameOpenAI || c.Name == nameAnthropic) {
			log.Warn("the provider has no key and will most likely refuse calls", slog.String("set", variable(c.Name, "API_KEY")))
		}
	}
	if len(p.cfg.Providers) == 0 && !p.cfg.hasDefined(ctx) {
		p.log.Warn("no provider is active, so there is no model until one is defined", slog.String("next", "set a key, such as OPENAI_API_KEY"))
	}
}

// sayAwaited warns of providers that a worker is for and the environment does
// not know: it waits for them to be defined, for ever where the name is wrong.
func (p *process) sayAwaited(names []string) {
	for _, name := range names {
		if !p.cfg.isKnown(name) {
			p.log.Warn("the environment does not know the provider; it is served once it is defined at run time", slog.String(logging.KeyProvider, name))
		}
	}
}

// sayReady logs what clients are to be given, and what to do when there is
// nothing to serve but the demo.
func (p *process) sayReady(listener net.Addr) {
	base := "http://" + reachable(listener)
	p.log.Info("ready; point clients here", slog.String("openai", base+"/v1"), slog.String("anthropic", base), slog.String("ollama", base))
	if p.onlyDemo {
		p.log.Info("nothing is configured yet, so there is only the model demo, with canned answers",
			slog.String("next", "set OPENAI_API_KEY or ANTHROPIC_API_KEY in the environment or in .env and start again; or start Ollama"))
	}
}

// reachable is the address of a listener as this machine can call it.
func reachable(listener net.Addr) string {
	address, err := netip.ParseAddrPort(listener.String())
	if err != nil {
		return listener.String()
	}
	if address.Addr().IsUnspecified() {
		address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), address.Port())
	}
	return address.String()
}

// probeTimeout bounds the wait for an Ollama that may not be there.
const probeTimeout = 500 * time.Millisecond

// decideDemo settles whether the demo is on where that was left open: it is
// when nobody configured a provider, none was defined at run time, and no Ollama
// answers. It reports whether it switched it on.
func (c *config) decideDemo(ctx context.Context) bool {
	if c.Demo != nil {
		return false
	}
	for _, p := range c.Providers {
		if p.Name != nameOllama || p.APIKey != "" || answers(ctx, p) {
			return false
		}
	}
	if c.hasDefined(ctx) {
		return false
	}
	for _, p := range c.Known {
		if p.Name == nameDemo {
			c.Providers = append(c.Providers, p)
		}
	}
	return true
}

// hasDefined reports whether the database has providers that were defined at
// run time and are in use. One that cannot be read has none.
func (c *config) hasDefined(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	r, err := sqlite.PeekRoster(ctx, c.DatabasePath)
	return err == nil && slices.ContainsFunc(r.Active(), func(d roster.Definition) bool { return !c.isKnown(d.Name) })
}

// answers reports whether a provider can be asked for its models.
func answers(ctx context.Context, c workers.ProviderConfig) bool {
	p, err := workers.Open(c)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_, err = p.Models(ctx)
	return err == nil
}
