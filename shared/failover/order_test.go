package failover

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// shared are n targets that share calls.
func shared(n int, b Balance) Plan {
	p := Plan{Shares: n, Balance: b}
	for i := range n {
		p.Targets = append(p.Targets, Target{Provider: fmt.Sprint("p", i), Model: "m"})
	}
	return p
}

// first makes a call that succeeds at once, and returns where.
func first(t *testing.T, g *Guide, p Plan) int {
	t.Helper()
	c, err := g.Call(p)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.Target()
}

// count makes n calls and returns how many went to each target.
func count(t *testing.T, g *Guide, p Plan, n int) []int {
	t.Helper()
	counts := make([]int, len(p.Targets))
	for range n {
		counts[first(t, g, p)]++
	}
	return counts
}

// breakTarget has a target fail until no call goes there.
func breakTarget(g *Guide, t Target, code llm.Code) {
	for range tripAfter {
		c, err := g.Call(Plan{Targets: []Target{t}, Once: true})
		if err != nil {
			panic(err)
		}
		c.Failed(Failure{Err: &llm.Error{Code: code}, Leases: 1})
		c.Close()
	}
}

func TestAChainIsTriedInItsOrder(t *testing.T) {
	g, p := NewGuide(Options{}), shared(3, Weights)
	p.Shares = 0
	if got := count(t, g, p, 100); got[0] != 100 {
		t.Errorf("got %v, want all calls at the first", got)
	}
	breakTarget(g, p.Targets[0], llm.CodeUpstream)
	if got := count(t, g, p, 100); got[1] != 100 {
		t.Errorf("got %v, want all calls at the second while the first is out of order", got)
	}
	if p.Stay = true; first(t, g, p) != 0 {
		t.Error("a call that is to stay at the first goes elsewhere while that is out of order")
	}
	if p.Shares = 2; first(t, g, p) != 1 {
		t.Error("a call that is to stay does not go to the one that shares calls with the first")
	}
}

func TestWeightsShareCalls(t *testing.T) {
	g, p := NewGuide(Options{}), shared(3, Weights)
	p.Shares, p.Targets[0].Weight = 2, 3
	got := count(t, g, p, 4000)
	if got[0] < 2800 || got[0] > 3200 || got[2] != 0 {
		t.Errorf("got %v, want about 3000, 1000 and 0", got)
	}
}

func TestAffinityKeepsCallsTogetherByWeight(t *testing.T) {
	g, p := NewGuide(Options{}), shared(3, Weights)
	p.Targets[0].Weight = 2
	counts, homes := make([]int, 3), map[string]int{}
	for i := range 4000 {
		p.Affinity = fmt.Sprint("session", i)
		at := first(t, g, p)
		if again := first(t, g, p); again != at {
			t.Fatalf("%s went to %d, then to %d", p.Affinity, at, again)
		}
		homes[p.Affinity] = at
		counts[at]++
	}
	if counts[0] < 1850 || counts[0] > 2150 || counts[1] < 880 || counts[1] > 1120 {
		t.Errorf("got %v, want about 2000, 1000 and 1000", counts)
	}
	breakTarget(g, p.Targets[1], llm.CodeUpstream)
	for session, home := range homes {
		p.Affinity = session
		if at := first(t, g, p); at == 1 || home != 1 && at != home {
			t.Fatalf("%s of target %d went to %d when target 1 broke", session, home, at)
		}
	}
}

func TestLeastBusyTargetsGetTheCalls(t *testing.T) {
	g, p := NewGuide(Options{}), shared(3, LeastBusy)
	p.Targets[0].Weight = 2
	var open []*Call
	counts := make([]int, 3)
	for range 8 {
		c, err := g.Call(p)
		if err != nil {
			t.Fatal(err)
		}
		counts[c.Target()]++
		open = append(open, c)
	}
	if fmt.Sprint(counts) != "[4 2 2]" {
		t.Errorf("eight calls that go on: got %v, want 4, 2 and 2", counts)
	}
	p.Affinity = "x"
	for range 100 { // nobody's cache is worth to wait for
		at := first(t, g, p)
		if at != first(t, g, p) {
			t.Fatal("a session has no home among targets that are as busy")
		}
	}
	for _, c := range open {
		c.Close()
	}
}

func TestABusyHomeIsLeft(t *testing.T) {
	g, p := NewGuide(Options{}), shared(2, LeastBusy)
	p.Affinity = "x"
	home := first(t, g, p)
	for range 2 {
		c, err := g.Call(Plan{Targets: p.Targets[home : home+1]})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if at := first(t, g, p); at == home {
		t.Error("a call went to a target with two calls, want the idle one")
	}
}

func TestLoadOfTheClusterCounts(t *testing.T) {
	load := map[string][2]int{"p0": {3, 8}, "p1": {2, 2}}
	g := NewGuide(Options{Load: func(p string) (int, int) { return load[p][0], load[p][1] }})
	if at := first(t, g, shared(2, LeastBusy)); at != 0 {
		t.Error("the full provider got the call, want the one with more room")
	}
	load["p0"] = [2]int{3, 0}
	if at := first(t, g, shared(2, LeastBusy)); at != 1 {
		t.Error("the provider with more calls got the call, want the other one where limits are not known")
	}
}

func TestFastestTargetGetsTheCallsAndOthersSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := NewGuide(Options{}), shared(3, Fastest)
		g.random = rand.New(rand.NewPCG(1, 2)).Float64
		p.Stream = true
		paces := []time.Duration{3 * time.Second, time.Second, 2 * time.Second}
		counts := make([]int, 3)
		for i := range 3000 {
			switch i {
			case 1000:
				if counts[1] < 900 || counts[0] < 5 || counts[2] < 5 {
					t.Errorf("got %v, want nearly all at the fastest, and a few elsewhere", counts)
				}
				paces = []time.Duration{time.Second / 2, 4 * time.Second, 2 * time.Second}
			case 2000:
				counts = make([]int, 3)
			}
			c, err := g.Call(p)
			if err != nil {
				t.Fatal(err)
			}
			counts[c.Target()]++
			c.Answers(paces[c.Target()])
			c.Close()
		}
		if counts[0] < 900 {
			t.Errorf("got %v, want nearly all at the one that is the fastest now", counts)
		}
	})
}

func TestAtMostHalfOfThoseThatShareAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := NewGuide(Options{}), shared(4, Weights)
		for i := range 3 {
			breakTarget(g, p.Targets[i], llm.CodeUpstream)
			time.Sleep(time.Second)
		}
		got := count(t, g, p, 1000)
		if got[0] < 350 || got[1] != 0 || got[2] != 0 || got[3] < 350 {
			t.Errorf("got %v, want calls at the healthy one and the one that broke first", got)
		}
	})
}
