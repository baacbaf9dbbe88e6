package heap

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	const mb = 1 << 20
	tests := map[string]struct {
		percent int
		live    uint64
		since   time.Duration
		size    uint64
		want    int
	}{
		"collections follow one another":       {100, 10 * mb, 100 * time.Millisecond, 100, 200},
		"and they still do":                    {200, 10 * mb, 100 * time.Millisecond, 100, 400},
		"there is an end to it":                {400, 10 * mb, 100 * time.Millisecond, 100, 400},
		"they are far enough apart":            {200, 10 * mb, time.Second, 100, 200},
		"the process is quiet":                 {400, 10 * mb, time.Minute, 100, 100},
		"nothing is alive":                     {100, 0, time.Millisecond, 100, 200},
		"it would grow beyond what is small":   {200, 32 * mb, 100 * time.Millisecond, 100, 300},
		"it does so with what is usual":        {200, 64 * mb, 100 * time.Millisecond, 100, 100},
		"a large heap":                         {100, 65 * mb, time.Second, 100, 50},
		"a large heap that is collected often": {50, 10 << 30, time.Millisecond, 100, 100},
		"a heap that was large":                {50, 10 * mb, time.Second, 100, 100},
		"large bodies":                         {400, 10 * mb, time.Millisecond, 5000, 100},
		"many large bodies":                    {50, 100 * mb, time.Second, 5000, 100},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := &adapter{percent: tt.percent, last: sight{at: time.Now(), bytes: 7 << 30, objects: 7}}
			now := sight{at: a.last.at.Add(tt.since), live: tt.live, bytes: 7<<30 + 1000*tt.size, objects: 7 + 1000}
			if got := a.next(now); got != tt.want {
				t.Errorf("got %d want %d", got, tt.want)
			}
		})
	}
}

// percent returns how much the heap may grow now.
func percent() int {
	now := debug.SetGCPercent(-1)
	debug.SetGCPercent(now)
	return now
}

func TestWhatTheOperatorHasSetStays(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	Adapt()
	for range 5 {
		runtime.GC()
	}
	if got := percent(); got != 50 {
		t.Errorf("GOGC is %d want 50", got)
	}
}

var sink []byte

func TestABusyProcessGetsMoreRoom(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	Adapt()
	for deadline := time.Now().Add(10 * time.Second); percent() == 100; {
		if time.Now().After(deadline) {
			t.Fatal("the room for garbage is what it was")
		}
		for range 1000 {
			sink = make([]byte, 100)
		}
		runtime.GC()
		time.Sleep(10 * time.Millisecond) // the runtime tells of a collection a little later
	}
}
