package main

import (
	"context"
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
	d := catalogsync.Defined{Check: checkDefinedName, Open: openDefined}
	for _, known := range p.cfg.Known {
		active := slices.ContainsFunc(p.cfg.Providers, func(a workers.ProviderConfig) bool { return a.Name == known.Name })
		if known.Kind == nameDemo && !active {
			continue
		}
		shown := workers.Show(known)
		shown.Active = active
		d.Configured = append(d.Configured, shown)
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
		return roster.Problems{{Field: "name", Message: "use lower-case letters, digits, - and _, at most 63, and begin with a letter or a digit"}}
	case isTaken(name):
		return roster.Problems{{Field: "name", Message: fmt.Sprintf("%q is taken: choose another", name)}}
	}
	return nil
}

// openDefined returns what a definition says of a provider, whatever its keys
// are. The error is [roster.Problems].
func openDefined(d roster.Definition) (catalog.Provider, error) {
	problems := checkDefinition(d)
	if len(problems) > 0 && problems[0].Field == "kind" {
		return catalog.Provider{}, problems
	}
	d.Key, d.Keys = nil, nil
	c, _ := workers.FromDefinition(d, nil) // there is no key to be opened
	entry, err := workers.Describe(c)
	if err != nil {
		return entry, problems.With(roster.Problems{{Field: "host", Message: fmt.Sprintf("%v; write it like https://api.example.com or 127.0.0.1:11434", innermost(err))}})
	}
	if len(problems) > 0 {
		return entry, problems
	}
	return entry, nil
}

// checkDefinition returns what is wrong with a definition, besides that a
// provider may not be possible where its host is. That the kind is unknown comes
// first.
func checkDefinition(d roster.Definition) (problems roster.Problems) {
	add := func(field, message string) {
		problems = append(problems, roster.Problem{Field: field, Message: message})
	}
	kinds := slices.DeleteFunc(workers.Kinds(), func(kind string) bool { return kind == nameDemo })
	v, vendor := vendorOf(d.Kind)
	switch {
	case !vendor && !slices.Contains(kinds, d.Kind):
		add("kind", fmt.Sprintf("use one of %s, or a vendor, one of %s", strings.Join(kinds, ", "), vendorNames()))
	case d.Beta != nil && workers.Dialect(d.Kind) != nameAnthropic:
		add("forward_beta", "only providers of the kind anthropic have that")
	}
	if d.Host == "" && v.Host == "" {
		add("host", "is missing: say where the provider is, such as https://api.example.com")
	}
	if workers.Dialect(d.Kind) == nameOllama {
		return problems
	}
	if strings.Contains(d.Host, ",") {
		add("host", "only providers of the kind ollama have several")
	}
	for _, field := range d.Pool.Fields() {
		add(field, "only providers of the kind ollama have that")
	}
	return problems
}
