// Package heap fits the room for garbage to what a process does.
//
// Go collects when the heap has doubled, whatever its size. A process that
// carries many small calls keeps little and drops much: it would collect many
// times a second, and a tenth of its time would go into that. One that has many
// streams open keeps much and drops little: half of its memory would be garbage.
package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much the heap may grow until it is collected, in percent, as of GOGC.
const (
	usual  = 100
	most   = 400
	little = usual / 2
)

const (
	small = 64 << 20 // up to that, a heap that is collected often gets more room, and beyond it less, in bytes
	often = 250 * time.Millisecond
	quiet = 5 * time.Second // without a collection for so long, no heap needs more room

	// bulky is the size, in bytes, of what is allocated, on average, from which
	// on more room is none for many calls, but for a few large bodies.
	bulky = 4 << 10
)

// Adapt sets the room anew after each collection, from now on. It changes
// nothing where the environment has its own GOGC; GOMEMLIMIT is minded in any
// case. Once per process is enough.
func Adapt() {
	if before := debug.SetGCPercent(usual); before != usual {
		debug.SetGCPercent(before)
		return
	}
	a := &adapter{percent: usual, last: look()}
	a.await()
}

type adapter struct {
	percent int
	last    sight // at the last collection
}

// await has the next collection noticed: it frees what is allocated here.
func (a *adapter) await() {
	runtime.AddCleanup(new(*adapter), (*adapter).collected, a)
}

func (a *adapter) collected() {
	now := look()
	if percent := a.next(now); percent != a.percent {
		debug.SetGCPercent(percent)
		a.percent = percent
	}
	a.last = now
	a.await()
}

// A sight is what is seen of the heap after a collection.
type sight struct {
	at             time.Time
	live           uint64 // bytes that were not garbage
	bytes, objects uint64 // allocated, ever
}

func look() sight {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/allocs:objects"}}
	metrics.Read(s)
	return sight{time.Now(), s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64()}
}

// next returns the room for the time after a collection.
func (a *adapter) next(now sight) int {
	since := now.at.Sub(a.last.at)
	switch {
	case now.bytes-a.last.bytes > bulky*(now.objects-a.last.objects):
		return usual
	case now.live > small && since < often:
		return usual
	case now.live > small:
		return little
	case since > quiet:
		return usual
	}
	percent := max(a.percent, usual)
	if since < often {
		percent *= 2
	}
	return min(percent, most, int(200*small/max(now.live, 1))-100)
}
