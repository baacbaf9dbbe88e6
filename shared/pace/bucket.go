package pace

import (
	"math"
	"time"
)

const (
	// held is the part of a limit that is made use of: what leaves here evenly
	// does not arrive so.
	held = 0.97

	// bursts is which part of a window's limit may leave at once.
	bursts = 1.0 / 60
)

// A bucket holds what may be spent. It fills evenly up to a burst, and can be
// overdrawn. At first there is next to nothing in it: a worker that starts knows
// neither who else is there, nor what was spent before. The zero value has no
// limit.
type bucket struct {
	perWindow float64 // 0: no limit
	window    time.Duration
	level     float64
	at        time.Time // of level; zero: never looked at
}

// set changes the limit; what was spent stays spent.
func (b *bucket) set(perWindow float64, now time.Time) {
	if perWindow == b.perWindow {
		return
	}
	b.fill(now)
	if b.perWindow = perWindow; perWindow > 0 {
		b.level = min(b.level, b.burst())
	}
}

// burst is how full the bucket can be: one at least, or nothing would ever be
// allowed.
func (b *bucket) burst() float64 { return max(1, b.perWindow*bursts) }

// rate is what comes in a second.
func (b *bucket) rate() float64 { return held * b.perWindow / b.window.Seconds() }

func (b *bucket) fill(now time.Time) {
	if b.perWindow <= 0 {
		return
	}
	if b.at.IsZero() {
		b.level = 1
	} else if passed := now.Sub(b.at); passed > 0 {
		b.level = min(b.burst(), b.level+passed.Seconds()*b.rate())
	}
	if now.After(b.at) {
		b.at = now
	}
}

// room is what may be spent now; negative where more was spent than there was.
func (b *bucket) room(now time.Time) float64 {
	if b.perWindow <= 0 {
		return math.Inf(1)
	}
	b.fill(now)
	return b.level
}

func (b *bucket) spend(n float64, now time.Time) {
	if b.perWindow > 0 {
		b.fill(now)
		b.level = min(b.burst(), b.level-n)
	}
}

// wait is how long it takes until there is room for n.
func (b *bucket) wait(n float64, now time.Time) time.Duration {
	missing := n - b.room(now)
	if missing <= 0 {
		return 0
	}
	return min(max(soon, time.Duration(math.Ceil(missing/b.rate()*float64(time.Second)))), Ever)
}
