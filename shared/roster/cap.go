package roster

import (
	"cmp"
	"reflect"
)

// Cap returns how many calls of a provider may run at once, of one that the
// configuration defines and says configured of.
func (r Roster) Cap(provider string, configured int) int {
	return cmp.Or(r.Caps[provider], configured)
}

// WithCap returns the next roster, in which at most n calls may run at once of a
// provider that the configuration defines, whatever that says; 0: it counts
// again. The error is [Problems].
func (r Roster) WithCap(provider string, n int) (Roster, error) {
	if problems := countProblems("max_concurrency", n); len(problems) > 0 {
		return r, problems
	}
	r.Revision, r.Caps = r.Revision+1, set(r.Caps, provider, n)
	return r, nil
}

// OnlyCap reports whether a request is about nothing but how many calls may run
// at once, well said or not.
func (r Request) OnlyCap() bool {
	rest := r.Set
	rest.MaxConcurrency = nil
	if !reflect.ValueOf(rest).IsZero() {
		return false
	}
	for _, p := range r.Problems {
		if p.Field != "max_concurrency" {
			return false
		}
	}
	return r.Set.MaxConcurrency != nil || len(r.Problems) > 0
}
