package catalog

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
)

// dialectOllama is the dialect whose names have tags and no case.
const dialectOllama = "ollama"

// latest is the tag that Ollama takes for granted.
const latest = ":latest"

// An Index answers questions about one [Snapshot]. It never changes and may be
// used concurrently.
type Index struct {
	snapshot  Snapshot
	names     map[string]Target // every name as it is written
	folded    map[string]Target // in lower case, for providers whose names have no case
	listed    []Listed
	spellings func() []spelling // of what is listed

	sieve   sieve
	aliases map[string]*alias // by their names in lower case, without :latest
	lists   map[string]bool   // the providers that list anything
	hidden  map[string]bool   // the names of what the rules keep from clients, in lower case, without :latest
}

// A Target is a model and the provider that serves it. What they point to must
// not be modified.
type Target struct {
	Provider *Provider
	Model    *Model

	// Upstream is the name by which to call the model at the provider: its id,
	// or the spelling of whoever has asked where the provider takes that and
	// says it again.
	Upstream string
}

// Facts returns what is known of the model, nil where that is nothing.
func (t Target) Facts() *llm.Facts {
	f := &t.Model.Facts
	if f.MaxOutput == 0 && f.Schemas == nil && f.Thinking == nil && f.Efforts == nil {
		return nil
	}
	return f
}

// Listed is a target under the name by which it is shown.
type Listed struct {
	Name string
	Target
}

// NewIndex returns the index of s. Models without an id, of a provider that s
// does not have, repeated ones and those that the rules keep from clients are
// left out.
func NewIndex(s Snapshot) *Index {
	x := &Index{
		snapshot: s,
		names:    make(map[string]Target, 2*len(s.Models)),
		folded:   make(map[string]Target),
		lists:    make(map[string]bool, len(s.Providers)),
		sieve:    newSieve(s.Rules),
	}
	targets := x.targets()
	// The order is that of precedence: a full name before any bare one, a name
	// as the upstream writes it before a variant of it.
	for _, t := range targets {
		x.add(t, qualified(t, t.Model.ID))
	}
	for _, t := range targets {
		if alias, ok := aliasOf(t); ok {
			x.add(t, qualified(t, alias))
		}
	}
	for _, group := range byProvider(targets) {
		for _, t := range group {
			x.add(t, t.Model.ID)
		}
		for _, t := range group {
			if alias, ok := aliasOf(t); ok {
				x.add(t, alias)
			}
		}
	}
	x.addAliases()
	x.list(targets)
	x.spellings = sync.OnceValue(func() []spelling { return spellings(x.listed) }) // most are never asked for
	return x
}

// targets returns the models, in the order of their providers.
func (x *Index) targets() []Target {
	type place struct {
		provider *Provider
		models   map[string]*Model
		order    []Target
	}
	places := make(map[string]*place, len(x.snapshot.Providers))
	for i := range x.snapshot.Providers {
		p := &x.snapshot.Providers[i]
		if places[p.Name] == nil {
			places[p.Name] = &place{provider: p, models: make(map[string]*Model)}
		}
	}
	for i := range x.snapshot.Models {
		m := &x.snapshot.Models[i]
		p := places[m.Provider]
		if p == nil || m.ID == "" || p.models[m.ID] != nil {
			continue
		}
		x.lists[m.Provider] = true
		if !x.sieve.lists(p.provider, m.ID) {
			x.hide(p.provider, m.ID)
			continue
		}
		p.models[m.ID] = m
		p.order = append(p.order, Target{Provider: p.provider, Model: m, Upstream: m.ID})
	}
	var all []Target
	for _, p := range x.snapshot.Providers {
		all = append(all, places[p.Name].order...)
		places[p.Name].order = nil // a provider that is named twice counts once
	}
	return all
}

// byProvider cuts targets, which are in the order of providers, into one piece
// for each.
func byProvider(targets []Target) [][]Target {
	var groups [][]Target
	for len(targets) > 0 {
		n := 1
		for n < len(targets) && targets[n].Provider == targets[0].Provider {
			n++
		}
		groups = append(groups, targets[:n])
		targets = targets[n:]
	}
	return groups
}

func qualified(t Target, id string) string { return t.Provider.Name + "/" + id }

// aliasOf returns the other way to write a name that has, or could have, the tag
// that is taken for granted.
func aliasOf(t Target) (string, bool) {
	if t.Provider.Dialect != dialectOllama {
		return "", false
	}
	return otherForm(t.Model.ID)
}

// otherForm returns a name without the tag that is taken for granted, or with
// it; ok is false for a name with another tag.
func otherForm(id string) (other string, ok bool) {
	if bare, ok := cutLatest(id); ok {
		return bare, true
	}
	if strings.Contains(id[strings.LastIndexByte(id, '/')+1:], ":") {
		return "", false
	}
	return id + latest, true
}

// add gives t a name, unless the name is taken.
func (x *Index) add(t Target, name string) {
	if _, taken := x.names[name]; !taken {
		x.names[name] = t
	}
	if t.Provider.Dialect != dialectOllama {
		return
	}
	lower := strings.ToLower(name)
	if _, taken := x.folded[lower]; !taken {
		x.folded[lower] = t
	}
}

// list fills in listed.
func (x *Index) list(targets []Target) {
	x.listed = make([]Listed, 0, len(targets)+len(x.aliases))
	for _, t := range targets {
		name := t.Model.ID
		if found, _ := x.Resolve(name); found.Model != t.Model {
			name = qualified(t, name)
		}
		if x.alias(name) == nil { // otherwise no name is left for it
			x.listed = append(x.listed, Listed{Name: name, Target: t})
		}
	}
	for _, a := range x.aliases {
		if a.shown.Model != nil {
			x.listed = append(x.listed, Listed{Name: a.route.Alias, Target: a.shown})
		}
	}
	slices.SortFunc(x.listed, func(a, b Listed) int { return cmp.Compare(a.Name, b.Name) })
}

// Resolve finds the model that a client means by name: provider/model, or a
// bare name, which belongs to the first provider that has it. A name that some
// upstream writes just so comes first. Otherwise the tag :latest may be there
// or not, and for providers of Ollama's dialect the case does not matter.
//
// Before all that comes an alias, which is found as a model of its own, in
// force while any of its targets is there. It cannot be called as that: see
// [Index.Reach].
func (x *Index) Resolve(name string) (Target, bool) {
	if a := x.alias(name); a != nil {
		return a.shown, a.shown.Model != nil
	}
	return x.resolve(name)
}

// resolve is Resolve for names that are no aliases.
func (x *Index) resolve(name string) (Target, bool) {
	if t, ok := x.lookup(name); ok {
		if t.Provider.Dialect == dialectOllama {
			t.Upstream = spelled(t, name)
		}
		return t, true
	}
	// Clients of Ollama's dialect add the tag to whatever they were shown.
	if bare, ok := cutLatest(name); ok {
		return x.lookup(bare)
	}
	return Target{}, false
}

func (x *Index) lookup(name string) (Target, bool) {
	if t, ok := x.names[name]; ok {
		return t, true
	}
	var lower [maxFolded]byte
	if folded, ok := fold(&lower, name); ok {
		t, ok := x.folded[string(folded)] // which makes no string
		return t, ok
	}
	t, ok := x.folded[strings.ToLower(name)]
	return t, ok
}

// maxFolded is the length up to which names are folded without an allocation.
const maxFolded = 128

// fold writes a name in lower case, if it is short and of ASCII.
func fold(lower *[maxFolded]byte, name string) ([]byte, bool) {
	if len(name) > len(lower) {
		return nil, false
	}
	for i := range len(name) {
		c := name[i]
		if c >= utf8.RuneSelf {
			return nil, false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return lower[:len(name)], true
}

// spelled returns a name by which t was found, without the provider.
func spelled(t Target, name string) string {
	if isNameOf(name, t.Model.ID) {
		return name
	}
	if _, bare, _ := strings.Cut(name, "/"); isNameOf(bare, t.Model.ID) {
		return bare
	}
	return t.Model.ID // the letters are not such that an Ollama would find it
}

// isNameOf says whether an Ollama takes name for that id.
func isNameOf(name, id string) bool {
	name, _ = cutLatest(name)
	id, _ = cutLatest(id)
	return strings.EqualFold(name, id)
}

// cutLatest returns name without the tag :latest, if it has that.
func cutLatest(name string) (string, bool) {
	n := len(name) - len(latest)
	if n <= 0 || !strings.EqualFold(name[n:], latest) {
		return name, false
	}
	return name[:n], true
}

// Models returns every model once, under the name by which [Index.Resolve]
// finds just that one: the bare name where that is enough. It is sorted by
// name and must not be modified.
func (x *Index) Models() []Listed { return x.listed }

// Providers returns the providers in configured order. They must not be
// modified.
func (x *Index) Providers() []Provider { return x.snapshot.Providers }

// Revision returns the snapshot's revision, zero for a view that has none yet.
func (x *Index) Revision() uint64 { return x.snapshot.Revision }
