package bus

import (
	"cmp"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A presence is a sign of life, which a worker gives every [Timing.Presence].
type presence struct {
	Capacity  int     `json:"capacity"`
	InFlight  int     `json:"in_flight"`
	Cap       int     `json:"cap,omitempty"`        // of the provider, over all workers; 0: none
	PerMinute float64 `json:"per_minute,omitempty"` // calls that this worker may start; 0: not known
	Paused    int64   `json:"paused_ms,omitempty"`  // how long the provider is left alone, from now on
	Leaving   bool    `json:"leaving,omitempty"`    // takes no more jobs
	Shards    uint64  `json:"shards,omitempty"`     // that it takes jobs from, a bit each; 0: the first
	Away      int64   `json:"away_ms,omitempty"`    // for how long it was cut off, until now; 0: it was not

	Pace json.RawMessage `json:"pace,omitempty"` // what the other workers are to know of the provider's limits
}

// A Load is what the workers of a provider say of it, all together.
type Load struct {
	Workers  int // that are there
	Capacity int // calls that they can perform at once
	InFlight int // calls that they perform

	Cap         int       // how many calls the provider allows at once, over all workers; 0: nothing is said
	PerMinute   float64   // how many calls may start in a minute; 0: not known
	PausedUntil time.Time // until then no call is started; zero: the provider is not paused

	shards uint64 // those that the workers take jobs from, a bit each
}

// onlyShard are the shards where there is but one.
const onlyShard = 1

// A sign is a presence and when it came.
type sign struct {
	presence
	at time.Time
}

// presenceTable knows which workers are there.
type presenceTable struct {
	absent time.Duration // after which a silent worker is not there
	since  time.Time     // when it began to listen

	mu   sync.Mutex
	seen map[string]map[string]sign // by provider's token and worker
	left map[string]time.Time       // by provider's token: when a worker has last left
}

func parsePresence(m *nats.Msg) (provider, worker string, p presence, ok bool) {
	tokens := strings.Split(m.Subject, ".")
	if len(tokens) != 4 || json.Unmarshal(m.Data, &p) != nil {
		return "", "", p, false
	}
	return tokens[2], tokens[3], p, true
}

// note takes a sign and reports whether its worker was not there before.
func (t *presenceTable) note(provider, worker string, p presence, now time.Time) (isNew bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	workers := t.seen[provider]
	if p.Leaving {
		delete(workers, worker)
		if t.left == nil {
			t.left = map[string]time.Time{}
		}
		t.left[provider] = now
		return false
	}
	if workers == nil {
		workers = map[string]sign{}
		if t.seen == nil {
			t.seen = map[string]map[string]sign{}
		}
		t.seen[provider] = workers
	}
	_, known := workers[worker]
	workers[worker] = sign{p, now}
	return !known
}

// load returns what is known of a provider.
func (t *presenceTable) load(provider string, now time.Time) Load {
	t.mu.Lock()
	defer t.mu.Unlock()
	var l Load
	workers := t.seen[token(provider)]
	for name, s := range workers {
		if now.Sub(s.at) > t.absent {
			delete(workers, name)
			continue
		}
		l.Workers++
		l.Capacity += s.Capacity
		l.InFlight += s.InFlight
		l.Cap = max(l.Cap, s.Cap)
		l.PerMinute += s.PerMinute
		l.shards |= cmp.Or(s.Shards, onlyShard)
		if until := s.at.Add(time.Duration(s.Paused) * time.Millisecond); until.After(now) && until.After(l.PausedUntil) {
			l.PausedUntil = until
		}
	}
	return l
}

// count returns how many workers a provider has.
func (t *presenceTable) count(provider string, now time.Time) int {
	return t.load(provider, now).Workers
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
