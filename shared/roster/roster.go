// Package roster knows the providers that are defined while allama runs: what a
// definition says, how its key is sealed, how the definitions travel over the
// bus, and how whoever keeps them is asked to change them. It does not store
// them, and does not know what providers are made of.
package roster

import (
	"cmp"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Definition is a provider as it was defined. Where a comment names no other
// meaning, a zero value stands for the default of the provider's kind.
type Definition struct {
	Name           string        `json:"name"`
	Kind           string        `json:"kind"`
	Host           string        `json:"host,omitempty"` // without credentials
	Key            Sealed        `json:"key,omitempty"`  // empty: there is none
	Keys           []Sealed      `json:"keys,omitempty"` // further ones, which are used by turns
	Inactive       bool          `json:"inactive,omitempty"`
	MaxConcurrency int           `json:"max_concurrency,omitempty"` // calls at once, over all workers
	RPM            int           `json:"rpm,omitempty"`             // calls in a minute, over all workers
	TPM            int           `json:"tpm,omitempty"`             // tokens in a minute, likewise
	Timeout        time.Duration `json:"timeout,omitempty"`         // longest silence of the upstream, in nanoseconds
	Strict         bool          `json:"strict,omitempty"`          // calls are rather refused than sent with less in them
	Beta           *bool         `json:"beta,omitempty"`            // whether beta headers of clients are sent on; nil: the kind's default
	Pool           Pool          `json:"pool,omitzero"`
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// ValidName reports whether a provider can have the name, wherever it is
// defined.
func ValidName(name string) bool { return validName.MatchString(name) }

// KeyCount is how many keys a definition has.
func (d Definition) KeyCount() int {
	if len(d.Key) == 0 {
		return 0
	}
	return 1 + len(d.Keys)
}

// Equal reports whether two definitions say the same.
func (d Definition) Equal(o Definition) bool {
	return reflect.DeepEqual(d, o)
}

// A Roster is all definitions at one time, sorted by name, and what was said
// while allama runs of providers that are defined elsewhere. The zero value is
// that of a deployment in which nothing was ever said.
type Roster struct {
	Revision    uint64       `json:"revision"` // grows with every change
	Definitions []Definition `json:"definitions"`

	// States are those of all providers that are not open, also of such as are
	// defined elsewhere; nil where there are none. See [Roster.State].
	States map[string]State `json:"states,omitempty"`

	// Caps are how many calls may run at once of providers that the configuration
	// defines, where that is not what it says; nil where there are none. See
	// [Roster.Cap].
	Caps map[string]int `json:"caps,omitempty"`
}

// With returns the next roster, in which d stands in place of the definition of
// its name, or is new.
func (r Roster) With(d Definition) Roster {
	list := slices.Clone(r.Definitions)
	i, ok := r.index(d.Name)
	if ok {
		list[i] = d
	} else {
		list = slices.Insert(list, i, d)
	}
	r.Revision, r.Definitions = r.Revision+1, list
	return r
}

// Without returns the next roster, in which nothing is said of the name.
func (r Roster) Without(name string) Roster {
	list := slices.DeleteFunc(slices.Clone(r.Definitions), func(d Definition) bool { return d.Name == name })
	r.Revision, r.Definitions = r.Revision+1, list
	r.States, r.Caps = set(r.States, name, ""), set(r.Caps, name, 0)
	return r
}

// Active returns the definitions that are in use.
func (r Roster) Active() []Definition {
	return slices.DeleteFunc(slices.Clone(r.Definitions), func(d Definition) bool { return d.Inactive })
}

func (r Roster) index(name string) (int, bool) {
	return slices.BinarySearchFunc(r.Definitions, name, func(d Definition, name string) int { return cmp.Compare(d.Name, name) })
}

// sorted returns r as its methods expect it, whoever has written it.
func (r Roster) sorted() Roster {
	slices.SortFunc(r.Definitions, func(a, b Definition) int { return strings.Compare(a.Name, b.Name) })
	return r
}
