package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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
		"collections follow one another":              {100, 10 * mb, 100 * time.Millisecond, 100, 200},
		"and they still do":                           {200, 10 * mb, 100 * time.Millisecond, 100, 400},
		"there is an end to it":                       {400, 10 * mb, 100 * time.Millisecond, 100, 400},
		"they are far enough apart":                   {200, 10 * mb, time.Second, 100, 200},
		"the process is quiet":                        {400, 10 * mb, time.Minute, 100, 100},
		"nothing is alive":                            {100, 0, time.Millisecond, 100, 200},
		"it would grow beyond what is small":          {200, 32 * mb, 100 * time.Millisecond, 100, 300},
		"it does so with what is usual":               {200, 64 * mb, 100 * time.Millisecond, 100, 100},
		"a large heap":                                {100, 65 * mb, time.Second, 100, 50},
		"a large heap that is collected often":        {50, 10 << 30, time.Millisecond, 100, 100},
		"a large heap that is collected now and then": {100, 65 * mb, 400 * time.Millisecond, 100, 100},
		"a large heap with little room":               {50, 65 * mb, 400 * time.Millisecond, 100, 50},
		"a heap that has become large":                {400, 65 * mb, 400 * time.Millisecond, 100, 100},
		"a heap that was large":                       {50, 10 * mb, time.Second, 100, 100},
		"large bodies":                                {400, 10 * mb, time.Millisecond, 5000, 100},
		"many large bodies":                           {50, 100 * mb, time.Second, 5000, 100},
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
func percent() uint64 {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

var sink []byte

// collect has garbage made and collected until done, or for too long.
func collect(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("the room for garbage is %d%%", percent())
		}
		for range 1000 {
			sink = make([]byte, 100)
		}
		runtime.GC()
		time.Sleep(10 * time.Millisecond) // the runtime tells of a collection a little later
	}
}

func TestABusyProcessGetsMoreRoom(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	stop := Adapt()
	collect(t, func() bool { return percent() > usual })
	stop()
	rounds := 0
	collect(t, func() bool { rounds++; return rounds == 10 })
	if got := percent(); got != usual {
		t.Errorf("the room for garbage is %d%% after the end, want %d%%", got, usual)
	}
}
