package catalog

import (
	"fmt"
	"strings"
)

// Review returns what may be wrong with the rules, a sentence each, going by
// what providers list now. It is empty when all is well.
func (x *Index) Review() []string {
	if x.snapshot.Rules == nil {
		return nil
	}
	var doubts []string
	for _, a := range x.snapshot.Rules.Aliases {
		for _, t := range a.Targets {
			if doubt := x.doubt(t.Model); doubt != "" {
				doubts = append(doubts, fmt.Sprintf("aliases.%s: %s", a.Name, doubt))
			}
		}
		if hidden, ok := x.resolve(a.Name); ok {
			doubts = append(doubts, fmt.Sprintf("aliases.%s: there is a model of this name, %s, which the alias hides",
				a.Name, qualified(hidden, hidden.Model.ID)))
		}
	}
	return doubts
}

// doubt says why a target of an alias may not be there.
func (x *Index) doubt(name string) string {
	t, ok := x.reach(name)
	if ok && x.isThere(t) {
		return ""
	}
	provider, model, _ := strings.Cut(name, "/")
	for i := range x.snapshot.Providers {
		if p := &x.snapshot.Providers[i]; p.Name == provider && !x.sieve.passes(p, model) {
			return fmt.Sprintf("%s is kept from clients by other rules, and so from the alias", name)
		}
	}
	if ok {
		return fmt.Sprintf("%s is in no list; it is tried where nothing else is left", name)
	}
	return fmt.Sprintf("%s is in no list", name)
}
