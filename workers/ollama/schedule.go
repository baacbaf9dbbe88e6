package ollama

import (
	"cmp"
	"slices"
	"time"
)

// limits are what a schedule keeps to. Zero stands for no limit, but for loaded.
type limits struct {
	perModel int           // calls at once of one model, over all hosts
	loaded   int           // models that a host has room for; 0: as many as it was seen to have, and 1 at first
	patience time.Duration // after which a model has to make room for a call of another one
}

// A schedule says which call goes to which host, and when. A host that has the
// model loaded is preferred, then one with room for it. Where models have to
// take turns they do so in batches: a model makes room once no call waits for
// it, or once a call of another one has waited for the patience. Then all calls
// that wait for the new one by that time are served before it has to make room
// itself; so none waits for longer than the patience and one batch of each
// other model.
//
// It is pure: it has no clock, no goroutine and no lock.
type schedule struct {
	limits
	hosts   []*host
	waiting []*ticket      // in order of arrival
	running map[string]int // calls by model
	serial  uint64         // of the last ticket
}

// A ticket is a call that waits for a host, or has one.
type ticket struct {
	model    string // as [nameOf] has it
	affinity string
	since    time.Time
	serial   uint64
	host     *host // nil while it waits
	slot     *slot // of host; nil for a model that takes no room
	ready    chan struct{}
}

func newSchedule(l limits, hosts []*host) *schedule {
	for i, h := range hosts {
		h.index, h.slots, h.seen = i, map[string]*slot{}, 1
	}
	return &schedule{limits: l, hosts: hosts, running: map[string]int{}}
}

// add has a ticket wait from now on.
func (s *schedule) add(t *ticket, now time.Time) {
	s.serial++
	t.serial, t.since = s.serial, now
	s.waiting = append(s.waiting, t)
}

// drop takes a ticket back, whether it waits or has a host.
func (s *schedule) drop(t *ticket, now time.Time) {
	if t.host == nil {
		s.waiting = slices.DeleteFunc(s.waiting, func(o *ticket) bool { return o == t })
		return
	}
	t.host.busy--
	if t.slot != nil {
		t.slot.calls--
		t.slot.used = now
	}
	if s.running[t.model]--; s.running[t.model] == 0 {
		delete(s.running, t.model)
	}
}

// grant returns the tickets that have a host from now on. It is called after
// whatever may have changed something, and when next says so.
func (s *schedule) grant(now time.Time) (granted []*ticket) {
	s.clear(now)
	for placed := true; placed && len(s.waiting) > 0; {
		placed = false
		for _, place := range []func(*ticket, []*host, time.Time) *host{s.join, s.displace} {
			for _, t := range slices.Clone(s.waiting) {
				h := s.placeBy(place, t, now)
				if h == nil {
					continue
				}
				s.start(t, h, now)
				granted, placed = append(granted, t), true
				if t.slot != nil && t.slot.calls == 1 {
					break // there is a model now that others may wait for
				}
			}
			if placed {
				break
			}
		}
	}
	return granted
}

func (s *schedule) placeBy(place func(*ticket, []*host, time.Time) *host, t *ticket, now time.Time) *host {
	if s.isCapped(t.model) {
		return nil
	}
	return place(t, s.candidates(t.model, now), now)
}

// next is when time alone will have changed something; zero: never.
func (s *schedule) next(now time.Time) (at time.Time) {
	sooner := func(other time.Time) {
		if other.After(now) && (at.IsZero() || other.Before(at)) {
			at = other
		}
	}
	for _, t := range s.waiting {
		sooner(t.since.Add(s.patience))
	}
	for _, h := range s.hosts {
		if len(s.waiting) > 0 {
			sooner(h.avoid)
		}
	}
	return at
}

// candidates are the hosts that have a model and can be called, or the best that
// there is: those that may have it, or that do not seem to be there.
func (s *schedule) candidates(model string, now time.Time) []*host {
	have := slices.DeleteFunc(slices.Clone(s.hosts), func(h *host) bool { return !h.has(model) })
	if len(have) == 0 {
		have = s.hosts
	}
	up := slices.DeleteFunc(slices.Clone(have), func(h *host) bool { return h.isAvoided(now) })
	if len(up) == 0 {
		return have
	}
	return up
}

func (s *schedule) isCapped(model string) bool {
	return s.perModel > 0 && s.running[model] >= s.perModel
}

// room is how many models a host has room for.
func (s *schedule) room(h *host) int { return cmp.Or(s.loaded, h.seen) }

// join returns a host that has the model loaded, or one with room for it.
func (s *schedule) join(t *ticket, hosts []*host, _ time.Time) *host {
	var warm, free []*host
	for _, h := range hosts {
		switch slot := h.slot(t.model); {
		case h.isFull(), slot != nil && slot.leaving:
		case slot != nil, h.remote, isRemote(t.model):
			warm = append(warm, h)
		case len(h.slots) < s.room(h):
			free = append(free, h)
		}
	}
	if len(warm) > 0 {
		return best(warm, t.affinity, func(h *host) int { return h.busy })
	}
	return best(free, t.affinity, func(h *host) int { return h.busy + len(h.slots) })
}

// displace returns a host with a model that is not in use any more, where none
// has the ticket's own model.
func (s *schedule) displace(t *ticket, hosts []*host, now time.Time) *host {
	if s.isWarm(t.model, hosts) {
		return nil
	}
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(h *host) bool { return h.isFull() || s.idle(h, now) == nil })
	return best(hosts, t.affinity, func(h *host) int { return h.busy })
}

// isWarm says whether one of the hosts has the model, and keeps it.
func (s *schedule) isWarm(model string, hosts []*host) bool {
	return slices.ContainsFunc(hosts, func(h *host) bool {
		slot := h.slot(model)
		return h.remote || slot != nil && !slot.leaving
	})
}

// idle returns the model of a host that is the first to go; nil: they are all in
// use, or about to be.
func (s *schedule) idle(h *host, now time.Time) *slot {
	var oldest *slot
	for _, slot := range h.slots {
		if slot.calls > 0 || !slot.leaving && s.wanted(h, slot, s.serial, now) {
			continue
		}
		if oldest == nil || slot.leaving && !oldest.leaving || slot.leaving == oldest.leaving && slot.used.Before(oldest.used) {
			oldest = slot
		}
	}
	return oldest
}

// wanted says whether a ticket waits for a model of a host, of those up to a
// serial.
func (s *schedule) wanted(h *host, slot *slot, upTo uint64, now time.Time) bool {
	return slices.ContainsFunc(s.waiting, func(t *ticket) bool {
		return t.serial <= upTo && h.slot(t.model) == slot && !s.isCapped(t.model) && slices.Contains(s.candidates(t.model, now), h)
	})
}

// start gives a ticket its host, and the host its model.
func (s *schedule) start(t *ticket, h *host, now time.Time) {
	s.waiting = slices.DeleteFunc(s.waiting, func(o *ticket) bool { return o == t })
	s.running[t.model]++
	h.busy++
	t.host = h
	if h.remote || isRemote(t.model) {
		return
	}
	slot := h.slot(t.model)
	if slot == nil {
		if len(h.slots) >= s.room(h) {
			delete(h.slots, s.idle(h, now).key)
		}
		slot = h.load(t.model)
		slot.batch = s.serial
	}
	slot.calls++
	slot.used, t.slot = now, slot
}

// clear finds the models that have to make room: one for each model whose calls
// have waited too long.
func (s *schedule) clear(now time.Time) {
	for _, h := range s.hosts {
		for _, slot := range h.slots {
			slot.leaving = false
		}
	}
	served := map[string]bool{}
	for _, t := range s.waiting {
		if now.Sub(t.since) < s.patience {
			break
		}
		if served[t.model] || s.isCapped(t.model) || isRemote(t.model) {
			continue
		}
		served[t.model] = true
		hosts := s.candidates(t.model, now)
		if slot := s.least(hosts, now); slot != nil && !s.isWarm(t.model, hosts) && !s.hasRoom(hosts) {
			slot.leaving = true
		}
	}
}

func (s *schedule) hasRoom(hosts []*host) bool {
	return slices.ContainsFunc(hosts, func(h *host) bool { return len(h.slots) < s.room(h) })
}

// least returns the model with the fewest calls that end soon, of those that
// have had their batch.
func (s *schedule) least(hosts []*host, now time.Time) *slot {
	var least *slot
	for _, h := range hosts {
		for _, slot := range h.slots {
			switch {
			case slot.leaving || s.wanted(h, slot, slot.batch, now):
			case least == nil, cmp.Or(cmp.Compare(slot.calls, least.calls), slot.used.Compare(least.used)) < 0:
				least = slot
			}
		}
	}
	return least
}
