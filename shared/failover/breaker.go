package failover

import "time"

const (
	tripAfter     = 5 // failures in a row
	firstRest     = 5 * time.Second
	maxRest       = 30 * time.Second // so long an upstream that is well again waits for its calls at the most
	trialInterval = time.Second
)

// A breaker keeps calls from a target that has failed several times in a row.
// When it has rested, one call may find out how it is; each time that fails, it
// rests for twice as long. It is a state machine without a clock. The zero
// value is closed: calls may go to the target.
type breaker struct {
	failures int       // in a row
	timeouts int       // in a row, until now
	opened   time.Time // last; zero: it is closed
	rest     time.Duration
	until    time.Time // when its rest is over
	probe    *pass     // that finds out how the target is; nil: none does
	tried    time.Time // when a call was let through although it is open
}

func (b *breaker) open() bool { return !b.opened.IsZero() }

// due says whether the next call may find out how the target is.
func (b *breaker) due(now time.Time) bool { return b.open() && b.probe == nil && !now.Before(b.until) }

// admits says whether calls may go to the target by its own state.
func (b *breaker) admits(now time.Time) bool { return !b.open() || b.due(now) }

// admit reports whether a call may go to the target. A call that is forced has
// no other: it is kept away only where it would wait for nothing, and then one
// in a while is not.
func (b *breaker) admit(p *pass, forced bool, now time.Time) bool {
	switch {
	case !b.open():
		return true
	case b.due(now):
		b.probe = p
		return true
	case !forced:
		return false
	case b.timeouts >= tripAfter && now.Sub(b.tried) < trialInterval:
		return false
	}
	b.tried = now
	return true
}

// well takes note of an attempt that has succeeded. One that began before the
// breaker opened says nothing of how the target is now.
func (b *breaker) well(p *pass) {
	if b.open() && p.began.Before(b.opened) {
		return
	}
	*b = breaker{}
}

// ill takes note of an attempt that has failed.
func (b *breaker) ill(p *pass, timeout bool, now time.Time) {
	b.failures++
	b.timeouts++
	if !timeout {
		b.timeouts = 0
	}
	if !b.open() && b.failures >= tripAfter || b.probe == p {
		b.rest = min(max(2*b.rest, firstRest), maxRest)
		b.opened, b.until = now, now.Add(b.rest)
	}
}

// leave takes note that an attempt is over, however it has ended.
func (b *breaker) leave(p *pass) {
	if b.probe == p {
		b.probe = nil
	}
}
