package main

import (
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/offbeat-studio/allama/shared/catalog"
)

const (
	maxWeight    = 1_000_000
	maxAliasName = 128 // bytes
)

// document reads the whole file.
func (r *ruleReader) document(n *yaml.Node) {
	r.each(n, "", func(key namedNode, value *yaml.Node) {
		switch key.Value {
		case "aliases":
			r.each(value, key.Value, r.alias)
		case "disabled":
			r.rules.Disabled = r.patterns(value, key.Value)
		case "providers":
			r.each(value, key.Value, r.provider)
		default:
			r.unknown(key, "aliases", "disabled", "providers")
		}
	})
}

// alias reads one alias.
func (r *ruleReader) alias(key namedNode, value *yaml.Node) {
	r.checkAliasName(key)
	a := catalog.Alias{Name: key.Value}
	if hasWay(value) {
		value = r.way(key, value, &a.Way)
	}
	items := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode && r.plain(value, key.where) {
		items = value.Content
	}
	if len(items) == 0 || isNull(value) {
		r.problem(key.Node, key.where, "has no target: name the model, or a list of models, that it stands for")
		return
	}
	seen := map[string]bool{}
	for _, item := range items {
		t, ok := r.target(item, key.where)
		switch {
		case !ok:
			continue
		case seen[t.Model]:
			r.problem(item, key.where, "%s is there twice", t.Model)
			continue
		}
		seen[t.Model] = true
		a.Targets = append(a.Targets, t)
	}
	r.rules.Aliases = append(r.rules.Aliases, a)
}

// checkAliasName finds names that clients could not call, or not tell apart.
func (r *ruleReader) checkAliasName(key namedNode) {
	folded := foldedName(key.Value)
	first, taken := r.aliases[folded]
	switch {
	case key.Value == "" || len(key.Value) > maxAliasName:
		r.problem(key.Node, key.where, "a name has from 1 to %d bytes", maxAliasName)
	case strings.ContainsFunc(key.Value, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }):
		r.problem(key.Node, key.where, "a name has no spaces")
	case taken:
		r.problem(key.Node, key.where, "is the same as %s in line %d: neither the case nor :latest makes a difference", first.Value, first.Line)
	default:
		r.aliases[folded] = key.Node
	}
}

// foldedName is equal for names of one alias.
func foldedName(name string) string {
	return strings.TrimSuffix(strings.ToLower(name), ":latest")
}

// target reads one target of an alias: the name of a model, or that with its
// weight.
func (r *ruleReader) target(n *yaml.Node, where string) (t catalog.AliasTarget, ok bool) {
	if n.Kind != yaml.MappingNode {
		if t.Model, ok = r.text(n, where); ok {
			r.targets = append(r.targets, namedNode{n, where})
		}
		return t, ok
	}
	before := len(r.problems)
	r.each(n, where, func(key namedNode, value *yaml.Node) {
		switch key.Value {
		case "model":
			if t.Model, ok = r.text(value, key.where); ok {
				r.targets = append(r.targets, namedNode{value, where})
			}
		case "weight":
			t.Weight = r.weight(value, key.where)
		default:
			r.unknown(key, "model", "weight")
		}
	})
	if !ok && len(r.problems) == before {
		r.problem(n, where, "a target needs a model")
	}
	return t, ok
}

func (r *ruleReader) weight(n *yaml.Node, where string) int {
	w, err := strconv.Atoi(n.Value)
	if !r.plain(n, where) || n.Kind != yaml.ScalarNode || err != nil || w < 1 || w > maxWeight {
		r.problem(n, where, "must be a whole number from 1 to %d", maxWeight)
		return 1
	}
	return w
}

// checkTargets finds targets that cannot be, when all aliases are known.
func (r *ruleReader) checkTargets() {
	for _, t := range r.targets {
		alias, isAlias := r.aliases[foldedName(t.Value)]
		provider, model, qualified := strings.Cut(t.Value, "/")
		active, known := r.providers[provider]
		switch {
		case isAlias && t.where == "aliases."+alias.Value:
			r.problem(t.Node, t.where, "stands for itself; write the model as provider/model")
		case isAlias:
			r.problem(t.Node, t.where, "%s is an alias, too (line %d): name its models instead", t.Value, alias.Line)
		case t.Value == "" || qualified && model == "":
			r.problem(t.Node, t.where, "%q is not the name of a model", t.Value)
		case qualified && !known:
			r.warn(t.Node, t.where, "%s: no provider %s is configured%s", t.Value, provider, r.meant(provider))
		case qualified && !active:
			r.warn(t.Node, t.where, "the provider of %s is not active here", t.Value)
		}
	}
}

func (r *ruleReader) meant(provider string) string {
	if near := nearest(provider, r.knownProviders()); near != "" {
		return "; did you mean " + near + "?"
	}
	return "; this is fine if it is defined at run time"
}

// provider reads what is said of one provider.
func (r *ruleReader) provider(key namedNode, value *yaml.Node) {
	if _, known := r.providers[key.Value]; !known {
		r.warn(key.Node, key.where, "no such provider is configured%s", r.meant(key.Value))
	}
	var f catalog.Filter
	r.each(value, key.where, func(k namedNode, list *yaml.Node) {
		switch k.Value {
		case "allow":
			before := len(r.problems)
			if f.Allow = r.patterns(list, k.where); len(f.Allow) == 0 && len(r.problems) == before {
				r.problem(k.Node, k.where, `is empty: leave it out to allow all models, or deny: "*"`)
			}
		case "deny":
			f.Deny = r.patterns(list, k.where)
		default:
			r.unknown(k, "allow", "deny")
		}
		r.warnOfPrefix(key.Value, k, list)
	})
	if r.rules.Providers == nil {
		r.rules.Providers = map[string]catalog.Filter{}
	}
	r.rules.Providers[key.Value] = f
}

// warnOfPrefix warns of patterns with the provider in front: below its name
// they are of what comes after it.
func (r *ruleReader) warnOfPrefix(provider string, key namedNode, list *yaml.Node) {
	for _, n := range append([]*yaml.Node{list}, list.Content...) {
		if n.Kind == yaml.ScalarNode && strings.HasPrefix(n.Value, provider+"/") {
			r.warn(n, key.where, "%s begins with the provider, which is not part of its models' names", n.Value)
		}
	}
}

// patterns reads a list of patterns.
func (r *ruleReader) patterns(n *yaml.Node, where string) []string {
	if n.Kind == yaml.SequenceNode && !r.plain(n, where) {
		return nil
	}
	var list []string
	for _, item := range r.texts(n, where) {
		if err := catalog.CheckPattern(item.Value); err != nil {
			r.problem(item.Node, where, "the pattern %q %v", item.Value, err)
			continue
		}
		list = append(list, item.Value)
	}
	return list
}
