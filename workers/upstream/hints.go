package upstream

import (
	"context"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/pace"
)

// Hints go with the context of a call to whoever sends it.
type Hints struct {
	Affinity string // as [Call.Affinity]
	Sent     func() // called right before the call is sent; nil: nobody wants to know
}

type hintsKey struct{}

// WithHints returns a context that has hints for the calls that are made with
// it. Sent is called once at the most.
func WithHints(ctx context.Context, h Hints) context.Context {
	if h.Sent != nil {
		h.Sent = sync.OnceFunc(h.Sent)
	}
	return context.WithValue(ctx, hintsKey{}, h)
}

// HintsOf returns the hints that a context has; the zero value where it has
// none.
func HintsOf(ctx context.Context) Hints {
	h, _ := ctx.Value(hintsKey{}).(Hints)
	return h
}

func (h Hints) sent() {
	if h.Sent != nil {
		h.Sent()
	}
}

// Attend has the client say from now on what becomes of its upstream's limits.
func (c *Client) Attend(h Hooks) {
	c.keys.mu.Lock()
	defer c.keys.mu.Unlock()
	c.keys.hooks = h
}

// Room is how many calls the upstream has room for, as far as its answers have
// said, for a worker with such a part in it; where there is none, after which
// time that may change.
func (c *Client) Room(p pace.Part) (calls int, wait time.Duration) {
	return c.keys.room(p, time.Now())
}

// bytesPerToken is a guess that does for most texts; most is what it is believed
// to yield for a body, in which there may be pictures.
const (
	bytesPerToken = 4
	mostTokens    = 50_000
)

// EstimateTokens is about how many tokens a call's body has.
func EstimateTokens(body []byte) int { return min(len(body)/bytesPerToken+1, mostTokens) }

func (c *Call) tokens() int {
	if c.Media {
		return 0
	}
	return EstimateTokens(c.Body)
}
