package upstream

import "time"

// A Pool says how calls are shared out among the hosts of a provider that has
// more than one, and how models take turns on each. The zero value of each field
// stands for the kind's default.
type Pool struct {
	Parallel    int           // calls at once of one host
	MaxLoaded   int           // models that a host has room for
	SwitchAfter time.Duration // the longest wait of a call for another model to make room
	PerModel    int           // calls at once of one model, over all hosts of this process; 0: no limit
	Context     int           // tokens that contexts of models are made for where clients do not say; 0: the upstream's default
	Fixed       bool          // Context counts whatever clients say
	Concurrency int           // calls at once that the provider may have at all; 0: not said
}
