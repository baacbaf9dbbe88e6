package bus

import (
	"testing"
	"testing/synctest"
	"time"
)

// Whoever gets a timer that has fired before does not hear of that.
func TestTimersAreFreshWhenTheyAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ts timers
		for range 100 { // a pool forgets at will
			timer := ts.start(time.Millisecond)
			time.Sleep(2 * time.Millisecond)
			ts.stop(timer)
			began := time.Now()
			timer = ts.start(time.Second)
			<-timer.C
			if waited := time.Since(began); waited != time.Second {
				t.Fatalf("fired after %s, want 1s", waited)
			}
			ts.stop(timer)
		}
	})
}
