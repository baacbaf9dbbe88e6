package failover

import (
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A Call is the way of one call through its targets. An attempt at [Call.Target]
// goes on until [Call.Failed] or [Call.Close]; whoever gets a call must close
// it. It is for one goroutine.
type Call struct {
	guide   *Guide
	plan    Plan
	order   []place
	used    []int // attempts, by target
	made    int   // attempts
	repeats int   // of these that were repeated after a wait
	pass    *pass // the attempt that goes on; nil: none does
	at      int   // its target
	best    int   // which failure tells the most
	rank    int   // and how much; 0: none has come
	failed  int   // how many have come
	spent   bool
}

// Call begins a call with an attempt at one of its targets. It fails with an
// [*llm.Error] where none of them is worth one now.
func (g *Guide) Call(p Plan) (*Call, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	c := &Call{guide: g, plan: p, order: g.order(&p, now), used: make([]int, len(p.Targets))}
	if !c.next(now, func(Target) bool { return true }) {
		return nil, errHopeless
	}
	return c, nil
}

// Target is which target the attempt is at, counted from 0 as in the plan.
func (c *Call) Target() int { return c.at }

// Leases is how many attempts at the target may be made, all workers together:
// one, where nobody can know what a worker that was lost has done.
func (c *Call) Leases() int {
	if c.plan.Careful {
		return 1
	}
	return max(min(c.perTarget()-c.used[c.at], maxAttempts-c.made), 1)
}

// Answers says that the attempt has begun to answer, after which time. Only the
// first time counts.
func (c *Call) Answers(after time.Duration) {
	c.guide.mu.Lock()
	defer c.guide.mu.Unlock()
	if c.pass == nil || c.pass.heard {
		return
	}
	c.pass.heard = true
	c.pass.state.breaker.well(c.pass)
	if c.plan.Balance == Fastest && c.plan.Shares > 1 {
		c.pass.state.pace.add(c.plan.Stream, max(after, 0))
	}
}

// Failed ends the attempt and says what is to be done now. Where that is to
// make another one, it has begun.
func (c *Call) Failed(f Failure) Step {
	g := c.guide
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	c.used[c.at] += max(f.Leases, 1)
	c.made += f.Leases
	is := judge(f, c.plan.Careful)
	if is.ill && c.pass != nil {
		c.pass.state.breaker.ill(c.pass, f.Err.Code == llm.CodeTimeout, now)
	}
	c.end()
	c.compare(f.Err)
	c.spent = c.spent || !f.Own && c.made > 1
	if f.Answered || c.made >= maxAttempts || !c.worth(now) {
		return Step{}
	}
	return c.step(is, f.Err, now)
}

// Close ends the attempt that goes on, if one does, whatever has become of it.
func (c *Call) Close() {
	c.guide.mu.Lock()
	defer c.guide.mu.Unlock()
	c.end()
}

// Telling is which failure is the one to tell the client of, counted from 0:
// the first of those that say the most.
func (c *Call) Telling() int { return c.best }

// Spent says whether the call has been repeated, or would have been if that
// were not too much: then it does not help when the client does it.
func (c *Call) Spent() bool { return c.spent }

func (c *Call) perTarget() int {
	if c.plan.Once {
		return 1
	}
	return maxPerTarget
}

// worth says whether enough time is left at a time.
func (c *Call) worth(at time.Time) bool {
	return c.plan.Deadline.IsZero() || c.plan.Deadline.Sub(at) >= minLeft
}

func (c *Call) compare(e *llm.Error) {
	if rank := 1 + telling[e.Code]; rank > c.rank {
		c.best, c.rank = c.failed, rank
	}
	c.failed++
}

// step begins another attempt, if one is worth it.
func (c *Call) step(is fate, e *llm.Error, now time.Time) Step {
	again := is.again && c.used[c.at] < c.perTarget()
	if again && e.Again && c.enter(c.at, true, now) {
		return Step{Go: true, Same: true} // with another credential, so however long this one is to rest
	}
	if is.move && is.elsewhere && c.elsewhere(is, now) {
		return Step{Go: true}
	}
	if wait := c.pause(e); again && e.RetryAfter <= maxPatience && c.repeat(wait, asks(e), now) {
		return Step{Go: true, Same: true, Wait: wait}
	}
	return Step{Go: is.elsewhere && c.elsewhere(is, now)}
}

// elsewhere begins an attempt at a target that was not tried yet.
func (c *Call) elsewhere(is fate, now time.Time) bool {
	have := c.plan.Targets[c.at].Context
	return !c.plan.Stay && c.next(now, func(t Target) bool { return !is.larger || have > 0 && t.Context > have })
}

// next begins an attempt at the first target that was not tried yet and suits.
func (c *Call) next(now time.Time, suits func(Target) bool) bool {
	for _, p := range c.order {
		if c.used[p.index] > 0 || !suits(c.plan.Targets[p.index]) || !c.enter(p.index, p.forced, now) {
			continue
		}
		c.guide.budget(c.plan.Targets[p.index].Provider).call(now)
		return true
	}
	return false
}

func (c *Call) enter(i int, forced bool, now time.Time) bool {
	p := c.guide.enter(c.plan.Targets[i], forced, now)
	if p == nil {
		return false
	}
	c.pass, c.at = p, i
	return true
}

// pause is how long to wait before the attempt is repeated.
func (c *Call) pause(e *llm.Error) time.Duration {
	most := min(minBackoff<<c.repeats, maxBackoff)
	return e.RetryAfter + time.Duration(c.guide.random()*float64(most))
}

// asks says whether an upstream that is well has asked for the call to be made
// after a time. As it is left alone until then, calls that do so make nothing
// worse, however many they are.
func asks(e *llm.Error) bool { return e.Code == llm.CodeRateLimited && e.RetryAfter > 0 }

// repeat begins another attempt at the same target, unless that would be too
// long after, too often where nobody has asked for it, or of no use.
func (c *Call) repeat(wait time.Duration, asked bool, now time.Time) bool {
	t := c.plan.Targets[c.at]
	if !c.worth(now.Add(wait)) {
		return false
	}
	if c.guide.known(t).breaker.open() || !asked && !c.guide.budget(t.Provider).retry(now) {
		c.spent = true
		return false
	}
	if !c.enter(c.at, false, now) {
		return false
	}
	c.repeats++
	return true
}

// end ends the attempt that goes on.
func (c *Call) end() {
	if c.pass != nil {
		c.guide.leave(c.pass)
		c.pass = nil
	}
}
