package main

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/failover"
)

// balances are the ways in which targets share calls, or don't.
var balances = []string{catalog.InOrder, string(failover.Weights), string(failover.LeastBusy), string(failover.Fastest)}

// wayKeys are those of an alias that says more than what it stands for.
var wayKeys = []string{"targets", "balance", "fallback", "retries"}

// hasWay reports whether an alias says how its calls find their way. A target
// with a weight is written alike, but for the keys.
func hasWay(n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i < len(n.Content); i += 2 {
		if slices.Contains(wayKeys, n.Content[i].Value) {
			return true
		}
	}
	return false
}

// way reads how the calls of an alias find their way, and returns its targets.
func (r *ruleReader) way(alias namedNode, n *yaml.Node, w *catalog.Way) (targets *yaml.Node) {
	targets = &yaml.Node{Kind: yaml.SequenceNode, Line: n.Line, Column: n.Column}
	r.each(n, alias.where, func(key namedNode, value *yaml.Node) {
		switch key.Value {
		case "targets":
			targets = value
		case "balance":
			w.Balance = r.choice(value, key.where, balances)
		case "fallback":
			w.Stay = r.choice(value, key.where, []string{"true", "false"}) == "false"
		case "retries":
			w.Once = r.choice(value, key.where, []string{"0", "1"}) == "0"
		default:
			r.unknown(key, wayKeys...)
		}
	})
	return targets
}

// choice reads one of a few words.
func (r *ruleReader) choice(n *yaml.Node, where string, words []string) string {
	if !r.plain(n, where) || n.Kind != yaml.ScalarNode || !slices.Contains(words, n.Value) {
		last := len(words) - 1
		r.problem(n, where, "must be %s or %s", strings.Join(words[:last], ", "), words[last])
		return words[0]
	}
	return n.Value
}
