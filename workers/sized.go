package workers

import "cmp"

// A sized provider knows how many calls at once it can make use of.
type sized interface {
	// Capacity is how many these are, of one process; 0: any number.
	Capacity() int

	// Resize says how many there may be at all, over all workers; 0: any number.
	Resize(concurrency int)
}

// capacityOf is that of a provider, and 0 of one that does not know.
func capacityOf(p Provider) int {
	if s, ok := p.(sized); ok {
		return s.Capacity()
	}
	return 0
}

// concurrencyOf is how many calls of a provider this process performs at once,
// where limit are allowed over all workers, and most here; 0 stands for any
// number.
func concurrencyOf(p Provider, limit, most int) int {
	return min(cmp.Or(limit, capacityOf(p), defaultConcurrency), cmp.Or(most, defaultConcurrency))
}

// resize has the part go by another limit of calls at once, over all workers;
// 0: there is none. Calls that run go on.
func (p part) resize(limit, most int) {
	if s, ok := p.provider.(sized); ok {
		s.Resize(limit)
	}
	p.Resize(concurrencyOf(p.provider, limit, most), limit)
}
