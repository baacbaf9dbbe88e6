package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestPositionsNeverRise has calls of all kinds come, go and overtake, and
// looks at all positions after each step.
func TestPositionsNeverRise(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	p := newProvider(t, 2, Options{Depth: 60})
	told, waits := map[*ticket]int{}, []*ticket{}
	for step := range 4000 {
		c := &ticket{Claim: Claim{
			ID: fmt.Sprint(step), Key: string(rune('a' + random.IntN(5))), Class: Class(random.IntN(3) - 1),
			Cost: 1 + random.IntN(1000), Weight: 1 + random.IntN(3), Deadline: p.now.Add(time.Duration(random.IntN(60)) * time.Second),
		}}
		if _, err := p.room.Enter(c, p.now); err == nil {
			waits = append(waits, c)
		}
		p.fill()
		p.pass(time.Duration(random.IntN(1200)) * time.Millisecond)
		if random.IntN(4) == 0 {
			p.room.Done(waits[random.IntN(len(waits))], 0, p.now)
		}
		waits = slices.DeleteFunc(waits, func(c *ticket) bool { return c.stage != Waiting })
		for _, c := range waits {
			got := p.room.Position(c, p.now)
			if before, ok := told[c]; got < 1 || ok && got > before {
				t.Fatalf("step %d: position %d after %d", step, got, before)
			}
			told[c] = got
		}
		checkCounts(t, p.room)
	}
}

// checkCounts compares what a room counts with what is in it.
func checkCounts(t *testing.T, r *room) {
	t.Helper()
	waiting, queued := 0, 0
	for i := range r.lines {
		flows := 0
		for _, f := range r.lines[i].next {
			flows += f.calls.size
		}
		if flows != r.lines[i].order.size {
			t.Fatalf("%d calls in the flows, %d in the line", flows, r.lines[i].order.size)
		}
		waiting += flows
	}
	for c := range r.admitted.all(byAge) {
		if c.stage == Queued {
			queued++
		}
	}
	if waiting != r.waiting || queued != r.queued || waiting > r.options.Depth {
		t.Fatalf("%d wait and %d are queued; the room counts %d and %d, for %d", waiting, queued, r.waiting, r.queued, r.options.Depth)
	}
}

func TestPositionsAreTheOrderInWhichCallsGo(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	p := newProvider(t, 1, Options{})
	var calls []*ticket
	for range 200 {
		calls = append(calls, p.enter(Claim{Key: string(rune('a' + random.IntN(9))), Class: Class(random.IntN(3) - 1), Cost: 1 + random.IntN(99), Weight: 1 + random.IntN(3)}))
	}
	position := map[*ticket]int{}
	for _, c := range calls {
		position[c] = p.room.Position(c, p.now)
	}
	for want := 1; p.room.waiting > 0; want++ {
		p.room.queued = 0
		if got := position[p.room.Next(p.now)]; got != want {
			t.Fatalf("the call with position %d goes as number %d", got, want)
		}
	}
}

// TestExpectedWaitIsAboutTrue has calls come as fast as they are served, to a
// provider whose calls take unequally long.
func TestExpectedWaitIsAboutTrue(t *testing.T) {
	for _, slots := range []int{1, 2, 8, 32} {
		random := rand.New(rand.NewPCG(7, uint64(slots)))
		p := newProvider(t, slots, Options{})
		p.service = func(c *ticket) (time.Duration, int) {
			return time.Duration(1000+random.IntN(4000)) * time.Millisecond, 1
		}
		for range 12 * slots {
			p.enter(Claim{})
		}
		said := map[*ticket]time.Duration{}
		for range 1500 {
			p.pass(time.Duration(random.ExpFloat64() * float64(3*time.Second) / float64(slots)))
			c := p.enter(Claim{Key: string(rune('a' + random.IntN(3)))})
			said[c] = p.room.Expect(c, p.now)
		}
		p.pass(time.Hour)
		var wrong []float64
		for c, expected := range said {
			if waited := p.waited(c); waited > 0 && expected > 0 {
				wrong = append(wrong, max(expected-waited, waited-expected).Seconds()/waited.Seconds())
			}
		}
		slices.Sort(wrong)
		if len(wrong) < 300 {
			t.Fatalf("%d slots: only %d calls have waited", slots, len(wrong))
		}
		median := wrong[len(wrong)/2]
		t.Logf("%d slots: the median error is %.0f %% of %d", slots, 100*median, len(wrong))
		if median >= 0.3 {
			t.Errorf("%d slots: the median error is %.0f %%", slots, 100*median)
		}
	}
}
