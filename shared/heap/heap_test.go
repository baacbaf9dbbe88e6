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
		want    int
	}{
		"collections follow one another":      {100, 10 * mb, 100 * time.Millisecond, 200},
		"and they still do":                   {200, 10 * mb, 100 * time.Millisecond, 400},
		"there is an end to it":               {400, 10 * mb, 100 * time.Millisecond, 400},
		"they are far enough apart":           {200, 10 * mb, time.Second, 200},
		"the process is quiet":                {400, 10 * mb, time.Minute, 100},
		"it would grow beyond what is enough": {200, 32 * mb, 100 * time.Millisecond, 300},
		"it does so with what is usual":       {200, 64 * mb, 100 * time.Millisecond, 100},
		"a large heap":                        {100, 10 << 30, time.Millisecond, 100},
		"nothing is alive":                    {100, 0, time.Millisecond, 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := next(tt.percent, tt.live, tt.since); got != tt.want {
				t.Errorf("next(%d, %d, %s) = %d want %d", tt.percent, tt.live, tt.since, got, tt.want)
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

func TestABusyProcessGetsMoreRoom(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	Adapt()
	for deadline := time.Now().Add(10 * time.Second); percent() == 100; {
		if time.Now().After(deadline) {
			t.Fatal("the room for garbage is what it was")
		}
		runtime.GC()
		time.Sleep(10 * time.Millisecond) // the runtime tells of a collection a little later
	}
}
