package catalog

import (
	"slices"
	"strings"
)

// hide notes the names of a model that the rules keep from clients.
func (x *Index) hide(p *Provider, id string) {
	if x.hidden == nil {
		x.hidden = make(map[string]bool)
	}
	x.hidden[foldedAlias(id)] = true
	x.hidden[foldedAlias(p.Name+"/"+id)] = true
}

// provider returns the provider of a name, nil where there is none.
func (x *Index) provider(name string) *Provider {
	for i := range x.snapshot.Providers {
		if p := &x.snapshot.Providers[i]; p.Name == name {
			return p
		}
	}
	return nil
}

// Hides reports whether the rules keep a provider's model from clients, listed
// or not. Of a provider that there is not it hides nothing.
func (x *Index) Hides(provider, id string) bool {
	p := x.provider(provider)
	return p != nil && !x.sieve.passes(p, id)
}

// HidesName reports whether a name that leads nowhere does so by the rules, so
// that no list can change it: they keep a model of that name from clients, or
// would at every provider that can be meant.
func (x *Index) HidesName(name string) bool {
	if x.snapshot.Rules == nil {
		return false
	}
	if x.hidden[foldedAlias(name)] {
		return true
	}
	prefix, id, _ := strings.Cut(name, "/")
	if p := x.provider(prefix); p != nil {
		return !x.sieve.passes(p, id)
	}
	all := x.snapshot.Providers
	return len(all) > 0 && !slices.ContainsFunc(all, func(p Provider) bool { return x.sieve.passes(&p, name) })
}
