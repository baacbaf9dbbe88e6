package failover

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"time"
)

const (
	explore = 0.05 // how often a target is tried that is not the fastest, to learn of it
	slack   = 1.25 // by how much a target may be worse than the best for the sake of affinity
)

// A place is a target in the order in which they are tried.
type place struct {
	index  int     // of the target in its plan
	group  int     // 0: those that share calls; the others come one by one
	off    bool    // its breaker is open
	forced bool    // it is tried though its breaker is open
	since  int64   // when that opened
	worth  float64 // the least comes first
	draw   float64 // likewise, among equals
}

// order returns the targets of a plan in the order in which to try them.
func (g *Guide) order(p *Plan, now time.Time) []place {
	shares := min(max(p.Shares, 1), len(p.Targets))
	targets := p.Targets
	if p.Stay {
		targets = targets[:shares]
	}
	places := make([]place, len(targets))
	for i, t := range targets {
		b := &g.known(t).breaker
		places[i] = place{index: i, group: max(i-shares+1, 0), off: !b.admits(now), since: b.opened.UnixNano()}
	}
	if shares > 1 {
		force(places[:shares])
		g.rate(p, places[:shares])
	}
	slices.SortStableFunc(places, func(a, b place) int {
		return cmp.Or(
			compareBool(a.off && !a.forced, b.off && !b.forced),
			cmp.Compare(a.group, b.group), cmp.Compare(a.worth, b.worth), cmp.Compare(a.draw, b.draw),
		)
	})
	places[0].forced = true // there is no better one
	return places
}

// force has at most half of those that share calls left out at once: the rest
// must not break down under the calls of all. Who has rested the longest comes
// back.
func force(shared []place) {
	var off []*place
	for i := range shared {
		if shared[i].off {
			off = append(off, &shared[i])
		}
	}
	slices.SortFunc(off, func(a, b *place) int { return cmp.Compare(a.since, b.since) })
	for _, p := range off[:max(len(off)-len(shared)/2, 0)] {
		p.forced = true
	}
}

// rate says how worthy of the call those are that share calls.
func (g *Guide) rate(p *Plan, shared []place) {
	for i := range shared {
		t := p.Targets[shared[i].index]
		shared[i].draw = -math.Log(1-g.draw(p, t)) / weight(t)
	}
	grace := 0.0
	switch p.Balance {
	case LeastBusy:
		grace = g.rateByLoad(p, shared)
	case Fastest:
		for i := range shared {
			shared[i].worth = *g.known(p.Targets[shared[i].index]).pace.of(p.Stream)
		}
	}
	switch {
	case p.Affinity != "":
		level(shared, best(shared, p.Balance != Fastest)*slack+grace)
	case p.Balance == Fastest && g.random() < explore:
		level(shared, math.Inf(1))
	}
}

// rateByLoad rates by how many calls there are for the weight of a target or,
// where it is known of all how many they can run, by how many of these. It
// returns how much more than the least does no harm.
func (g *Guide) rateByLoad(p *Plan, shared []place) (grace float64) {
	limits, known := make([]float64, len(shared)), true
	for i := range shared {
		t := p.Targets[shared[i].index]
		calls, limit := g.own[t.Provider], 0
		if g.load != nil {
			running := 0
			running, limit = g.load(t.Provider)
			calls += running
		}
		limits[i], known = float64(limit), known && limit > 0
		shared[i].worth = float64(calls) / weight(t)
	}
	if !known {
		return 1
	}
	for i := range shared {
		shared[i].worth /= limits[i]
	}
	return 0.25
}

// level makes those equal that are good enough.
func level(shared []place, enough float64) {
	for i := range shared {
		if shared[i].worth <= enough {
			shared[i].worth = 0
		}
	}
}

// best is the worth of the best, for which zero may count or stand for what is
// not known. The warm cache of a target that is far from it is of no use.
func best(shared []place, zero bool) float64 {
	least := math.Inf(1)
	for _, p := range shared {
		if !p.off && (zero || p.worth > 0) {
			least = min(least, p.worth)
		}
	}
	return least
}

// draw returns a number from [0, 1) for a target: by affinity always the same,
// so that calls stay where they are when other targets come or go.
func (g *Guide) draw(p *Plan, t Target) float64 {
	if p.Affinity == "" {
		return g.random()
	}
	sum := sha256.Sum256([]byte(p.Affinity + "\x00" + t.Provider + "\x00" + t.Model))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

func weight(t Target) float64 { return float64(max(t.Weight, 1)) }

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
