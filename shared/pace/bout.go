package pace

import "time"

// A bout is the time in which an upstream refuses one call after the other. The
// zero value is that it takes calls.
type bout struct {
	on    bool
	began time.Time
	last  time.Time // the last refusal
	mark  uint64    // the last call that was sent before it
	hold  time.Time // until when none is tried again
	told  bool      // the upstream has said so
	tried bool      // since then, by this worker
	other time.Time // when another worker has tried, which tells what comes of it
	over  time.Time // when the one before was over, about
	crowd int       // refused calls that had been sent before the first refusal was heard
	count uint64    // bouts that are over
}

const (
	minHold = 100 * time.Millisecond // after a refusal, where the upstream does not say
	maxHold = 2 * time.Second        // likewise; other calls, of other models, may well be taken
	maxTold = 5 * time.Minute        // that is taken on an upstream's word
	turn    = 100 * time.Millisecond // that each worker has to try, before the next one may
	shows   = time.Second            // after which a call that is not answered is not refused any more
)

// refuse takes note of a refusal.
func (b *bout) refuse(marks uint64, after time.Duration, now time.Time) {
	if !b.on {
		b.on, b.began, b.crowd = true, now, 0
	}
	b.mark, b.last, b.tried, b.other = marks, now, false, time.Time{}
	if b.told = after > 0; b.told {
		after = min(after, maxTold)
	} else {
		after = min(max(minHold, now.Sub(b.began)/4), maxHold)
	}
	b.hold = now.Add(after)
}

// end ends the bout with a call that was sent in it, and was taken.
func (b *bout) end(sent time.Time) {
	b.on, b.over = false, sent
	b.count++
	if !b.told { // it was at some time in between
		b.over = b.last.Add(sent.Sub(b.last) / 2)
	}
	if b.over.After(b.hold) {
		b.over = b.hold
	}
}

// room is how many calls may be sent to find out whether the upstream takes some
// again: one at a time, by one worker at first. Sent is set where one was, and
// is not refused.
func (b *bout) room(open map[uint64]Mark, p Part, now time.Time) (calls float64, wait time.Duration, sent time.Time) {
	from := b.hold
	if shown := b.other.Add(shows); shown.After(from) {
		from = shown
	}
	if mine := from.Add(time.Duration(p.rank()) * turn); now.Before(mine) {
		return 0, until(mine, now), time.Time{}
	}
	var first time.Time
	for n, m := range open {
		if n > b.mark && (first.IsZero() || m.at.Before(first)) {
			first = m.at
		}
	}
	switch shown := first.Add(shows); {
	case first.IsZero():
		return 1, 0, time.Time{}
	case now.Before(shown):
		return 0, until(shown, now), time.Time{}
	}
	return 0, 0, first
}
