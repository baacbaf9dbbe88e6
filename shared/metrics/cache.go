package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// A cache keeps what is made once for each key. To look something up takes no
// lock, for that is done with every call, while there is a new key but rarely:
// then all others are copied. The zero value is ready to use; it is safe for
// concurrent use.
type cache[K comparable, V any] struct {
	mu  sync.Mutex
	all atomic.Pointer[map[K]V]
}

// of returns the value for a key.
func (c *cache[K, V]) of(key K, create func(K) V) V {
	if all := c.all.Load(); all != nil {
		if v, ok := (*all)[key]; ok {
			return v
		}
	}
	return c.add(key, create)
}

func (c *cache[K, V]) add(key K, create func(K) V) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[K]V{}
	if all := c.all.Load(); all != nil {
		if v, ok := (*all)[key]; ok {
			return v
		}
		next = maps.Clone(*all)
	}
	v := create(key)
	next[key] = v
	c.all.Store(&next)
	return v
}
