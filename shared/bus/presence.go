package bus

import (
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A sign of presence, which a worker gives every [Timing.Presence].
type presence struct {
	Capacity int  `json:"capacity"`
	InFlight int  `json:"in_flight"`
	Leaving  bool `json:"leaving,omitempty"` // takes no more jobs
}

// presenceTable knows which workers are there.
type presenceTable struct {
	absent time.Duration // after which a silent worker is not there
	since  time.Time     // when it began to listen

	mu   sync.Mutex
	seen map[string]map[string]time.Time // by provider's token and worker
	left map[string]time.Time            // by provider's token: when a worker has last left
}

func (t *presenceTable) receive(m *nats.Msg) {
	tokens := strings.Split(m.Subject, ".")
	var p presence
	if len(tokens) != 4 || json.Unmarshal(m.Data, &p) != nil {
		return
	}
	t.note(tokens[2], tokens[3], p, time.Now())
}

func (t *presenceTable) note(provider, worker string, p presence, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	workers := t.seen[provider]
	if p.Leaving {
		delete(workers, worker)
		if t.left == nil {
			t.left = map[string]time.Time{}
		}
		t.left[provider] = now
		return
	}
	if workers == nil {
		workers = map[string]time.Time{}
		if t.seen == nil {
			t.seen = map[string]map[string]time.Time{}
		}
		t.seen[provider] = workers
	}
	workers[worker] = now
}

// count returns how many workers a provider has.
func (t *presenceTable) count(provider string, now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	workers := t.seen[token(provider)]
	for w, last := range workers {
		if now.Sub(last) > t.absent {
			delete(workers, w)
		}
	}
	return len(workers)
}

// none says whether a provider has no worker, as far as can be known: not
// before the table has listened for long enough, nor as soon as a worker has
// left, for another may be about to take its place.
func (t *presenceTable) none(provider string, now time.Time) bool {
	if now.Sub(t.since) <= t.absent || t.count(provider, now) > 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return now.Sub(t.left[token(provider)]) > t.absent
}
