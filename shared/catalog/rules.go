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
	Way     Way           `json:"way,omitzero"`
}

// A Way is how the calls of an [Alias] find their way among its targets.
type Way struct {
	// Balance says how targets share calls; [InOrder]: they don't. Empty: by
	// their weights those that have one, and the others don't.
	Balance string `json:"balance,omitempty"`

	Stay bool `json:"stay,omitempty"` // a call that fails at one target is not tried at another one
	Once bool `json:"once,omitempty"` // nor a second time at the same one
}

// InOrder is the [Way.Balance] of targets that do not share calls.
const InOrder = "order"

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

// passes reports whether a provider's model, which may be on no list, is there
// for clients. Where the tag :latest may be left out is up to whoever answers,
// so that neither form gets at what the other is denied by.
func (s *sieve) passes(p *Provider, id string) bool {
	return s.lets(p, id, func(string) bool { return true })
}

// lists is passes for a model that the provider lists. A bare name on the list
// of others than an Ollama is no other form of anything.
func (s *sieve) lists(p *Provider, id string) bool {
	return s.lets(p, id, func(other string) bool { return p.Dialect == dialectOllama || len(other) < len(id) })
}

// lets reports whether a model is there for clients; alike says whether the
// other form of its id is as good as that.
func (s *sieve) lets(p *Provider, id string, alike func(other string) bool) bool {
	f, filtered := s.filters[p.Name]
	if !filtered && s.disabled == nil {
		return true
	}
	if p.Dialect == dialectOllama {
		id = withoutRegistry(id)
	}
	names := []string{p.Name + "/" + id}
	denied := names
	if other, ok := otherForm(id); ok && alike(other) {
		denied = append(denied, p.Name+"/"+other)
	}
	if p.Dialect == dialectOllama {
		names = denied
	}
	return !s.disabled.fit(denied) && !f.deny.fit(denied) && (f.allow == nil || f.allow.fit(names))
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
