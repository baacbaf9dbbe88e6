package pace

import "time"

// A Part is which of the workers of a provider one is. The zero value is one
// that is alone.
type Part struct {
	Rank int // from 0
	Of   int // so many; below 1: 1
}

func (p Part) all() int  { return max(1, p.Of) }
func (p Part) rank() int { return min(max(0, p.Rank), p.all()-1) }

// of is the worker's part of n. What cannot be shared out evenly is for those of
// the lowest ranks.
func (p Part) of(n int) float64 { return float64((n + p.all() - 1 - p.rank()) / p.all()) }

// A Word is what a worker tells the others of what a credential's refusals have
// taught it.
type Word struct {
	Refused int64   `json:"refused,omitempty"` // the upstream refuses calls, and wants to be left alone for so many milliseconds; 0: it does not refuse them
	Tries   bool    `json:"tries,omitempty"`   // then: this worker finds out whether it still does
	Calls   float64 `json:"calls,omitempty"`   // then: so many has it taken of this worker
	Took    float64 `json:"took,omitempty"`    // then: within so many seconds, until now
	Crowd   int     `json:"crowd,omitempty"`   // then: so many of its calls were refused that it had sent together; a few at the most

	Number  uint64  `json:"number,omitempty"`  // of the rate, among those that this worker has inferred
	Rate    float64 `json:"rate,omitempty"`    // calls a second, of all workers; 0: none is known
	Plateau float64 `json:"plateau,omitempty"` // so many calls later it can be more
	Few     bool    `json:"few,omitempty"`     // calls have led to it
}

// An other is what is known of another worker.
type other struct {
	number  uint64
	refused bool
}

// Word returns what the other workers have to be told; ok is false where there
// is nothing new.
func (l *Learnt) Word(now time.Time) (w Word, ok bool) {
	if l.part.all() == 1 {
		return w, false
	}
	b, t := &l.hunch.bout, &l.hunch.trend
	if t.rate > 0 {
		w = Word{Number: t.number, Rate: t.rate, Plateau: t.plateau, Few: t.few}
	}
	if b.on {
		w.Refused = max(1, b.hold.Sub(now).Milliseconds())
		w.Tries = b.tried
		w.Calls, w.Took = l.hunch.taken.calls, now.Sub(l.hunch.taken.since).Seconds()
		w.Crowd = min(b.crowd, crowded)
	}
	before, over := l.said, b.count > l.over
	l.said, l.over = w, b.count
	return w, w.Number != before.Number || over || b.on && (before.Refused == 0 || w.Tries != before.Tries || w.Calls != before.Calls || w.Crowd != before.Crowd)
}

// Told takes the word of another worker.
func (l *Learnt) Told(from string, w Word, now time.Time) {
	before, known := l.others[from]
	if l.others == nil {
		l.others = map[string]other{}
	}
	l.others[from] = other{w.Number, w.Refused > 0}
	h := &l.hunch
	if w.Refused > 0 {
		if !h.bout.on && !before.refused && w.Crowd > 0 { // otherwise it knows from others
			h.begin(l.marks, time.Duration(min(w.Refused, maxTold.Milliseconds()))*time.Millisecond, now)
		}
		if w.Tries {
			h.bout.other = now
		}
		if h.others == nil {
			h.others = map[string]account{}
		}
		h.others[from] = account{crowd: min(max(0, w.Crowd), crowded), tally: tally{calls: max(0, w.Calls), since: now.Add(-time.Duration(min(max(0, w.Took), maxWait.Seconds()) * float64(time.Second)))}}
	}
	if w.Refused == 0 && known {
		h.cease(now)
	}
	isNew := known && w.Number != before.number || !known && h.trend.rate == 0
	if w.Rate > 0 && isNew {
		h.adopt(trend{rate: w.Rate, plateau: min(max(w.Plateau, minPlateau), maxPlateau), few: w.Few}, l.part, now)
	}
}
