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
	return Roster{r.Revision + 1, r.Definitions, set(r.States, provider, s)}
}

// set returns the states with another one. It is nil where all are open.
func set(states map[string]State, provider string, s State) map[string]State {
	next := maps.Clone(states)
	switch {
	case s == Open:
		delete(next, provider)
	case next == nil:
		next = map[string]State{provider: s}
	default:
		next[provider] = s
	}
	if len(next) == 0 {
		return nil
	}
	return next
}
