package failover

import "time"

// newest is what the last answer counts in a pace.
const newest = 0.3

// A pace is how soon the answers of a target begin, in seconds, the later ones
// counting more; zero: not known. Streamed and whole answers are told apart,
// for a whole one begins with its end.
type pace [2]float64

func (p *pace) of(stream bool) *float64 {
	if stream {
		return &p[1]
	}
	return &p[0]
}

func (p *pace) add(stream bool, d time.Duration) {
	mean := p.of(stream)
	if *mean == 0 {
		*mean = d.Seconds()
		return
	}
	*mean += newest * (d.Seconds() - *mean)
}
