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
	"sync"
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

	// bulky is the size, in bytes, of what is allocated, on average, above which
	// more room would hold a few large bodies instead of serving many calls.
	bulky = 4 << 10
)

// Adapt sets the room anew after each collection, from now on, instead of the
// GOGC of the environment. GOMEMLIMIT is minded as ever. It is to be called once
// in a process; stop ends it and sets what is usual.
func Adapt() (stop func()) {
	debug.SetGCPercent(usual)
	a := &adapter{percent: usual, last: look()}
	a.await()
	return a.stop
}

type adapter struct {
	mu      sync.Mutex
	percent int
	last    sight // at the last collection
	stopped bool
}

func (a *adapter) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	debug.SetGCPercent(usual)
}

// await has the next collection noticed: it frees what is allocated here.
func (a *adapter) await() {
	runtime.AddCleanup(new(*adapter), (*adapter).collected, a)
}

func (a *adapter) collected() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return
	}
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
	case now.live > small:
		return nextLarge(a.percent, since)
	case since > quiet:
		return usual
	}
	percent := max(a.percent, usual)
	if since < often {
		percent *= 2
	}
	room := int(200*small/max(now.live, 1)) - 100 // up to twice what is small
	return min(percent, most, room)
}

// nextLarge is next for a heap that is large. What lies between is left as it
// is: half the room makes for twice the collections.
func nextLarge(percent int, since time.Duration) int {
	switch {
	case since < often:
		return usual
	case since > 2*often:
		return little
	default:
		return min(max(percent, little), usual)
	}
}
