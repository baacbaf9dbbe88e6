package upstream

import "time"

// KeyStates are how many of a provider's keys can be used, and how many cannot.
type KeyStates struct {
	Usable  int
	Cooling int // they have made one call too many
	Aside   int // the upstream refuses them
}

// Keys says how it stands with the client's keys. Without one, all are zero.
func (c *Client) Keys() KeyStates { return c.keys.states(time.Now()) }

func (r *keyring) states(now time.Time) (s KeyStates) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.keys {
		switch {
		case c.key == "":
		case now.Before(c.aside):
			s.Aside++
		case now.Before(c.cool):
			s.Cooling++
		default:
			s.Usable++
		}
	}
	return s
}
