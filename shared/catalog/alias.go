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
	route Route  // of its calls; without a target where there is none
	shown Target // as a model of ours, for lists; zero while there is no target
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
	weighs bool // the weight is its own
	share  int  // equal for those that share calls by their weights
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
			found = append(found, candidate{target, max(t.Weight, 1), t.Weight > 0, share, x.isThere(target)})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(rank(a.listed), rank(b.listed)) })
	a := &alias{route: Route{Alias: configured.Name, Way: configured.Way}}
	targets := make([]Target, 0, len(found))
	for _, c := range found {
		targets = append(targets, c.Target)
		if shares(configured.Way, c, found[0]) {
			a.route.Weights = append(a.route.Weights, c.weight)
		}
	}
	if len(found) > 0 {
		known := slices.IndexFunc(found, func(c candidate) bool { return !c.listed })
		if known <= 0 {
			known = len(found)
		}
		a.route.Target, a.route.Others = targets[0], targets[1:]
		a.shown = describe(configured, targets[:known])
	}
	return a
}

// shares reports whether a candidate shares calls with the first one.
func shares(w Way, c, first candidate) bool {
	if c.listed != first.listed || w.Balance == InOrder {
		return false
	}
	return c.share == first.share || w.Balance != "" && !first.weighs
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
