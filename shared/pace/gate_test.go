package pace

import (
	"testing"
	"time"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// passed is how many calls begin within a time when as many come as may.
func passed(gates []*Gate, from time.Time, d time.Duration) []time.Time {
	var began []time.Time
	for now := from; now.Before(from.Add(d)); now = now.Add(10 * time.Millisecond) {
		for _, g := range gates {
			n, _ := g.Take(1000, now)
			for range n {
				g.Begin(0, now)
				began = append(began, now)
			}
		}
	}
	return began
}

func gatesOf(n int, r Rates) []*Gate {
	gates := make([]*Gate, n)
	for i := range gates {
		gates[i] = NewGate(r)
		gates[i].Share(n, start)
	}
	return gates
}

func TestNoStretchOfAWindowSeesMoreThanIsAllowed(t *testing.T) {
	for _, tt := range []struct{ workers, rpm int }{{1, 60}, {3, 60}, {1, 6}, {1, 1}, {3, 600}, {4, 10_000}} {
		began := passed(gatesOf(tt.workers, Rates{Calls: tt.rpm}), start, 10*time.Minute)
		most, end := 0, 0
		for i, at := range began {
			for end < len(began) && began[end].Sub(at) < time.Minute {
				end++
			}
			most = max(most, end-i)
		}
		if most > tt.rpm {
			t.Errorf("%d workers, %d a minute: %d calls began within a minute", tt.workers, tt.rpm, most)
		}
		if least := tt.rpm * 9; len(began) < least {
			t.Errorf("%d workers, %d a minute: %d calls in ten minutes, want %d at least", tt.workers, tt.rpm, len(began), least)
		}
	}
}

func TestWithoutRatesAllMayBegin(t *testing.T) {
	if n, wait := NewGate(Rates{}).Take(5000, start); n != 5000 || wait != 0 {
		t.Errorf("got %d after %v, want 5000 at once", n, wait)
	}
	if rate := NewGate(Rates{}).PerMinute(); rate != 0 {
		t.Errorf("per minute: got %v, want 0", rate)
	}
}

func TestWhatIsTakenCountsWhenTheCallBegins(t *testing.T) {
	g := NewGate(Rates{Calls: 60})
	if n, _ := g.Take(9, start); n != 1 {
		t.Fatalf("took %d, want the burst of 1", n)
	}
	late := start.Add(30 * time.Second)
	if n, wait := g.Take(1, late); n != 0 || wait <= 0 {
		t.Fatalf("took %d and shall wait %v while the first call has yet to come", n, wait)
	}
	g.Begin(0, late)
	if n, wait := g.Take(1, late); n != 0 || wait < 900*time.Millisecond || wait > 1100*time.Millisecond {
		t.Errorf("right after a call: %d, wait %v, want about a second", n, wait)
	}
}

func TestWhatIsReturnedCanBeTakenAgain(t *testing.T) {
	g := NewGate(Rates{Calls: 600})
	g.Return(first(g, 1))
	now := start.Add(2 * time.Second)
	if n, _ := g.Take(10, now); n != 10 {
		t.Fatalf("took %d, want 10", n)
	}
	g.Return(4)
	if n, _ := g.Take(10, now); n != 4 {
		t.Errorf("took %d, want the 4 that were returned", n)
	}
	if g.Taken() != 10 {
		t.Errorf("taken: got %d, want 10", g.Taken())
	}
}

// first takes for the first of n calls.
func first(g *Gate, n int) int {
	granted, _ := g.Take(n, start)
	return granted
}

// A worker that has just started may not be the only one, nor the first: all of
// several that start take no more than the rate of their share, once they know
// of each other.
func TestAWorkerThatStartsHasSavedUpNothing(t *testing.T) {
	taken := 0
	gates := []*Gate{NewGate(Rates{Calls: 18_000}), NewGate(Rates{Calls: 18_000}), NewGate(Rates{Calls: 18_000})}
	for _, g := range gates {
		taken += first(g, 1000)
	}
	if taken != len(gates) {
		t.Errorf("%d calls may begin at once, want one at each worker", taken)
	}
	for _, g := range gates {
		g.Share(len(gates), start.Add(10*time.Millisecond))
	}
	for _, g := range gates {
		n, _ := g.Take(1000, start.Add(time.Minute))
		taken += n
	}
	if taken != 300 {
		t.Errorf("%d calls may begin after a while, want the bursts, 300", taken)
	}
}

func TestAShareFollowsTheNumberOfWorkers(t *testing.T) {
	g := NewGate(Rates{Calls: 600})
	g.Share(3, start)
	if rate := g.PerMinute(); rate != 200 {
		t.Errorf("a third: got %v, want 200", rate)
	}
	g.Share(1, start)
	if n := len(passed([]*Gate{g}, start, time.Minute)); n < 550 || n > 600 {
		t.Errorf("alone again: %d calls in a minute, want nearly 600", n)
	}
}

func TestTokensAreHeldOnAverage(t *testing.T) {
	g := NewGate(Rates{Tokens: 60_000})
	used, now := 0, start
	for now.Before(start.Add(10 * time.Minute)) {
		n, wait := g.Take(100, now)
		for range n { // each is thought to take 300, and takes 2000
			g.Begin(300, now)
			g.End(300, 2000, now)
			used += 2000
		}
		now = now.Add(max(wait, 10*time.Millisecond))
	}
	if perMinute := used / 10; perMinute > 63_000 || perMinute < 50_000 {
		t.Errorf("%d tokens a minute, want nearly 60000", perMinute)
	}
}

func TestALargeCallPassesAndIsWaitedFor(t *testing.T) {
	g := NewGate(Rates{Tokens: 60_000})
	if n, _ := g.Take(1, start); n != 1 {
		t.Fatal("a call does not pass though nothing was used")
	}
	g.Begin(31_000, start)
	if n, wait := g.Take(1, start); n != 0 || wait < 29*time.Second || wait > 33*time.Second {
		t.Errorf("behind 31000 of 60000 tokens: %d pass, wait %v, want about half a minute", n, wait)
	}
	g.End(31_000, 0, start)
	if n, _ := g.Take(1, start); n != 1 {
		t.Error("no call passes after the large one has failed")
	}
}
