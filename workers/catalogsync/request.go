package catalogsync

import (
	"slices"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
)

// maxWaiting is how many requests may wait; more are answered with what is
// known.
const maxWaiting = 1000

// A request is a [catalog.RefreshRequest] with the way to answer it.
type request struct {
	catalog.RefreshRequest
	reply func(catalog.Refreshed)
}

// A waiter is a request that waits for listings to end.
type waiter struct {
	request
	until map[int]uint64 // for each source how many of its listings must have ended
}

// accept takes a request from the bus. One that finds no room is not answered.
func (s *Sync) accept(r catalog.RefreshRequest, reply func(catalog.Refreshed)) {
	select {
	case s.requests <- request{r, reply}:
	default:
	}
}

// ask has listed what a request asks for.
func (s *state) ask(r request, now time.Time) {
	if r.Provider != "" && s.sourceOf(r.Provider) < 0 {
		r.reply(catalog.Refreshed{Unknown: true, Revision: s.revision})
		return
	}
	w := waiter{request: r, until: map[int]uint64{}}
	for i := range s.turns {
		if s.isFor(r, i) {
			if r.Gone != "" && r.Provider != "" {
				s.forget(i, r.Gone, now)
			}
			w.until[i] = s.turns[i].ask(now, r.MaxAge, s.pace.gap)
		}
	}
	s.waiters = append(s.waiters, w)
	if s.commitAt.IsZero() || len(s.waiters) > maxWaiting {
		s.answer()
	}
}

func (s *state) sourceOf(provider string) int {
	for i, e := range s.entries {
		if e.Provider.Name == provider {
			return i
		}
	}
	return -1
}

func (s *state) isFor(r request, source int) bool {
	return r.Provider == "" || r.Provider == s.entries[source].Provider.Name
}

// answer answers those whose listings have ended, after they were published.
func (s *state) answer() {
	full := len(s.waiters) > maxWaiting
	s.waiters = slices.DeleteFunc(s.waiters, func(w waiter) bool {
		for i, ended := range w.until {
			if s.turns[i].ended < ended && !full {
				return false
			}
		}
		w.reply(s.outcome(w.request))
		return true
	})
}

// outcome is what is known of what a request has asked for.
func (s *state) outcome(r request) catalog.Refreshed {
	done := catalog.Refreshed{Revision: s.revision}
	for i, e := range s.entries {
		if s.isFor(r, i) {
			done.Providers = append(done.Providers, catalog.Outcome{
				Provider: e.Provider.Name, Models: len(e.Models), Error: e.Provider.Error, SyncedAt: e.Provider.SyncedAt,
			})
		}
	}
	return done
}
