package workers

import (
	"context"
	"time"

	"github.com/offbeat-studio/allama/shared/pace"
)

// wait waits until the job may be sent. Mostly that is at once, for it was
// taken when there was room; but the upstream may have refused a call since, and
// jobs that were asked for before keep coming. Expect is told for how long there
// may be nothing to see of it.
func (s *passage) wait(ctx context.Context, expect func(time.Duration)) error {
	if s == nil || s.pacer.limited == nil {
		return nil
	}
	told := false
	for {
		wait, changed := s.try()
		if wait == 0 {
			return nil
		}
		if !told {
			expect(pace.Ever)
			told = true
		}
		if !pauseUntil(ctx, wait, changed) {
			return context.Cause(ctx)
		}
	}
}

// try has the job enter, or returns after which time to try again, unless there
// is a change before.
func (s *passage) try() (wait time.Duration, changed <-chan struct{}) {
	p := s.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	room, after := p.limited.Room(p.part)
	if room <= p.entered {
		return max(after, lookAgain), p.changed
	}
	p.entered++
	s.entered = true
	return 0, nil
}

// passed says that a job that has entered is sent, or will not be: what the
// upstream has room for counts it now.
func (s *passage) passed() {
	p := s.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.entered {
		p.entered--
		s.entered = false
	}
}

// pauseUntil waits for a time, or for a change; it reports whether ctx is not
// done.
func pauseUntil(ctx context.Context, d time.Duration, changed <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
