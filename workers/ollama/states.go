package ollama

import "github.com/offbeat-studio/allama/workers/upstream"

// Keys is that of [upstream.Client], of all hosts together.
func (p *Provider) Keys() (all upstream.KeyStates) {
	for _, c := range p.pool.clients {
		s := c.Keys()
		all.Usable += s.Usable
		all.Cooling += s.Cooling
		all.Aside += s.Aside
	}
	return all
}
