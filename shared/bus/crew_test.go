package bus

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stackOf takes about as much of a stack as a job does.
func stackOf(n int) byte {
	var room [512]byte
	if n > 0 {
		room[n] = stackOf(n - 1)
	}
	return room[n/2]
}

func TestCrewDoesAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 3 * crewSize
		gate := make(chan struct{})
		var begun, done atomic.Int32
		c := newCrew(func(int) {
			begun.Add(1)
			<-gate
			done.Add(1)
		})
		for i := range many {
			c.do(i)
		}
		synctest.Wait()
		if n := begun.Load(); n != many {
			t.Errorf("%d of %d pieces of work have begun", n, many)
		}
		close(gate)
		c.wait()
		if n := done.Load(); n != many {
			t.Errorf("%d of %d pieces of work are done", n, many)
		}
		synctest.Wait()
		if n := c.resting.Load(); n != crewSize {
			t.Errorf("%d goroutines wait for more, want %d", n, crewSize)
		}
		c.close()
	})
}

func TestCrewGoesOnWithTheSameGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sum int
		c := newCrew(func(n int) { sum += n })
		for n := range 10 {
			c.do(n)
			c.wait()
			synctest.Wait()
		}
		if n := c.resting.Load(); n != 1 || sum != 45 {
			t.Errorf("%d goroutines have come to %d, want 1 and 45", n, sum)
		}
		time.Sleep(crewRest + 1)
		synctest.Wait()
		if n := c.resting.Load(); n != 0 {
			t.Errorf("%d goroutines wait, though nothing has come for long", n)
		}
		c.do(1)
		c.close()
		if n := c.resting.Load(); n != 0 || sum != 46 {
			t.Errorf("closed, %d goroutines are left, and have come to %d, want none and 46", n, sum)
		}
	})
}

// A closed crew has done what it was given.
func TestCrewClosesAfterItsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done atomic.Bool
		c := newCrew(func(d time.Duration) {
			time.Sleep(d)
			done.Store(true)
		})
		c.do(time.Hour)
		c.close()
		if !done.Load() {
			t.Error("it did not wait for its work")
		}
	})
}

func TestCrewIsDoneWithWorkThatEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(func(int) { runtime.Goexit() })
		c.do(1)
		c.wait()
		c.close()
	})
}

func BenchmarkCrew(b *testing.B) {
	work := func(done chan struct{}) {
		stackOf(20)
		done <- struct{}{}
	}
	for name, do := range map[string]func(b *testing.B) func(chan struct{}){
		"kept": func(b *testing.B) func(chan struct{}) {
			c := newCrew(work)
			b.Cleanup(c.close)
			return c.do
		},
		"new": func(*testing.B) func(chan struct{}) {
			return func(done chan struct{}) { go work(done) }
		},
	} {
		b.Run(name, func(b *testing.B) {
			do := do(b)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				done := make(chan struct{}, 1)
				for pb.Next() {
					do(done)
					<-done
				}
			})
		})
	}
}
