package queue

import "time"

// arrivals are those of the calls of a line.
type arrivals struct {
	minute meter
	last   [32]time.Time
	count  int
}

func (a *arrivals) add(now time.Time) {
	a.minute.add(now)
	a.last[a.count%len(a.last)] = now
	a.count++
}

// rate is how many calls come in a second, by what came in the last minute, or by
// the last few where those took longer. What was a burst and has ended does not
// count.
func (a *arrivals) rate(now time.Time) float64 {
	known := min(a.count, len(a.last))
	if known == 0 {
		return 0
	}
	span := now.Sub(a.last[(a.count-known)%len(a.last)])
	if known < len(a.last) || span > time.Minute {
		return float64(known) / max(span, slotSize).Seconds()
	}
	const few = 3
	begun := time.Duration(now.UnixNano() % int64(slotSize)) // of the current slot
	lately := float64(a.minute.lately(now, few)) / ((few-1)*slotSize + begun).Seconds()
	return min(lately, float64(a.minute.perMinute(now))/(time.Minute-slotSize+begun).Seconds())
}
