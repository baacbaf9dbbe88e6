package failover

import "time"

const (
	budgetSpan  = 10      // seconds that are looked back on
	budgetShare = 10      // one of so many calls may be repeated
	budgetFloor = 5       // in the span, however few calls there are
	maxBudgets  = 1 << 10 // providers that are kept apart
)

// A budget bounds how many attempts at a provider are repetitions, so that an
// outage is not made worse by those who suffer from it. The zero value is
// ready to use.
type budget struct {
	slots [budgetSpan]slot
}

// A slot counts what was in one second.
type slot struct {
	second         int64
	calls, retries int
}

func (b *budget) slot(now time.Time) *slot {
	second := now.Unix()
	s := &b.slots[int(second%budgetSpan)]
	if s.second != second {
		*s = slot{second: second}
	}
	return s
}

// call counts a call.
func (b *budget) call(now time.Time) { b.slot(now).calls++ }

// retry reports whether one more attempt can be repeated, and counts it then.
func (b *budget) retry(now time.Time) bool {
	calls, retries := 0, 0
	for _, s := range b.slots {
		if s.second > now.Unix()-budgetSpan {
			calls += s.calls
			retries += s.retries
		}
	}
	if retries >= max(budgetFloor, calls/budgetShare) {
		return false
	}
	b.slot(now).retries++
	return true
}
