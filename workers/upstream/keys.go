package upstream

import (
	"hash/fnv"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/pace"
)

const (
	minSetAside = time.Minute // a refused credential is not used for this long, doubling
	maxSetAside = 10 * time.Minute
	defaultCool = 10 * time.Second // after one call too many, where the upstream does not say
	maxCool     = 5 * time.Minute  // then it is tried again
)

// Hooks are what a [Client] says of the limits of its upstream, and to whom. The
// zero value says nothing.
type Hooks struct {
	Logger  *slog.Logger          // nil: nothing is logged
	Pause   func(until time.Time) // no credential can be used before; nil: nobody wants to know
	Changed func()                // [Client.Room] may say something else now; nil: likewise
}

// A keyring holds the credentials of a client, one at least, and chooses among
// them. It is safe for concurrent use.
type keyring struct {
	authorize func(http.Header, string)
	secrets   []string // the keys, longer ones first, for one may be the beginning of another

	mu    sync.Mutex
	keys  []*credential
	turns uint64
	hooks Hooks
	part  pace.Part // this worker
}

// A credential is a key and what is known of it. Where there is none, it is
// empty.
type credential struct {
	key     string
	name    string // among workers
	ordinal int    // from 1, as an operator counts them
	learnt  pace.Learnt
	turn    uint64 // when it was used last

	cool     time.Time     // not before, for it made one call too many
	aside    time.Time     // not before, for the upstream does not know it
	asideFor time.Duration // 0: it is a good one
}

func newKeyring(keys []logging.Secret, authorize func(http.Header, string)) *keyring {
	r := &keyring{authorize: authorize}
	for _, k := range keys {
		if k != "" {
			r.secrets = append(r.secrets, k.Reveal())
			r.keys = append(r.keys, &credential{key: k.Reveal(), name: nameOf(k.Reveal()), ordinal: len(r.secrets), learnt: pace.Doubtful()})
		}
	}
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	if len(r.keys) == 0 { // nobody is counted whom nobody knows
		r.keys = []*credential{{name: nameOf("")}}
	}
	return r
}

// authorize puts the key into the header of a request.
func (u *use) authorize(h http.Header) {
	if u.key != "" && u.ring.authorize != nil {
		u.ring.authorize(h, u.key)
	}
}

func (c *credential) usable(now time.Time) bool { return !now.Before(c.cool) && !now.Before(c.aside) }

// choose returns the credential for a call of about so many tokens. Its error is
// an [*llm.Error]: none can be used now.
func (r *keyring) choose(affinity string, tokens int, now time.Time) (*use, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var best *credential
	for _, c := range r.keys {
		if c.usable(now) && (best == nil || r.before(c, best, affinity, now)) {
			best = c
		}
	}
	if best == nil {
		return nil, r.unusable(now)
	}
	r.turns++
	best.turn = r.turns
	if best.asideFor > 0 { // whether it is good now, one call finds out
		best.aside = now.Add(best.asideFor)
	}
	return &use{ring: r, credential: best, mark: best.learnt.Send(tokens, now)}, nil
}

// before says whether c is to be chosen rather than o: it has room, it is the
// one for what calls have in common, it has rested for longer.
func (r *keyring) before(c, o *credential, affinity string, now time.Time) bool {
	mine, _ := c.learnt.Room(r.part, now)
	theirs, _ := o.learnt.Room(r.part, now)
	if (mine > 0) != (theirs > 0) {
		return mine > 0
	}
	if affinity != "" {
		return c.score(affinity) > o.score(affinity)
	}
	return c.turn < o.turn
}

// score ranks the credentials for calls that have something in common, in an
// order of their own: where one is missing, the calls of others stay where they
// are.
func (c *credential) score(affinity string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(affinity)) // never fails, says package hash
	_, _ = h.Write([]byte{byte(c.ordinal), byte(c.ordinal >> 8)})
	n := h.Sum64() // its upper bits hardly depend on what comes last
	n ^= n >> 33
	n *= 0xff51afd7ed558ccd
	return n ^ n>>33
}

// unusable says why there is no credential.
func (r *keyring) unusable(now time.Time) *llm.Error {
	if at := r.cooled(now); !at.IsZero() {
		return &llm.Error{
			Code: llm.CodeRateLimited, Unsent: true, RetryAfter: max(at.Sub(now), time.Millisecond),
			Message: "the upstream's rate limit is reached",
		}
	}
	return &llm.Error{Code: llm.CodeUpstreamAuth, Firm: true, Unsent: true, Message: refusedCredentials}
}

// cooled is when the first of the credentials that only have to wait is usable;
// zero where there is none of them.
func (r *keyring) cooled(now time.Time) time.Time {
	var first time.Time
	for _, c := range r.keys {
		if now.Before(c.cool) && !now.Before(c.aside) && (first.IsZero() || c.cool.Before(first)) {
			first = c.cool
		}
	}
	return first
}

// blocked is when the first credential can be used again of those that are any
// good; zero where one can be used.
func (r *keyring) blocked(now time.Time) time.Time {
	var first time.Time
	for _, c := range r.keys {
		if now.Before(c.aside) {
			continue
		}
		at := c.learnt.Exhausted(now)
		if c.cool.After(at) {
			at = c.cool
		}
		if !at.After(now) {
			return time.Time{}
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// room is how many calls may be sent by such a part of the workers; where it is
// none, after which time that may change. With no good credential it is any number:
// calls had better fail than wait.
func (r *keyring) room(p pace.Part, now time.Time) (calls int, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.part = p
	wait = pace.Ever
	for _, c := range r.keys {
		switch {
		case now.Before(c.aside):
		case now.Before(c.cool):
			wait = min(wait, c.cool.Sub(now))
		default:
			n, after := c.learnt.Room(p, now)
			calls = min(calls+n, math.MaxInt32)
			wait = min(wait, after)
		}
	}
	if !slices.ContainsFunc(r.keys, func(c *credential) bool { return !now.Before(c.aside) }) {
		return math.MaxInt32, 0
	}
	return calls, wait
}
