package roster

import "maps"

// A State says what becomes of the calls for a provider, wherever it is
// defined.
type State string

// The states.
const (
	Open     State = "open"     // they are made
	Paused   State = "paused"   // they wait
	Draining State = "draining" // those that are there go on, and no new one is taken
)

// State returns the state of a provider; one that was never set is open.
func (r Roster) State(provider string) State {
	if s, ok := r.States[provider]; ok {
		return s
	}
	return Open
}

// WithState returns the next roster, in which a provider has the state.
func (r Roster) WithState(provider string, s State) Roster {
	if s == Open {
		s = "" // which is not kept
	}
	r.Revision, r.States = r.Revision+1, set(r.States, provider, s)
	return r
}

// set returns what was said of providers with another value for one of them;
// the zero value takes back what was said. It is nil where nothing is left.
func set[V comparable](said map[string]V, provider string, value V) map[string]V {
	next := maps.Clone(said)
	if next == nil {
		next = map[string]V{}
	}
	next[provider] = value
	if value == *new(V) {
		delete(next, provider)
	}
	if len(next) == 0 {
		return nil
	}
	return next
}
