// Package queue holds the waiting rooms in which calls wait for a provider,
// and decides who is next.
//
// A room is for one provider. It lets in, towards the broker, only what the
// provider can soon run, so that the order is decided here: by class, then by
// fair share among the keys of a class, then by arrival. It is a state machine
// without a clock. A [Gate] has a room for each provider and is what servers
// use.
//
// The package neither makes calls nor knows the broker: it is told when a call
// was taken on by a worker, and when it has ended.
package queue

import (
	"cmp"
	"fmt"
	"time"
)

// A Class is how urgent a call is; a greater one goes first. The zero value is
// [Default].
type Class int8

// The classes.
const (
	Flex     Class = -1
	Default  Class = 0
	Priority Class = 1
)

// classes are all of them, the first to be served first.
var classes = [...]Class{Priority, Default, Flex}

var classNames = map[Class]string{Priority: "priority", Default: "default", Flex: "flex"}

// String returns the name that [ParseClass] reads.
func (c Class) String() string { return classNames[c] }

// ParseClass returns the class with the name; ok is false where there is none.
func ParseClass(name string) (c Class, ok bool) {
	for _, c := range classes {
		if classNames[c] == name {
			return c, true
		}
	}
	return Default, false
}

// MarshalText implements [encoding.TextMarshaler]. It fails for a class that
// there is not.
func (c Class) MarshalText() ([]byte, error) {
	if name, ok := classNames[c]; ok {
		return []byte(name), nil
	}
	return nil, fmt.Errorf("there is no class %d", c)
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *Class) UnmarshalText(name []byte) (err error) {
	var ok bool
	if *c, ok = ParseClass(string(name)); !ok {
		return fmt.Errorf("there is no class %q", name)
	}
	return nil
}

// A Claim is what a call comes with.
type Claim struct {
	ID       string    // of the request, for [Status]
	Model    string    // likewise
	Key      string    // whose call it is: keys share a class fairly; empty: nobody's in particular
	Class    Class     // how urgent
	Weight   int       // of the key's share; below 1: 1
	Cost     int       // about how many tokens it takes; below 1: 1; what is over 2^24 does not count
	Deadline time.Time // when it is not worth beginning any more; zero: never
}

// Options tune a room and a [Gate]. The zero value is ready to use.
type Options struct {
	Depth int // how many calls wait for a provider at the most; default 10,000

	// DefaultWait and FlexWait are for how long calls of a class wait behind
	// more urgent ones at the most: then their class has every second turn.
	// Default 30s and 60s.
	DefaultWait, FlexWait time.Duration

	// Cap says how many calls a provider runs at once, over the whole cluster;
	// 0: as many as there are; below 0: that is not known yet. It is asked about
	// once a second, where it knows; nil: 0.
	Cap func(provider string) int
}

func (o Options) withDefaults() Options {
	o.Depth = cmp.Or(max(o.Depth, 0), 10_000)
	o.DefaultWait = cmp.Or(o.DefaultWait, 30*time.Second)
	o.FlexWait = cmp.Or(o.FlexWait, time.Minute)
	return o
}

const (
	maxWindow     = 64 // the most calls that may be on their way to a worker at once
	unknownWindow = 4  // the same while nobody knows how many the provider runs
)

// window is how many admitted calls of a provider with the cap may be without
// a worker: enough that none is idle, and so few that what slows the workers
// makes calls wait here, in order.
func window(limit int) int {
	switch {
	case limit < 0:
		return unknownWindow
	case limit == 0:
		return maxWindow
	}
	return min(max(limit/4, 1), maxWindow)
}
