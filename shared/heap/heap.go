// Package heap lets the heap of a busy process grow further before its garbage
// is collected.
//
// Go collects when the heap has doubled, whatever its size. A process that
// carries many small calls keeps little and drops much: it would collect many
// times a second, and a tenth of its time would go into that. With more room
// it collects less often. A quiet process gets no more than usual, so that it
// stays small.
package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	least, most = 100, 400 // how much the heap may grow, in percent, as of GOGC

	// enough is the size, in bytes, up to which the heap may grow by more than least.
	enough = 128 << 20

	often  = 250 * time.Millisecond // sooner after another, a collection is one too many
	seldom = 5 * time.Second        // later, the process is quiet
)

// Adapt sets the room for garbage anew after each collection, from now on. It
// changes nothing where the environment has its own GOGC; GOMEMLIMIT is minded
// in any case. Once per process is enough.
func Adapt() {
	if before := debug.SetGCPercent(least); before != least {
		debug.SetGCPercent(before)
		return
	}
	a := &adapter{percent: least, last: time.Now()}
	a.await()
}

type adapter struct {
	percent int
	last    time.Time // the last collection
}

// await has the next collection noticed: it frees what is allocated here.
func (a *adapter) await() {
	runtime.AddCleanup(new(*adapter), (*adapter).collected, a)
}

func (a *adapter) collected() {
	now := time.Now()
	percent := next(a.percent, live(), now.Sub(a.last))
	if percent != a.percent {
		debug.SetGCPercent(percent)
	}
	a.percent, a.last = percent, now
	a.await()
}

// next returns the room for the time after a collection, in percent of the
// live bytes that it has left; since is the time since the one before.
func next(percent int, live uint64, since time.Duration) int {
	switch {
	case since < often:
		percent *= 2
	case since > seldom:
		percent = least
	}
	room := int(100*enough/max(live, 1)) - 100
	return max(least, min(percent, most, room))
}

// live returns how much the last collection has left, in bytes.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
