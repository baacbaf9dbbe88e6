package failover

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// probeOf calls a chain whose first target is broken, and returns the call if
// it went there.
func probeOf(t *testing.T, g *Guide) *Call {
	t.Helper()
	c, err := g.Call(chain(2))
	if err != nil {
		t.Fatal(err)
	}
	if c.Target() == 0 {
		return c
	}
	c.Close()
	return nil
}

func TestABrokenTargetIsProbedByOneCallAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuide(Options{})
		breakTarget(g, chain(2).Targets[0], llm.CodeUpstream)
		rests := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, 30 * time.Second}
		for _, rest := range rests {
			time.Sleep(rest - 1)
			if probeOf(t, g) != nil {
				t.Fatalf("a call came before the target had rested for %v", rest)
			}
			time.Sleep(1)
			probe := probeOf(t, g)
			if probe == nil {
				t.Fatalf("no call came after a rest of %v", rest)
			}
			if probeOf(t, g) != nil {
				t.Fatal("a second call came while the first was not answered")
			}
			probe.Failed(failed(llm.CodeUpstream))
			probe.Close()
		}
		time.Sleep(maxRest)
		probe := probeOf(t, g)
		probe.Answers(time.Second)
		if other := probeOf(t, g); other == nil {
			t.Error("no call came to a target that is well again, and still answers")
		}
		probe.Close()
	})
}

func TestATargetThatIsOutOfOrderForADayStillRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuide(Options{})
		breakTarget(g, chain(2).Targets[0], llm.CodeUpstream)
		for i := range 200 {
			time.Sleep(maxRest)
			probe := probeOf(t, g)
			if probe == nil {
				t.Fatalf("no probe %d after the longest rest", i)
			}
			probe.Failed(failed(llm.CodeUpstream))
			probe.Close()
			if probe := probeOf(t, g); probe != nil {
				t.Fatalf("the target does not rest after probe %d", i)
			}
		}
	})
}

// TestAProbeThatComesToNothingLeavesItsPlace is about the ways in which a probe
// can end without saying how the target is.
func TestAProbeThatComesToNothingLeavesItsPlace(t *testing.T) {
	ends := map[string]func(c *Call){
		"the client leaves":     func(c *Call) { c.Failed(Failure{Err: &llm.Error{Code: llm.CodeCanceled}, Own: true}) },
		"there is no worker":    func(c *Call) { c.Failed(Failure{Err: &llm.Error{Code: llm.CodeOverloaded}, Own: true}) },
		"the request was wrong": func(c *Call) { c.Failed(failed(llm.CodeInvalid)) },
		"too many calls":        func(c *Call) { c.Failed(failed(llm.CodeRateLimited)) },
		"nothing is said":       func(*Call) {},
		"a panic": func(c *Call) {
			defer func() { _ = recover() }()
			defer c.Close()
			panic("no")
		},
	}
	for name, end := range ends {
		synctest.Test(t, func(t *testing.T) {
			g := NewGuide(Options{})
			breakTarget(g, chain(2).Targets[0], llm.CodeUpstream)
			time.Sleep(firstRest)
			for i := range 1000 {
				probe := probeOf(t, g)
				if probe == nil {
					t.Fatalf("%s: no probe after %d of them", name, i)
				}
				end(probe)
				probe.Close()
			}
		})
	}
}

func TestOnlyATargetsOwnFailuresBreakIt(t *testing.T) {
	firm := &llm.Error{Code: llm.CodeUnreachable, Firm: true}
	host := &llm.Error{Code: llm.CodeUnreachable, Again: true}
	for _, f := range []Failure{
		failed(llm.CodeInvalid), failed(llm.CodeRateLimited), failed(llm.CodeUpstreamAuth), failed(llm.CodeCanceled),
		failed(llm.CodeContentFilter), failed(llm.CodeModelNotFound), {Err: firm, Leases: 1}, {Err: host, Leases: 1},
		{Err: &llm.Error{Code: llm.CodeOverloaded}, Own: true}, {Err: &llm.Error{Code: llm.CodeTimeout}, Own: true},
	} {
		g, p := NewGuide(Options{}), chain(2)
		for range 20 {
			course(t, g, Plan{Targets: p.Targets[:1], Once: true}, f)
		}
		if first(t, g, p) != 0 {
			t.Errorf("%+v broke the target", f)
		}
	}
}

func TestASuccessBetweenKeepsATargetWhole(t *testing.T) {
	g, p := NewGuide(Options{}), chain(2)
	for range 10 {
		for range tripAfter - 1 {
			course(t, g, Plan{Targets: p.Targets[:1], Once: true}, failed(llm.CodeUpstream))
		}
		c, err := g.Call(p)
		if err != nil || c.Target() != 0 {
			t.Fatal("the target is out of order")
		}
		c.Answers(0)
		c.Close()
	}
}

// TestTheOnlyTargetGetsItsCalls is about one that has no other beside it: it is
// asked whenever that costs no time, and otherwise once in a second.
func TestTheOnlyTargetGetsItsCalls(t *testing.T) {
	for code, want := range map[llm.Code]int{llm.CodeUpstream: 100, llm.CodeUnreachable: 100, llm.CodeTimeout: 10} {
		synctest.Test(t, func(t *testing.T) {
			g, got := NewGuide(Options{}), 0
			breakTarget(g, chain(1).Targets[0], code)
			for range 100 { // over ten seconds
				c, err := g.Call(chain(1))
				if err == nil {
					got++
					if c.Failed(failed(code)).Go {
						t.Errorf("%s: a call was repeated while the target is out of order", code)
					}
					c.Close()
				} else if e := llm.AsError(err); e.Code != llm.CodeOverloaded || e.RetryAfter != time.Second {
					t.Errorf("%s: refused by %+v", code, e)
				}
				time.Sleep(100 * time.Millisecond)
			}
			if got < want || got > want+1 {
				t.Errorf("%s: %d of 100 calls came through, want %d", code, got, want)
			}
			time.Sleep(time.Second)
			c, err := g.Call(chain(1))
			if err != nil {
				t.Fatal(err)
			}
			c.Answers(0)
			c.Close()
			for range 10 {
				first(t, g, chain(1))
			}
		})
	}
}

func TestNamesThatClientsMakeUpAreForgotten(t *testing.T) {
	g := NewGuide(Options{})
	for i := range 3 * maxStates {
		course(t, g, Plan{Targets: []Target{{Provider: "p", Model: fmt.Sprint(i)}}, Once: true}, failed(llm.CodeModelNotFound))
	}
	if n := len(g.states); n > maxStates {
		t.Errorf("%d targets are remembered, want at most %d", n, maxStates)
	}
	if len(g.own) != 0 {
		t.Errorf("calls that have ended still count: %v", g.own)
	}
}

func TestAGuideIsForManyCallsAtOnce(t *testing.T) {
	g := NewGuide(Options{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 500 {
				c, err := g.Call(shared(3, []Balance{Weights, LeastBusy, Fastest}[n%3]))
				if err != nil {
					continue
				}
				if (n+i)%3 == 0 {
					c.Failed(failed(llm.CodeUpstream))
				}
				c.Answers(time.Second)
				c.Close()
			}
		})
	}
	all.Wait()
	for k, s := range g.states {
		if s.passes != 0 {
			t.Errorf("%v: %d attempts go on for ever", k, s.passes)
		}
	}
}
