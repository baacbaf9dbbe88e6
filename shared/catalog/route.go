package catalog

import "strings"

// A Route is where a call may go. It must not be modified.
type Route struct {
	Target // where it goes at first

	Others []Target // where it may go instead, in their order
	Alias  string   // that was called, as it is configured; empty: a model's own name was

	// Weights are those of the first targets that share the calls of an alias,
	// each at least 1.
	Weights []int
	Way     Way // of the alias
}

// Reach is Resolve for calls. An alias becomes its targets, those that some
// list has before those that can only be tried. With the provider in front, a
// name reaches that provider also where no list has the model: some vendors
// list nothing, and some not everything that they serve.
func (x *Index) Reach(name string) (Route, bool) {
	if a := x.alias(name); a != nil {
		return a.route, a.route.Provider != nil
	}
	t, ok := x.reach(name)
	return Route{Target: t}, ok
}

// reach is Reach for names that are no aliases.
func (x *Index) reach(name string) (Target, bool) {
	if t, ok := x.resolve(name); ok {
		return t, true
	}
	provider, model, _ := strings.Cut(name, "/")
	for i := range x.snapshot.Providers {
		p := &x.snapshot.Providers[i]
		if p.Name != provider || p.BaseURL == "" || model == "" {
			continue
		}
		if bare, ok := cutLatest(model); ok && p.Dialect != dialectOllama {
			model = bare
		}
		if !x.sieve.passes(p, model) {
			return Target{}, false
		}
		return Target{Provider: p, Model: &Model{Provider: p.Name, ID: model}, Upstream: model}, true
	}
	return Target{}, false
}

// alias returns the alias of that name, nil where there is none.
func (x *Index) alias(name string) *alias {
	if len(x.aliases) == 0 {
		return nil
	}
	name, _ = cutLatest(name)
	var lower [maxFolded]byte
	if folded, ok := fold(&lower, name); ok {
		return x.aliases[string(folded)] // which makes no string
	}
	return x.aliases[strings.ToLower(name)]
}
