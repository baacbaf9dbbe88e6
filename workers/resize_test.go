package workers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/roster"
)

// wantLimit waits until owners know how many calls of a provider there may be at
// once, over all workers, and in this one.
func (c *crew) wantLimit(provider string, limit, capacity int) {
	c.t.Helper()
	load := c.owner.Load(provider)
	for deadline := time.Now().Add(10 * time.Second); load.Cap != limit || load.Capacity != capacity; load = c.owner.Load(provider) {
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: got a limit of %d and %d here, want %d and %d; the log:\n%s", provider, load.Cap, load.Capacity, limit, capacity, c.log)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// Another limit needs no other part: what a part has learnt is not lost.
func TestLimitsAreChangedWhileCallsRun(t *testing.T) {
	c := newCrew(t, time.Nanosecond, nil, "fixed", "late")
	late := roster.Definition{Name: "late", Kind: "demo", MaxConcurrency: 2}
	c.set(late)
	c.wantLimit("late", 2, 2)
	wait := c.call("late")
	late.MaxConcurrency = 5
	c.set(late)
	c.wantLimit("late", 5, 5)
	late.MaxConcurrency = 0
	c.set(late)
	c.wantLimit("late", 0, 20_000)
	wait()
	if n := strings.Count(c.log.String(), "defined=\"at run time\""); n != 1 {
		t.Errorf("the part was started %d times, want once; the log:\n%s", n, c.log)
	}
	late.MaxConcurrency, late.RPM = 1, 600
	c.set(late)
	c.wantLimit("late", 1, 1)
	if n := strings.Count(c.log.String(), "defined=\"at run time\""); n != 2 {
		t.Errorf("with another rate, the part was started %d times, want twice", n)
	}

	c.wantLimit("fixed", 0, 20_000)
	for _, limit := range []int{3, 1, 0} {
		r, err := c.r.WithCap("fixed", limit)
		if err != nil {
			t.Fatal(err)
		}
		c.publish(r)
		capacity := limit
		if limit == 0 {
			capacity = 20_000
		}
		c.wantLimit("fixed", limit, capacity)
	}
}
