package queue

import "time"

// A tempo measures at which intervals calls leave a room. Only the time in
// which some wait counts: an idle provider is not a slow one.
type tempo struct {
	busy   time.Duration // how long some have waited, up to since
	since  time.Time     // since when some wait without a break; zero: nobody does
	points [33]time.Duration
	count  int // of calls that left; the points of the last ones are kept
}

// waiting says whether any wait from now on.
func (p *tempo) waiting(some bool, now time.Time) {
	switch {
	case some && p.since.IsZero():
		p.since = now
	case !some && !p.since.IsZero():
		p.busy, p.since = p.at(now), time.Time{}
	}
}

// left says that one of those that wait was let in.
func (p *tempo) left(now time.Time) {
	p.count++
	p.points[p.count%len(p.points)] = p.at(now)
}

// at is the time on the clock that runs while some wait.
func (p *tempo) at(now time.Time) time.Duration {
	if p.since.IsZero() {
		return p.busy
	}
	return p.busy + now.Sub(p.since)
}

// interval returns the mean of the last intervals, zero where there are none
// yet. One that is already longer than that counts before it ends.
func (p *tempo) interval(now time.Time) time.Duration {
	n := min(p.count, len(p.points)-1)
	if n < 2 {
		return 0
	}
	last, first := p.points[p.count%len(p.points)], p.points[(p.count-n)%len(p.points)]
	mean := (last - first) / time.Duration(n)
	if p.at(now)-last > mean {
		mean = (p.at(now) - first) / time.Duration(n+1)
	}
	return mean
}

// A meter counts what happens in a minute.
type meter struct {
	counts [13]int // by slots of five seconds; the current one is not full yet
	slot   int64   // the current one, since 1970
}

const slotSize = 5 * time.Second

func (m *meter) add(now time.Time) {
	m.turn(now)
	m.counts[m.slot%int64(len(m.counts))]++
}

// perMinute returns how often it has happened in the last minute.
func (m *meter) perMinute(now time.Time) int { return m.lately(now, len(m.counts)-1) }

// lately returns how often it has happened in the last slots, the current one
// among them.
func (m *meter) lately(now time.Time, slots int) (n int) {
	m.turn(now)
	for i := range slots {
		n += m.counts[(m.slot-int64(i)+int64(len(m.counts)))%int64(len(m.counts))]
	}
	return n
}

// turn goes on to the slot of now.
func (m *meter) turn(now time.Time) {
	slot := now.UnixNano() / int64(slotSize)
	if slot-m.slot > int64(len(m.counts)) {
		m.slot = slot - int64(len(m.counts))
	}
	for m.slot < slot {
		m.slot++
		m.counts[m.slot%int64(len(m.counts))] = 0
	}
}
