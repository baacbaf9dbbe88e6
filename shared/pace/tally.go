package pace

import "time"

// A tally is of the calls that an upstream has taken of a worker lately. The
// zero value has none.
type tally struct {
	calls       float64
	since, last time.Time // zero: none was sent
	half        float64   // calls until halved
	halved      time.Time // zero: not yet
}

const (
	lately = 2 * time.Minute // this long ago, or twice that
	idle   = 5 * time.Second // without calls, after which they are counted anew
)

// add counts a call of one of share workers. After a while in which there were
// none, though there could have been, it begins anew.
func (t *tally) add(could bool, share int, now time.Time) {
	pause := now.Sub(t.last)
	if t.since.IsZero() || could && pause > idle*time.Duration(share) && pause > t.last.Sub(t.since)/2 {
		*t = tally{since: now}
	}
	if half := now.Sub(t.since); t.halved.IsZero() && half > lately || !t.halved.IsZero() && now.Sub(t.halved) > lately {
		if !t.halved.IsZero() {
			t.calls, t.since = t.calls-t.half, t.halved
		}
		t.half, t.halved = t.calls, now
	}
	t.calls++
	t.last = now
}

// take takes n calls out.
func (t *tally) take(n float64) { t.calls = max(0, t.calls-n) }

// rate is how many calls were taken a second until a time.
func (t tally) rate(until time.Time) float64 {
	return t.calls / max(until.Sub(t.since), sameTime).Seconds()
}
