package bus

import (
	"hash/fnv"
	"math/bits"
	"sync"
	"time"
)

// choices is how an owner chooses among the shards of the queue. It is safe for
// concurrent use.
type choices struct {
	avoid time.Duration // for how long a shard that did not answer is let alone

	mu   sync.Mutex
	turn int
	down map[int]down
}

// down says that a shard did not answer.
type down struct {
	until time.Time // then it is tried again
	gone  bool      // it is known not to be there, not only slow
}

// failed notes that a shard did not take a job.
func (c *choices) failed(shard int, gone bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down == nil {
		c.down = map[int]down{}
	}
	c.down[shard] = down{until: now.Add(c.avoid), gone: gone || c.down[shard].gone}
}

// answered notes that a shard took a job.
func (c *choices) answered(shard int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.down, shard)
}

// gone says whether a shard is known not to be there.
func (c *choices) gone(shard int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.down[shard].gone
}

// up returns those of some shards that may answer.
func (c *choices) up(shards uint64, now time.Time) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for shard, d := range c.down {
		if now.Before(d.until) {
			shards &^= 1 << shard
		}
	}
	return shards
}

// next returns one of some shards, each in its turn.
func (c *choices) next(shards uint64) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	for range c.turn % bits.OnesCount64(shards) {
		shards &= shards - 1
	}
	return bits.TrailingZeros64(shards)
}

// home returns the shard that a provider is at home in, of those that there are:
// for every owner the same. When a shard goes, only the providers that were at
// home there move.
func home(provider string, shards uint64) (shard int) {
	var best uint64
	for rest := shards; rest != 0; rest &= rest - 1 {
		candidate := bits.TrailingZeros64(rest)
		h := fnv.New64a()
		h.Write(append([]byte(provider), 0, byte(candidate))) //nolint:errcheck // it never fails
		if sum := h.Sum64() * 0x9e3779b97f4a7c15; sum >= best {
			best, shard = sum, candidate
		}
	}
	return shard
}

// shard chooses where to publish a job of the provider.
func (o *Owner) shard(provider string, now time.Time) int {
	l := o.presence.load(provider, now)
	if l.shards == 0 || l.shards == onlyShard {
		return 0
	}
	if up := o.choices.up(l.shards, now); up != 0 {
		return o.pick(provider, l.Cap > 0, up)
	}
	return o.choices.next(l.shards)
}

// pick returns one of some shards. A provider with a limit of concurrent calls
// is served by its home, so that the limit holds, and elsewhere only while that
// does not answer.
func (o *Owner) pick(provider string, capped bool, shards uint64) int {
	if capped {
		return home(provider, shards)
	}
	return o.choices.next(shards)
}

// elsewhere chooses among the shards that may answer, without some; ok is false
// where none is left.
func (o *Owner) elsewhere(provider string, without uint64, now time.Time) (shard int, ok bool) {
	l := o.presence.load(provider, now)
	rest := l.shards &^ without
	if rest != 0 {
		rest = o.choices.up(rest, now)
	}
	if rest == 0 {
		return 0, false
	}
	return o.pick(provider, l.Cap > 0, rest), true
}

// deserted says whether a shard is one that no worker of the provider takes
// jobs from.
func (o *Owner) deserted(provider string, shard int, now time.Time) bool {
	pulled := o.presence.load(provider, now).shards
	return pulled != 0 && (pulled&(1<<shard) == 0 || pulled != onlyShard && o.choices.gone(shard))
}
