package pace

import (
	"cmp"
	"math"
	"time"
)

// Rates are what an operator allows, over all workers.
type Rates struct {
	Calls  int           // per window; 0: no limit
	Tokens int           // per window; 0: no limit
	Window time.Duration // default: a minute
}

// A Gate lets calls pass at this worker's share of the rates. What is taken
// counts from when a call begins, so that a permission can be kept for a call
// that has yet to come.
type Gate struct {
	rates   Rates
	share   int // one of so many workers
	calls   bucket
	tokens  bucket
	taken   int     // permissions for calls that have not begun
	average float64 // tokens of a call; 0: not known
}

// newest is what the last call counts in an average.
const newest = 0.2

// NewGate returns a gate for a worker that is alone.
func NewGate(r Rates) *Gate {
	r.Window = cmp.Or(r.Window, time.Minute)
	g := &Gate{rates: r, calls: bucket{window: r.Window}, tokens: bucket{window: r.Window}}
	g.Share(1, time.Time{})
	return g
}

// Share says that the worker is one of n.
func (g *Gate) Share(n int, now time.Time) {
	g.share = max(n, 1)
	g.calls.set(float64(g.rates.Calls)/float64(g.share), now)
	g.tokens.set(float64(g.rates.Tokens)/float64(g.share), now)
}

// Take returns how many of n calls may begin; where it is none, after which
// time one may. A limit of tokens lets a call pass while there is any room: how
// many tokens it takes is not known before.
func (g *Gate) Take(n int, now time.Time) (granted int, wait time.Duration) {
	pending := float64(g.taken)
	room := min(float64(n), math.Floor(g.calls.room(now)-pending))
	if tokens := g.tokens.room(now) - pending*g.average; !math.IsInf(tokens, 1) {
		room = min(room, math.Ceil(tokens/max(g.average, 1)))
	}
	if room >= 1 {
		g.taken += int(room)
		return int(room), 0
	}
	if g.taken > 0 {
		wait = soon // what was taken may be returned; whoever waits is told then
	}
	return 0, max(wait, g.calls.wait(pending+1, now), g.tokens.wait(pending*g.average+1, now))
}

// Taken is for how many calls something was taken that have not begun.
func (g *Gate) Taken() int { return g.taken }

// Return gives back what was taken for n calls that will not begin.
func (g *Gate) Return(n int) { g.taken = max(0, g.taken-n) }

// Begin says that one of the calls for which something was taken begins, and is
// likely to need so many tokens.
func (g *Gate) Begin(tokens int, now time.Time) {
	g.Return(1)
	g.calls.spend(1, now)
	g.tokens.spend(float64(tokens), now)
	g.note(tokens)
}

// End says how many tokens a call has needed in truth.
func (g *Gate) End(estimated, used int, now time.Time) {
	g.tokens.spend(float64(used-estimated), now)
	g.note(used)
}

func (g *Gate) note(tokens int) {
	if g.average == 0 {
		g.average = float64(tokens)
	}
	g.average += newest * (float64(tokens) - g.average)
}

// PerMinute is how many calls this worker may begin in a minute; 0: any number.
func (g *Gate) PerMinute() float64 {
	rate := g.calls.perWindow
	if byTokens := g.tokens.perWindow / max(g.average, 1); byTokens > 0 && g.average > 0 && (rate == 0 || byTokens < rate) {
		rate = byTokens
	}
	return rate * time.Minute.Seconds() / g.rates.Window.Seconds()
}
