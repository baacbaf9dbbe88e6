package catalog

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// ownName is whose models aliases are, as lists show them.
const ownName = "allama"

// An alias is an [Alias] with what its targets are at one time.
type alias struct {
	name  string
	shown Target // as a model of ours, for lists; zero while there is no target

	// The targets that there are, in their order. The first ones, as many as
	// there are weights, share the calls.
	targets []Target
	weights []int
	total   int // of the weights
}

// route chooses a target.
func (a *alias) route(roll func(n int) int) (Route, bool) {
	if len(a.targets) == 0 {
		return Route{}, false
	}
	if len(a.weights) == 1 {
		return Route{Target: a.targets[0], Others: a.targets[1:], Alias: a.name}, true
	}
	chosen, n := 0, roll(a.total)
	for n >= a.weights[chosen] {
		n -= a.weights[chosen]
		chosen++
	}
	others := slices.Delete(slices.Clone(a.targets), chosen, chosen+1)
	return Route{Target: a.targets[chosen], Others: others, Alias: a.name}, true
}

// addAliases looks the targets of all aliases up.
func (x *Index) addAliases() {
	if x.snapshot.Rules == nil {
		return
	}
	x.aliases = make(map[string]*alias, len(x.snapshot.Rules.Aliases))
	for _, a := range x.snapshot.Rules.Aliases {
		x.aliases[foldedAlias(a.Name)] = x.open(a)
	}
}

// foldedAlias is the key of an alias.
func foldedAlias(name string) string {
	name, _ = cutLatest(name)
	return strings.ToLower(name)
}

// A candidate is a target that an alias may choose.
type candidate struct {
	Target
	weight int
	share  int  // equal for those that share calls
	listed bool // otherwise it can only be tried
}

// open looks the targets of an alias up. Those of which nobody knows whether
// they are there come last.
func (x *Index) open(configured Alias) *alias {
	var found []candidate
	share := 0
	for i, t := range configured.Targets {
		if i > 0 && (t.Weight == 0 || configured.Targets[i-1].Weight == 0) {
			share++
		}
		if target, ok := x.reach(t.Model); ok {
			found = append(found, candidate{target, max(t.Weight, 1), share, x.isThere(target)})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(rank(a.listed), rank(b.listed)) })
	a := &alias{name: configured.Name}
	for _, c := range found {
		a.targets = append(a.targets, c.Target)
		if c.share == found[0].share && c.listed == found[0].listed {
			a.weights = append(a.weights, c.weight)
			a.total += c.weight
		}
	}
	if len(found) > 0 {
		known := slices.IndexFunc(found, func(c candidate) bool { return !c.listed })
		if known <= 0 {
			known = len(found)
		}
		a.shown = describe(configured, a.targets[:known])
	}
	return a
}

func rank(listed bool) int {
	if listed {
		return 0
	}
	return 1
}

// isThere reports whether a list has the model, or could not: some vendors list
// nothing.
func (x *Index) isThere(t Target) bool {
	if listed, ok := x.names[qualified(t, t.Model.ID)]; ok && listed.Model == t.Model {
		return true
	}
	return !t.Provider.SyncedAt.IsZero() && t.Provider.Error == "" && !x.lists[t.Provider.Name]
}

// describe returns an alias as a model: what its targets have in common.
func describe(a Alias, targets []Target) Target {
	first := targets[0].Model
	m := &Model{
		Provider: ownName, ID: a.Name, Kind: first.Kind, Capabilities: slices.Clone(first.Capabilities),
		Details: Details{
			Digest: digestOf(a), Size: max(first.Size, 1),
			Format: first.Format, Family: first.Family, ParameterSize: first.ParameterSize,
			Quantization: first.Quantization, EmbeddingLength: first.EmbeddingLength,
		},
	}
	for _, t := range targets {
		m.Capabilities = slices.DeleteFunc(m.Capabilities, func(c string) bool { return !slices.Contains(t.Model.Capabilities, c) })
		m.ContextLength = least(m.ContextLength, t.Model.ContextLength)
		m.MaxOutput = least(m.MaxOutput, t.Model.MaxOutput)
		m.Created = later(m.Created, t.Model.Created)
		m.Modified = later(m.Modified, t.Model.Modified)
		m.FirstSeen = later(m.FirstSeen, t.Model.FirstSeen)
		m.Format, m.Family = same(m.Format, t.Model.Format), same(m.Family, t.Model.Family)
		m.ParameterSize = same(m.ParameterSize, t.Model.ParameterSize)
		m.Quantization = same(m.Quantization, t.Model.Quantization)
		if m.EmbeddingLength != t.Model.EmbeddingLength {
			m.EmbeddingLength = 0
		}
	}
	// Clients expect words here.
	m.Format, m.Family = cmp.Or(m.Format, "alias"), cmp.Or(m.Family, ownName)
	m.ParameterSize, m.Quantization = cmp.Or(m.ParameterSize, "unknown"), cmp.Or(m.Quantization, "unknown")
	m.Families = []string{m.Family}
	return Target{Provider: &Provider{Name: ownName}, Model: m, Upstream: a.Name}
}

// digestOf changes with what an alias stands for, and with nothing else.
func digestOf(a Alias) string {
	data, err := json.Marshal(a)
	if err != nil {
		data = []byte(a.Name) // which cannot be
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// least returns the smaller of two numbers of which zero is unknown.
func least(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// same returns a if b is the same, and nothing otherwise.
func same(a, b string) string {
	if a != b {
		return ""
	}
	return a
}
