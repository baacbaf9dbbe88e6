package ollama

import (
	"time"

	"github.com/offbeat-studio/allama/workers/upstream"
)

// parallel is how many calls a host gets at once: what was said, or its share of
// those that there may be at all.
func parallel(p upstream.Pool, h *host, hosts int) int {
	switch {
	case p.Parallel > 0:
		return p.Parallel
	case h.remote:
		return 0
	default:
		return max(defaultParallel, (p.Concurrency+hosts-1)/hosts)
	}
}

// Resize has the hosts share so many calls at once, in place of those of
// [upstream.Pool]; 0: it is not said how many. Calls that run go on.
func (p *Provider) Resize(concurrency int) {
	said := p.said
	said.Concurrency = concurrency
	p.pool.change(func(s *schedule, _ time.Time) {
		for _, h := range s.hosts {
			h.parallel = parallel(said, h, len(s.hosts))
		}
	})
}

// Capacity is how many calls the provider can make use of at once: those that
// run, and so many more that models need not take turns all the time; 0: any
// number.
func (p *Provider) Capacity() (calls int) {
	p.pool.mu.Lock()
	defer p.pool.mu.Unlock()
	for _, h := range p.pool.schedule.hosts {
		if h.parallel == 0 {
			return 0
		}
		calls += max(h.parallel, 1) * lookahead
	}
	return calls
}
