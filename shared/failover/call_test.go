package failover

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// chain are n targets of which one comes after the other.
func chain(n int) Plan {
	p := shared(n, Weights)
	p.Shares = 1
	return p
}

func failed(code llm.Code) Failure { return Failure{Err: &llm.Error{Code: code}, Leases: 1} }

// course plays a call all of whose attempts fail, and words it: the targets in
// their order, and ~ where there was a wait.
func course(t *testing.T, g *Guide, p Plan, failures ...Failure) string {
	t.Helper()
	c, err := g.Call(p)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	var said strings.Builder
	for i := range 10 {
		fmt.Fprint(&said, c.Target())
		step := c.Failed(failures[min(i, len(failures)-1)])
		if !step.Go {
			return said.String()
		}
		if step.Wait > 0 {
			said.WriteByte('~')
		}
		time.Sleep(step.Wait)
	}
	t.Fatalf("the call never ends: %s", said.String())
	return ""
}

func TestWhatBecomesOfACallThatFails(t *testing.T) {
	with := func(f Failure, change func(e *llm.Error)) Failure { change(f.Err); return f }
	own := func(code llm.Code, leases int) Failure {
		return Failure{Err: &llm.Error{Code: code}, Own: true, Leases: leases}
	}
	answered := failed(llm.CodeUpstream)
	answered.Answered = true
	lost := Failure{Err: &llm.Error{Code: llm.CodeUpstream}, Own: true, Leases: 2}
	for _, tt := range []struct {
		name         string
		f            Failure
		alone, chain string // the targets that are tried
	}{
		{"the upstream fails", failed(llm.CodeUpstream), "0~0", "0~01"},
		{"it cannot be reached", failed(llm.CodeUnreachable), "0~0", "0~01"},
		{"it breaks off before there is content", failed(llm.CodeInterrupted), "0~0", "0~01"},
		{"it is overloaded", failed(llm.CodeOverloaded), "0~0", "0~01"},
		{"it says until when", with(failed(llm.CodeOverloaded), func(e *llm.Error) { e.RetryAfter = time.Second }), "0~0", "012"},
		{"it is silent", failed(llm.CodeTimeout), "0~0", "012"},
		{"too many calls", failed(llm.CodeRateLimited), "0~0", "012"},
		{"too many calls for now", with(failed(llm.CodeRateLimited), func(e *llm.Error) { e.RetryAfter = 10 * time.Second }), "0~0", "012"},
		{"too many calls for long", with(failed(llm.CodeRateLimited), func(e *llm.Error) { e.RetryAfter = 11 * time.Second }), "0", "012"},
		{"too many calls with this credential", with(failed(llm.CodeRateLimited), func(e *llm.Error) { e.Again = true }), "00", "001"},
		{"too many calls with this credential for long", with(failed(llm.CodeRateLimited), func(e *llm.Error) { e.Again, e.RetryAfter = true, time.Minute }), "00", "001"},
		{"a credential is refused, there are others", with(failed(llm.CodeUpstreamAuth), func(e *llm.Error) { e.Again = true }), "00", "001"},
		{"the only credential is refused", failed(llm.CodeUpstreamAuth), "0", "012"},
		{"the account is empty", failed(llm.CodeUpstreamBill), "0", "012"},
		{"the certificate is bad", with(failed(llm.CodeUnreachable), func(e *llm.Error) { e.Firm = true }), "0", "012"},
		{"the model is gone", failed(llm.CodeModelNotFound), "0", "012"},
		{"the model cannot do it", failed(llm.CodeUnsupported), "0", "012"},
		{"the conversation is too long", failed(llm.CodeContextLength), "0", "02"},
		{"the request is wrong", failed(llm.CodeInvalid), "0", "0"},
		{"the body is too large", failed(llm.CodeTooLarge), "0", "0"},
		{"the content is refused", failed(llm.CodeContentFilter), "0", "0"},
		{"there is no such operation", failed(llm.CodeNotFound), "0", "0"},
		{"allama is at fault", failed(llm.CodeInternal), "0", "012"},
		{"the client has content", answered, "0", "0"},
		{"the client has left", own(llm.CodeCanceled, 1), "0", "0"},
		{"the worker has left", failed(llm.CodeCanceled), "0~0", "0~01"},
		{"there is no worker", own(llm.CodeOverloaded, 0), "0", "012"},
		{"the waiting room is full", own(llm.CodeRateLimited, 0), "0", "012"},
		{"two workers were lost", lost, "0", "01"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := chain(3)
				p.Targets[0].Context, p.Targets[1].Context, p.Targets[2].Context = 100, 100, 200
				if got := course(t, NewGuide(Options{}), Plan{Targets: p.Targets[:1]}, tt.f); got != tt.alone {
					t.Errorf("alone: got %s want %s", got, tt.alone)
				}
				if got := course(t, NewGuide(Options{}), p, tt.f); got != tt.chain {
					t.Errorf("with others: got %s want %s", got, tt.chain)
				}
			})
		})
	}
}

func TestWhatAPlanForbids(t *testing.T) {
	unsent := failed(llm.CodeUnreachable)
	unsent.Err.Unsent = true
	for _, tt := range []struct {
		name   string
		f      Failure
		change func(p *Plan)
		want   string
	}{
		{"no other target", failed(llm.CodeUpstream), func(p *Plan) { p.Stay = true }, "0~0"},
		{"no repetition", failed(llm.CodeUpstream), func(p *Plan) { p.Once = true }, "012"},
		{"neither", failed(llm.CodeUpstream), func(p *Plan) { p.Stay, p.Once = true, true }, "0"},
		{"what may have effects", failed(llm.CodeUpstream), func(p *Plan) { p.Careful = true }, "0"},
		{"what has had none", unsent, func(p *Plan) { p.Careful = true }, "0~01"},
		{"too little time", failed(llm.CodeUpstream), func(p *Plan) { p.Deadline = time.Now().Add(minLeft - 1) }, "0"},
		{"time for one more", failed(llm.CodeTimeout), func(p *Plan) { p.Deadline = time.Now().Add(minLeft + 1) }, "012"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := chain(3)
				tt.change(&p)
				if got := course(t, NewGuide(Options{}), p, tt.f); got != tt.want {
					t.Errorf("got %s want %s", got, tt.want)
				}
			})
		})
	}
}

func TestLeasesAreWhatIsLeft(t *testing.T) {
	c, err := NewGuide(Options{}).Call(chain(3))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Leases() != 2 {
		t.Errorf("at first: got %d want 2", c.Leases())
	}
	f := failed(llm.CodeTimeout)
	if c.Failed(f); c.Target() != 1 || c.Leases() != 2 {
		t.Errorf("at the second target: got %d want 2", c.Leases())
	}
	if c.Failed(f); c.Target() != 2 || c.Leases() != 1 {
		t.Errorf("at the third target: got %d want 1", c.Leases())
	}
}

func TestTheMostTellingFailureIsTold(t *testing.T) {
	for _, tt := range []struct {
		codes []llm.Code
		want  int
	}{
		{[]llm.Code{llm.CodeTimeout, llm.CodeRateLimited, llm.CodeUpstreamAuth}, 1},
		{[]llm.Code{llm.CodeRateLimited, llm.CodeRateLimited}, 0},
		{[]llm.Code{llm.CodeModelNotFound, llm.CodeUpstreamAuth, llm.CodeTimeout}, 2},
		{[]llm.Code{llm.CodeInternal}, 0},
	} {
		c, err := NewGuide(Options{}).Call(chain(3))
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range tt.codes {
			c.Failed(failed(code))
		}
		if got := c.Telling(); got != tt.want {
			t.Errorf("%v: got %d want %d", tt.codes, got, tt.want)
		}
		c.Close()
	}
}

// TestAnOutageIsNotMadeWorse plays an hour without an upstream, at several
// rates of calls.
func TestAnOutageIsNotMadeWorse(t *testing.T) {
	for _, code := range []llm.Code{llm.CodeUpstream, llm.CodeUnreachable, llm.CodeTimeout, llm.CodeRateLimited} {
		for _, targets := range []int{1, 2, 3} {
			for _, every := range []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, time.Second} {
				synctest.Test(t, func(t *testing.T) {
					g, p := NewGuide(Options{}), chain(targets)
					calls, attempts := 0, 0
					for began := time.Now(); time.Since(began) < 10*time.Minute; time.Sleep(every) {
						calls++
						c, err := g.Call(p)
						if err != nil {
							continue
						}
						for {
							attempts++
							if step := c.Failed(failed(code)); !step.Go {
								break
							}
						}
						c.Close()
					}
					limit := 1.10
					if code == llm.CodeRateLimited { // an upstream that says so is there
						limit = float64(targets) + 0.5
					}
					if mean := float64(attempts) / float64(calls); mean > limit {
						t.Errorf("%s, %d targets, a call every %v: %.3f attempts for each, want at most %.2f", code, targets, every, mean, limit)
					}
				})
			}
		}
	}
}

func TestBudgetHoldsWhereFailuresAreScattered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, calls, attempts := NewGuide(Options{}), 0, 0
		for range 20 * 60 { // a minute at 20 calls a second, of which half fail
			calls++
			c, err := g.Call(chain(1))
			if err != nil {
				t.Fatal(err)
			}
			if attempts++; calls%2 == 0 {
				c.Answers(0)
			} else if c.Failed(failed(llm.CodeUpstream)).Go {
				attempts++
			}
			c.Close()
			time.Sleep(50 * time.Millisecond)
		}
		if mean := float64(attempts) / float64(calls); mean > 1.105 || mean < 1.09 {
			t.Errorf("got %.3f attempts for each call, want 1.10", mean)
		}
	})
}

func TestWhoIsAskedToWaitIsTriedAgainHoweverManyAreThere(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		want  int // of 100 calls are made again
	}{{3 * time.Second, 100}, {0, 10}, {11 * time.Second, 0}} {
		g, again := NewGuide(Options{}), 0
		var calls []*Call // that are all there before the first is refused
		for range 100 {
			c, err := g.Call(chain(1))
			if err != nil {
				t.Fatal(err)
			}
			calls = append(calls, c)
		}
		for _, c := range calls {
			f := failed(llm.CodeRateLimited)
			f.Err.RetryAfter = tt.after
			step := c.Failed(f)
			if step.Go {
				again++
			}
			if step.Go && step.Wait < tt.after {
				t.Errorf("after %v: it is made again after %v", tt.after, step.Wait)
			}
			c.Close()
		}
		if again != tt.want {
			t.Errorf("after %v: %d of 100 calls are made again, want %d", tt.after, again, tt.want)
		}
	}
}

func TestBackoffIsJittered(t *testing.T) {
	g := NewGuide(Options{})
	for _, tt := range []struct {
		random float64
		after  time.Duration
		want   time.Duration
	}{{0, 0, 0}, {0.5, 0, 125 * time.Millisecond}, {0.5, 2 * time.Second, 2125 * time.Millisecond}} {
		g.random = func() float64 { return tt.random }
		c, err := g.Call(chain(1))
		if err != nil {
			t.Fatal(err)
		}
		f := failed(llm.CodeRateLimited)
		f.Err.RetryAfter = tt.after
		if step := c.Failed(f); step.Wait != tt.want || !step.Same {
			t.Errorf("%v: got %+v want a wait of %v", tt, step, tt.want)
		}
		c.Close()
	}
}
