package workers

// A sized provider knows how many calls at once it can make use of.
type sized interface {
	// Capacity is how many these are, of one process; 0: any number.
	Capacity() int
}

// capacityOf is that of a provider, and 0 of one that does not know.
func capacityOf(p Provider) int {
	if s, ok := p.(sized); ok {
		return s.Capacity()
	}
	return 0
}
