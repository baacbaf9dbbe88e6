package queue

import (
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A Stage is how far a call has come.
type Stage string

// The stages.
const (
	Waiting Stage = "waiting" // in the room
	Queued  Stage = "queued"  // on its way to a worker
	Running Stage = "running" // with a worker

	gone Stage = "" // it has left, or was never there
)

// A ticket is a call in a room. The zero value, with a claim, is what
// [room.Enter] takes.
type ticket struct {
	Claim

	stage   Stage
	arrived time.Time
	number  uint64 // in the order of arrival
	flow    *flow
	links   [2]links
	told    int           // the position that was last said; 0: none
	refused *llm.Error    // why it had to leave its place to another
	ready   chan struct{} // closed when it waits no longer; nil: it never did
}

// tokens is the claim's cost in the shares of its key.
func (t *ticket) tokens(n int) float64 { return float64(n) / float64(max(t.Weight, 1)) }

func (t *ticket) cost() int { return min(max(t.Cost, 1), maxCost) }

// maxCost is what a call counts for at the most. Clients may claim any number,
// and beside one that is great enough, what others cost would be lost to
// rounding.
const maxCost = 1 << 24

// expired says whether the call is not worth beginning any more.
func (t *ticket) expired(now time.Time) bool { return !t.Deadline.IsZero() && !now.Before(t.Deadline) }

type links struct{ before, behind *ticket }

// The two kinds of list that a ticket can be in at once.
const (
	byKey = iota // the calls of a flow
	byAge        // those of a line, and those that were admitted
)

// A lane is a list of tickets, linked through them. Whatever is done to it
// takes the same time, whoever leaves.
type lane struct {
	first, last *ticket
	size        int
}

func (l *lane) push(t *ticket, kind int) {
	t.links[kind] = links{before: l.last}
	if l.last == nil {
		l.first = t
	} else {
		l.last.links[kind].behind = t
	}
	l.last = t
	l.size++
}

func (l *lane) remove(t *ticket, kind int) {
	at := t.links[kind]
	if at.before == nil {
		l.first = at.behind
	} else {
		at.before.links[kind].behind = at.behind
	}
	if at.behind == nil {
		l.last = at.before
	} else {
		at.behind.links[kind].before = at.before
	}
	t.links[kind] = links{}
	l.size--
}

// all yields the tickets in order.
func (l *lane) all(kind int) func(yield func(*ticket) bool) {
	return func(yield func(*ticket) bool) {
		for t := l.first; t != nil; t = t.links[kind].behind {
			if !yield(t) {
				return
			}
		}
	}
}
