package catalog

import "strings"

// Rules are what the operator says of models, beyond what providers list: by
// which other names they are called, and which of them there are for clients.
// The zero value changes nothing.
type Rules struct {
	Aliases   []Alias           `json:"aliases,omitempty"`
	Disabled  []string          `json:"disabled,omitempty"` // patterns, of provider/model or, without a slash, of any provider's models
	Providers map[string]Filter `json:"providers,omitempty"`
}

// An Alias is a name for one or several models.
type Alias struct {
	Name    string        `json:"name"` // the case and the tag :latest do not matter
	Targets []AliasTarget `json:"targets"`
}

// An AliasTarget is one of the models that an [Alias] stands for. The first one
// that there is gets the calls; neighbours with weights share them.
type AliasTarget struct {
	Model  string `json:"model"`            // its name, which is no alias
	Weight int    `json:"weight,omitempty"` // zero: it has none
}

// A Filter says which of a provider's models there are for clients: those that
// some pattern of Allow fits, all of them where that is empty, without those
// that some pattern of Deny fits.
type Filter struct {
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

// A sieve is the part of [Rules] that keeps models from clients, made ready.
// The zero value lets everything through.
type sieve struct {
	disabled patterns
	filters  map[string]filter
}

type filter struct{ allow, deny patterns }

func newSieve(r *Rules) sieve {
	if r == nil {
		return sieve{}
	}
	s := sieve{disabled: compile(r.Disabled, false), filters: make(map[string]filter, len(r.Providers))}
	for name, f := range r.Providers {
		s.filters[name] = filter{allow: compile(f.Allow, true), deny: compile(f.Deny, true)}
	}
	return s
}

// passes reports whether there is a provider's model for clients.
func (s *sieve) passes(p *Provider, id string) bool {
	f, filtered := s.filters[p.Name]
	if !filtered && s.disabled == nil {
		return true
	}
	if p.Dialect == dialectOllama {
		id = withoutRegistry(id)
	}
	t := Target{Provider: p, Model: &Model{ID: id}}
	names := []string{qualified(t, id)}
	if other, ok := aliasOf(t); ok {
		names = append(names, qualified(t, other))
	}
	return !s.disabled.fit(names) && !f.deny.fit(names) && (f.allow == nil || f.allow.fit(names))
}

// withoutRegistry takes from an Ollama's name what that takes for granted, and
// what it does not look at: nobody shall get at a model by a longer name of it.
func withoutRegistry(name string) string {
	if _, after, ok := strings.Cut(name, "://"); ok {
		name = after
	}
	name, _, _ = strings.Cut(name, "@")
	for _, granted := range []string{"registry.ollama.ai/", "library/"} {
		if n := len(granted); len(name) > n && strings.EqualFold(name[:n], granted) {
			name = name[n:]
		}
	}
	return name
}
