package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/ingress"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers"
	"github.com/offbeat-studio/allama/workers/catalogsync"
)

// addRoster adds what follows the providers that are defined at run time.
func (p *process) addRoster() error {
	link, js, err := p.connect("roster")
	if err != nil {
		return err
	}
	p.roster = roster.NewView(js, p.log)
	p.add("roster", connected{p.roster, link}, slack)
	return nil
}

// isKnown reports whether the environment says what a provider of that name is;
// then nobody else can.
func (c *config) isKnown(name string) bool {
	return slices.ContainsFunc(c.Known, func(p workers.ProviderConfig) bool { return p.Name == name })
}

// definedFor is what a worker serves of the providers that are defined at run
// time: those that were asked for, or all.
func (p *process) definedFor(names []string) workers.Defined {
	return workers.Defined{View: p.roster, Sealer: p.sealer, Serves: func(name string) bool {
		return !p.cfg.isKnown(name) && (len(names) == 0 || slices.Contains(names, name))
	}}
}

// defined says how the sync worker deals with such providers.
func (p *process) defined() catalogsync.Defined {
	d := catalogsync.Defined{Check: checkDefinedName, Open: p.openDefined}
	for _, known := range p.cfg.Known {
		active := slices.ContainsFunc(p.cfg.Providers, func(a workers.ProviderConfig) bool { return a.Name == known.Name })
		if known.Kind == nameDemo && !active {
			continue
		}
		d.Configured = append(d.Configured, roster.Provider{
			Name: known.Name, Kind: known.Kind, BaseURL: baseURL(known), Source: roster.Environment,
			Active: active, HasKey: known.APIKey != "",
			MaxConcurrency: known.MaxConcurrency, Timeout: known.Timeout, Strict: known.Strict, Beta: known.Beta,
		})
	}
	return d
}

// managed is how clients manage providers through the ingress.
func (p *process) managed(nc *nats.Conn) ingress.Providers {
	return ingress.Providers{Sealer: p.sealer, Ask: func(ctx context.Context, r roster.Request) (roster.Answer, error) {
		return roster.Ask(ctx, nc, r)
	}}
}

// checkDefinedName returns why no provider can be defined by a name.
func checkDefinedName(name string) error {
	switch {
	case !workers.ValidName(name):
		return errors.New("name: use lower-case letters, digits, - and _, at most 63, and begin with a letter or a digit")
	case isTaken(name):
		return fmt.Errorf("name: %q is taken: choose another", name)
	}
	return nil
}

// openDefined returns the source that a definition describes.
func (p *process) openDefined(d roster.Definition) (catalogsync.Source, error) {
	named := catalogsync.Source{Provider: catalog.Provider{Name: d.Name, Kind: d.Kind}}
	kinds := slices.DeleteFunc(workers.Kinds(), func(kind string) bool { return kind == nameDemo })
	v, vendor := vendorOf(d.Kind)
	switch {
	case !vendor && !slices.Contains(kinds, d.Kind):
		return named, fmt.Errorf("kind: use one of %s, or a vendor, one of %s", strings.Join(kinds, ", "), vendorNames())
	case d.Beta != nil && workers.Dialect(d.Kind) != nameAnthropic:
		return named, errors.New("forward_beta: only providers of the kind anthropic have that")
	case d.Host == "" && v.Host == "":
		return named, errors.New("host: is missing: say where the provider is, such as https://api.example.com")
	}
	c, locked := workers.FromDefinition(d, p.sealer)
	if errors.Is(locked, roster.ErrNoSecret) {
		locked = fmt.Errorf("the key cannot be opened: %w where the models are listed and calls are made", locked)
	}
	entry, list, err := workers.Source(c)
	if err != nil {
		return named, fmt.Errorf("host: %w; write it like https://api.example.com or 127.0.0.1:11434", innermost(err))
	}
	return catalogsync.Source{Provider: entry, List: list}, locked
}
