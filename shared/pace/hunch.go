package pace

import (
	"math"
	"time"
)

// A hunch is what an upstream allows that says nothing of it, or not enough, and
// refuses what is more. How much that is shows from what it takes between one
// bout of refusals and the next. Calls are then spread evenly, for an upstream
// may count over any stretch of time. The zero value knows of no limit.
type hunch struct {
	bout   bout
	taken  tally              // since the last bout, or one before that after which too little was taken
	fresh  tally              // since the last bout
	others map[string]account // of the other workers
	trend  trend
	bucket bucket

	hurried bool // since that was inferred there was no room for more calls at some time
}

// An account is what another worker says that it had taken when the bout began,
// and how many of its calls were refused then.
type account struct {
	tally
	crowd int
}

// A trend is a rate, and how it is tried out whether more is allowed. The zero
// value is that there is no limit.
type trend struct {
	rate    float64 // calls a second of all workers
	plateau float64 // calls after which it is what it was when it was inferred
	few     bool    // too few were counted for that
	since   time.Time
	calls   float64 // of all workers, since then
	number  uint64  // so many were inferred by this worker
}

const (
	trusted    = 5               // as many calls say something of a rate
	doubted    = 0.8             // of a rate is left when fewer were taken before the next bout
	crowded    = 3               // as many refused calls that were sent together are no accident
	minPlateau = 20              // calls
	maxPlateau = 200             // likewise
	ripens     = 3 * time.Second // what counts as one of these calls
	dip        = 0.03            // by which a rate is less at first
	forgets    = 13              // after so many plateaus it is fifty times as much, and there is no limit
)

// send takes note of a call that is sent, and counts it as taken until it is
// refused.
func (h *hunch) send(share int, now time.Time) {
	h.taken.add(!h.bout.on, share, now)
	h.fresh.add(!h.bout.on, share, now)
	h.trend.calls += float64(share)
	h.bout.tried = h.bout.on
	if h.trend.rate > 0 {
		h.bucket.spend(1, now)
	}
}

// refuse takes note of a call that was refused. After is when to try again; 0:
// the upstream does not say. One that was sent before the last bout was over
// says nothing new.
func (h *hunch) refuse(m Mark, marks uint64, after time.Duration, now time.Time) {
	h.lose()
	if h.bout.on || !m.at.Before(h.bout.over) {
		h.begin(marks, after, now)
		if !m.at.After(h.bout.began) {
			h.bout.crowd++
		}
	}
}

// lose has a call not count that was sent.
func (h *hunch) lose() {
	h.taken.take(1)
	h.fresh.take(1)
}

// begin begins a bout, or goes on with it, with a refusal to this worker or to
// another one.
func (h *hunch) begin(marks uint64, after time.Duration, now time.Time) {
	if !h.bout.on {
		if h.others = nil; !h.trend.few && !h.fresh.since.IsZero() {
			h.taken = h.fresh
		}
	}
	if h.taken.since.IsZero() {
		h.taken = tally{since: now, last: now}
	}
	h.bout.refuse(marks, after, now)
}

// answered takes note of a call that was taken.
func (h *hunch) answered(m Mark, p Part, now time.Time) {
	if h.bout.on && m.n > h.bout.mark {
		h.end(m.at, p, now)
	}
}

// end says that a call was taken that was sent in the bout. What the rate is
// follows from what all workers have counted before it; those that have not told
// are like the others.
func (h *hunch) end(sent time.Time, p Part, now time.Time) {
	h.bout.end(sent)
	h.taken.take(1)
	calls, rate := h.taken.calls, h.taken.rate(h.bout.over)
	for _, t := range h.others {
		calls += t.calls
		rate += t.rate(h.bout.over)
	}
	scale := float64(p.all()) / float64(len(h.others)+1)
	calls, rate = calls*scale, max(rate*scale, tally{calls: 1, since: h.taken.since}.rate(h.bout.over))
	few := calls < trusted
	h.fresh = tally{calls: 1, since: h.bout.over, last: sent}
	h.taken.calls++
	if !h.isPressed() {
		return
	}
	if few {
		rate = max(rate, doubted*h.trend.rate)
	}
	h.set(trend{
		rate: rate, few: few, plateau: min(max(4*calls, minPlateau), maxPlateau), number: h.trend.number + 1,
	}, p, now)
}

// isPressed says whether calls were refused because they were many, so that the
// rate at which they were taken is what the upstream allows. A refusal among few
// calls is about one model, or of a bad moment, and a rate that nobody tried to
// go beyond is no limit: to keep to it would hold up the next burst for nothing.
func (h *hunch) isPressed() bool {
	crowd := h.bout.crowd
	for _, o := range h.others {
		crowd += o.crowd
	}
	return crowd >= crowded || h.trend.rate > 0 && h.hurried
}

// adopt takes the trend that another worker has inferred.
func (h *hunch) adopt(t trend, p Part, now time.Time) {
	h.cease(now)
	t.number = h.trend.number
	h.set(t, p, now)
}

// cease ends a bout of which another worker has found that it is over.
func (h *hunch) cease(now time.Time) {
	if h.bout.on {
		h.bout.end(now)
		h.fresh = tally{since: h.bout.over, last: now}
	}
}

// set begins with a trend. The workers are to come one after the other.
func (h *hunch) set(t trend, p Part, now time.Time) {
	t.since = now
	h.trend, h.hurried = t, false
	h.bucket = bucket{window: time.Minute, at: now, level: 1 - float64(p.rank()+1)/float64(p.all())}
	h.try(p, now)
}

// try tries out whether more is allowed: hardly any more at first, then ever
// more.
func (h *hunch) try(p Part, now time.Time) {
	t := &h.trend
	age := max(t.calls, float64(now.Sub(t.since))/float64(ripens)) / t.plateau
	if age > forgets {
		t.rate = 0
		return
	}
	rate := t.rate * (1 + dip*math.Pow(age-1, 3))
	h.bucket.set(rate*time.Minute.Seconds()/float64(p.all()), now)
}

// room is how many calls may be sent by a worker that has some open; where it is
// none, after which time that may change.
func (h *hunch) room(open map[uint64]Mark, p Part, now time.Time) (calls float64, wait time.Duration) {
	if h.bout.on {
		calls, wait, sent := h.bout.room(open, p, now)
		if sent.IsZero() {
			return calls, wait
		}
		h.end(sent, p, now)
	}
	if h.trend.rate > 0 {
		h.try(p, now)
	}
	if h.trend.rate <= 0 {
		return math.Inf(1), 0
	}
	calls = math.Floor(h.bucket.room(now))
	h.hurried = h.hurried || calls < 1
	return calls, h.bucket.wait(1, now)
}
