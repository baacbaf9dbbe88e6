package ollama

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"
)

// A host that cannot be called is left alone for a while, which doubles with
// each further failure.
const (
	firstAvoid = 5 * time.Second
	maxAvoid   = time.Minute
)

// A host is what a schedule knows of one.
type host struct {
	index    int
	name     string
	remote   bool              // Ollama's own cloud, which has room for everything
	parallel int               // calls at once; 0: no limit
	digests  map[string]string // of the models that it has; nil: not known
	slots    map[string]*slot  // the models that it has loaded, or loads, by their keys
	seen     int               // the most models that it has had loaded at once
	busy     int               // calls
	avoid    time.Time         // until when it is not called, if others can be
	failures int               // in a row
}

// A slot is room that a model takes.
type slot struct {
	key     string // see [host.key]
	model   string
	calls   int
	used    time.Time // begin or end of the last call
	batch   uint64    // tickets up to this one are served before the model makes room
	leaving bool      // it makes room: calls end, and none begin
}

// nameOf is the name under which a model is known here, whichever way it is
// written.
func nameOf(model string) string {
	if !strings.Contains(model[strings.LastIndexByte(model, '/')+1:], ":") {
		model += ":latest"
	}
	return strings.ToLower(model)
}

// isRemote says of a model, as [nameOf] has it, whether Ollama has it run
// elsewhere: it takes no room on a host then.
func isRemote(model string) bool {
	return strings.HasSuffix(model, ":cloud") || strings.HasSuffix(model, "-cloud")
}

// has says whether the host may have a model.
func (h *host) has(model string) bool {
	if h.digests == nil {
		return true
	}
	_, ok := h.digests[model]
	return ok
}

// key is the same for names of one model: they take room only once.
func (h *host) key(model string) string { return cmp.Or(h.digests[model], model) }

func (h *host) slot(model string) *slot { return h.slots[h.key(model)] }

func (h *host) load(model string) *slot {
	s := &slot{key: h.key(model), model: model}
	h.slots[s.key] = s
	return s
}

func (h *host) isFull() bool { return h.parallel > 0 && h.busy >= h.parallel }

func (h *host) isAvoided(now time.Time) bool { return now.Before(h.avoid) }

// failed notes that the host could not be called. Failures of calls that were
// made at the same time count once.
func (h *host) failed(now time.Time) {
	if h.isAvoided(now) {
		return
	}
	for key, s := range h.slots {
		if s.calls == 0 {
			delete(h.slots, key) // who knows what it has when it is back
		}
	}
	h.avoid = now.Add(min(firstAvoid<<min(h.failures, 8), maxAvoid))
	h.failures++
}

func (h *host) answered() { h.avoid, h.failures = time.Time{}, 0 }

// lacks notes that the host does not have a model after all.
func (h *host) lacks(model string) {
	if h.digests != nil {
		delete(h.digests, model)
	}
}

// listed notes which models the host has.
func (h *host) listed(digests map[string]string) {
	h.digests = digests
	for key, s := range h.slots {
		to := h.key(s.model)
		if _, taken := h.slots[to]; to != key && !taken {
			delete(h.slots, key)
			s.key, h.slots[to] = to, s
		}
	}
}

// A modelList is what a host says of models: which it has, or which of them it
// has loaded.
type modelList struct {
	Models []listed `json:"models"`
}

type listed struct {
	Name   string `json:"name"`
	Model  string `json:"model"`
	Digest string `json:"digest"`
}

func (l listed) name() string { return nameOf(cmp.Or(l.Model, l.Name)) }

// looked notes which models the host has said it has loaded, to a question that
// was asked at a time. Room is what the host has room for, if it is known; what
// it shows is believed.
func (h *host) looked(models []listed, asked time.Time, room int) {
	h.seen = max(h.seen, len(models))
	there := map[string]bool{}
	for _, m := range models {
		name := m.name()
		if there[h.key(name)] = true; h.slot(name) == nil {
			h.load(name)
		}
	}
	for key, s := range h.slots {
		if !there[key] && s.calls == 0 && s.used.Before(asked) {
			delete(h.slots, key) // it was unloaded
		}
	}
	h.trim(max(cmp.Or(room, h.seen), len(models)))
}

// trim forgets models that were there when the host was asked, and have made
// room since.
func (h *host) trim(room int) {
	idle := make([]*slot, 0, len(h.slots))
	for _, s := range h.slots {
		if s.calls == 0 {
			idle = append(idle, s)
		}
	}
	slices.SortFunc(idle, func(a, b *slot) int { return a.used.Compare(b.used) })
	for _, s := range idle[:min(max(len(h.slots)-room, 0), len(idle))] {
		delete(h.slots, s.key)
	}
}

// best returns the host of the lowest cost; among equals, calls of one affinity
// go to the same one. It returns nil where there is none.
func best(hosts []*host, affinity string, cost func(*host) int) *host {
	if len(hosts) == 0 {
		return nil
	}
	return slices.MinFunc(hosts, func(a, b *host) int {
		return cmp.Or(cmp.Compare(cost(a), cost(b)), cmp.Compare(a.rank(affinity), b.rank(affinity)), cmp.Compare(a.index, b.index))
	})
}

// rank is the host's place among others for an affinity, which does not change
// when some of them are away.
func (h *host) rank(affinity string) uint64 {
	if affinity == "" {
		return 0
	}
	sum := sha256.Sum256([]byte(h.name + "\x00" + affinity))
	return binary.BigEndian.Uint64(sum[:])
}
