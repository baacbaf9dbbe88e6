package ollama

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A rig is a schedule in fake time, with hosts that load what they are called
// for, and calls that take a time.
type rig struct {
	t       *testing.T
	s       *schedule
	now     time.Time
	ends    map[*ticket]time.Time
	takes   func(t *ticket) time.Duration
	loaded  []map[string]bool // by host
	room    int               // of the real hosts
	loads   int
	granted []*ticket // in order
	longest time.Duration
	ended   func(t *ticket) // nil: nothing happens
}

func newTestRig(t *testing.T, l limits, hosts, parallel int) *rig {
	r := &rig{t: t, now: epoch, ends: map[*ticket]time.Time{}, takes: func(*ticket) time.Duration { return time.Second }, room: 1}
	l.patience = max(l.patience, time.Second)
	var list []*host
	for i := range hosts {
		list = append(list, &host{name: fmt.Sprint("h", i), parallel: parallel})
		r.loaded = append(r.loaded, map[string]bool{})
	}
	r.s = newSchedule(l, list)
	return r
}

func (r *rig) call(model string) *ticket {
	t := &ticket{model: nameOf(model)}
	r.s.add(t, r.now)
	r.grant()
	return t
}

func (r *rig) grant() {
	for _, t := range r.s.grant(r.now) {
		r.granted = append(r.granted, t)
		r.ends[t] = r.now.Add(r.takes(t))
		r.longest = max(r.longest, r.now.Sub(t.since))
		there := r.loaded[t.host.index]
		if there[t.host.key(t.model)] {
			continue
		}
		r.loads++
		if len(there) >= r.room {
			clear(there)
		}
		there[t.host.key(t.model)] = true
	}
	r.check()
}

func (r *rig) check() {
	r.t.Helper()
	busy := 0
	for _, h := range r.s.hosts {
		busy += h.busy
		calls := 0
		for _, s := range h.slots {
			calls += s.calls
		}
		if h.parallel > 0 && h.busy > h.parallel || len(h.slots) > r.s.room(h) || calls > h.busy {
			r.t.Fatalf("%s has %d calls and %d models", h.name, h.busy, len(h.slots))
		}
	}
	if busy != len(r.ends) {
		r.t.Fatalf("%d calls run, and %d are counted", len(r.ends), busy)
	}
}

// step lets time pass until something happens; false: nothing will.
func (r *rig) step() bool {
	next := r.s.next(r.now)
	for _, end := range r.ends {
		if next.IsZero() || end.Before(next) {
			next = end
		}
	}
	if next.IsZero() {
		return false
	}
	r.now = next
	var ended []*ticket
	for t, end := range r.ends {
		if !end.After(r.now) {
			delete(r.ends, t)
			r.s.drop(t, r.now)
			ended = append(ended, t)
		}
	}
	slices.SortFunc(ended, func(a, b *ticket) int { return int(a.serial) - int(b.serial) })
	r.grant()
	for _, t := range ended {
		if r.ended != nil {
			r.ended(t)
		}
	}
	return true
}

func (r *rig) run() {
	r.t.Helper()
	for range 100_000 {
		if !r.step() {
			if n := len(r.s.waiting); n > 0 {
				r.t.Fatalf("%d calls wait for ever", n)
			}
			return
		}
	}
	r.t.Fatal("there is no end")
}

func TestModelsThatAlternateStayOnAHostEach(t *testing.T) {
	r := newTestRig(t, limits{}, 2, 4)
	for i := range 40 { // one after another
		r.call([]string{"a", "b"}[i%2])
		r.run()
	}
	for i := range 40 { // at once
		r.call([]string{"a", "b"}[i%2])
	}
	r.run()
	if r.loads != 2 || len(r.granted) != 80 {
		t.Errorf("%d calls took %d loads, want 2", len(r.granted), r.loads)
	}
}

func TestModelsThatAlternateOnOneHostTakeTurnsInBatches(t *testing.T) {
	r := newTestRig(t, limits{patience: 30 * time.Second}, 1, 4)
	for i := range 40 {
		r.call([]string{"a", "b"}[i%2])
	}
	r.run()
	if r.loads != 2 {
		t.Errorf("40 calls of two models took %d loads, want 2", r.loads)
	}
	if limit := 30*time.Second + 5*time.Second; r.longest > limit {
		t.Errorf("one waited for %v, want %v at most", r.longest, limit)
	}
}

// Where there are always calls of either model, each waits for the patience and
// one batch at most, and the model is not changed for a few calls only.
func TestNoModelStarves(t *testing.T) {
	r := newTestRig(t, limits{patience: 30 * time.Second}, 1, 4)
	const calls = 4000
	n := 0
	again := func(o *ticket) {
		if n++; n < calls {
			r.call(o.model)
		}
	}
	r.ended = again
	for i := range 40 {
		r.call([]string{"a", "b"}[i%2])
	}
	r.run()
	took := r.now.Sub(epoch)
	if most := int(took/(20*time.Second)) + 2; r.loads > most || r.loads < 10 {
		t.Errorf("in %v there were %d loads, want up to %d", took, r.loads, most)
	}
	if limit := 30*time.Second + 20*time.Second/4 + 2*time.Second; r.longest > limit {
		t.Errorf("one waited for %v, want %v at most", r.longest, limit)
	}
}

func TestABatchIsServedBeforeAModelMakesRoomAgain(t *testing.T) {
	r := newTestRig(t, limits{patience: 10 * time.Second}, 1, 1)
	var order string
	r.takes = func(o *ticket) time.Duration {
		order += o.model[:1]
		return 5 * time.Second
	}
	for range 8 {
		r.call("a")
		r.call("b")
	}
	r.run()
	// A makes room after the patience, for all calls of b, and those then for
	// the rest, though they have waited for longer than the patience.
	if want := "aabbbbbbbbaaaaaa"; order != want {
		t.Errorf("the order is %s want %s", order, want)
	}
}

func TestChoiceOfAHost(t *testing.T) {
	tests := []struct {
		name    string
		hosts   int
		prepare func(r *rig)
		call    string
		want    string // the host; empty: it waits
	}{
		{"the first one at first", 3, nil, "a", "h0"},
		{"one that has it loaded", 3, func(r *rig) { r.s.hosts[2].looked([]listed{{Model: "a:latest"}}, epoch, 0) }, "a", "h2"},
		{"the least busy of those", 3, func(r *rig) {
			for _, h := range r.s.hosts[1:] {
				h.looked([]listed{{Model: "a:latest"}}, epoch, 0)
			}
			r.call("a")
		}, "a", "h2"},
		{"one without another model", 2, func(r *rig) { r.call("b") }, "a", "h1"},
		{"one with room for another", 1, func(r *rig) {
			r.s.hosts[0].seen = 2
			r.call("b")
		}, "a", "h0"},
		{"not one with another model in use", 1, func(r *rig) { r.call("b") }, "a", ""},
		{"one with another model that is idle", 1, func(r *rig) {
			r.call("b")
			r.run()
		}, "a", "h0"},
		{"one that has it", 3, func(r *rig) {
			r.s.hosts[0].listed(map[string]string{"b:latest": ""})
			r.s.hosts[1].listed(map[string]string{"a:latest": ""})
			r.s.hosts[2].listed(map[string]string{})
		}, "A", "h1"},
		{"any where none says that it has it", 2, func(r *rig) {
			r.s.hosts[0].listed(map[string]string{})
			r.s.hosts[1].listed(map[string]string{})
		}, "a", "h0"},
		{"not one that was away", 2, func(r *rig) { r.s.hosts[0].failed(epoch) }, "a", "h1"},
		{"one that was away, where there is no other", 2, func(r *rig) {
			r.s.hosts[0].failed(epoch)
			r.s.hosts[1].failed(epoch)
		}, "a", "h0"},
		{"one with the same file under another name", 2, func(r *rig) {
			r.s.hosts[1].listed(map[string]string{"a:latest": "d1", "copy:latest": "d1"})
			r.s.hosts[1].looked([]listed{{Model: "copy:latest"}}, epoch, 0)
		}, "a", "h1"},
		{"one with another model, for what runs elsewhere", 1, func(r *rig) { r.call("b") }, "a:120b-cloud", "h0"},
		{"not one that has enough to do", 1, func(r *rig) {
			for range 4 {
				r.call("a")
			}
		}, "a", ""},
		{"not the model's fourth call", 4, func(r *rig) {
			r.s.perModel = 3
			for range 3 {
				r.call("a")
			}
		}, "a", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newTestRig(t, limits{}, tt.hosts, 4)
			if tt.prepare != nil {
				tt.prepare(r)
			}
			got := ""
			if o := r.call(tt.call); o.host != nil {
				got = o.host.name
			}
			if got != tt.want {
				t.Errorf("got %q want %q", got, tt.want)
			}
		})
	}
}

func TestAffinityDecidesAmongEquals(t *testing.T) {
	seen := map[string]bool{}
	for i := range 50 {
		affinity := fmt.Sprint("session ", i)
		hostOf := func(hosts int) string {
			r := newTestRig(t, limits{}, hosts, 4)
			o := &ticket{model: "a:latest", affinity: affinity}
			r.s.add(o, r.now)
			r.grant()
			return o.host.name
		}
		name := hostOf(3)
		seen[name] = true
		if again := hostOf(3); again != name {
			t.Errorf("%s went to %s, then to %s", affinity, name, again)
		}
		if fewer := hostOf(2); name != "h2" && fewer != name {
			t.Errorf("%s went to %s, and without another host to %s", affinity, name, fewer)
		}
	}
	if len(seen) != 3 {
		t.Errorf("all calls went to %v", seen)
	}
}

func TestAHostThatFailsIsAvoidedForLongerEachTime(t *testing.T) {
	h := &host{slots: map[string]*slot{}}
	now := epoch
	for _, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute} {
		h.failed(now)
		h.failed(now.Add(time.Second)) // a call that was made before
		if got := h.avoid.Sub(now); got != want {
			t.Errorf("avoided for %v want %v", got, want)
		}
		now = h.avoid
	}
	h.answered()
	if h.isAvoided(now.Add(-time.Second)) {
		t.Error("avoided after an answer")
	}
}

func TestWhatAHostSaysOfItsModels(t *testing.T) {
	r := newTestRig(t, limits{}, 1, 4)
	h := r.s.hosts[0]
	r.call("a")
	h.looked(nil, epoch, 0) // asked before the call
	if h.slot("a:latest") == nil {
		t.Error("a model in use is forgotten")
	}
	r.run()
	r.call("b")
	h.looked([]listed{{Model: "a:latest"}}, epoch, 0) // asked before b took its place
	if h.slot("b:latest") == nil || h.slot("a:latest") != nil || r.s.room(h) != 1 {
		t.Errorf("got %v and room for %d", h.slots, r.s.room(h))
	}
	h.looked([]listed{{Name: "a:latest"}, {Name: "b:latest"}}, r.now, 0)
	if len(h.slots) != 2 || r.s.room(h) != 2 {
		t.Errorf("of two models, %v are known, and room for %d", h.slots, r.s.room(h))
	}
	r.run()
	h.looked(nil, r.now.Add(time.Minute), 0)
	if len(h.slots) != 0 || r.s.room(h) != 2 {
		t.Errorf("unloaded models are %v, with room for %d", h.slots, r.s.room(h))
	}
}

func TestTicketsThatAreTakenBack(t *testing.T) {
	r := newTestRig(t, limits{}, 1, 1)
	r.call("a")
	waiting := r.call("a")
	last := r.call("a")
	r.s.drop(waiting, r.now)
	r.run()
	if last.host == nil || waiting.host != nil || len(r.s.running) != 0 {
		t.Errorf("got %+v and %+v, with %v running", waiting, last, r.s.running)
	}
}

// Whatever comes, every call has its turn, within the patience and a batch of
// each other model.
func TestEveryCallHasItsTurn(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := newTestRig(t, limits{patience: time.Duration(1+rnd.IntN(20)) * time.Second, perModel: rnd.IntN(4)}, 1+rnd.IntN(3), 1+rnd.IntN(4))
		r.takes = func(*ticket) time.Duration { return time.Duration(1+rnd.IntN(3000)) * time.Millisecond }
		models := []string{"a", "b", "c", "d:cloud"}
		for range 200 {
			switch rnd.IntN(6) {
			case 0:
				r.now = r.now.Add(time.Duration(rnd.IntN(500)) * time.Millisecond)
				r.grant()
			case 1:
				r.step()
			case 2:
				h := r.s.hosts[rnd.IntN(len(r.s.hosts))]
				h.failed(r.now)
				r.grant()
			default:
				r.call(models[rnd.IntN(len(models))])
			}
		}
		r.run()
		if len(r.s.running) > 0 {
			t.Errorf("seed %d: %v still run", seed, r.s.running)
		}
	}
}
