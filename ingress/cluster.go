package ingress

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/logging"
)

const (
	gatherWait   = time.Second            // for the answers of other servers that are known
	strangeWait  = 300 * time.Millisecond // for those that may be there
	clusterFresh = 30 * time.Second       // for how long it is believed which ones there are
)

// A cluster is the other servers that share the bus, as far as they are known.
// It is safe for concurrent use.
type cluster struct {
	id string // of this server among them

	mu      sync.Mutex
	learned time.Time // when all were asked last; zero: never
	others  []string  // that have answered then
}

// A round is a question to all servers.
type round struct {
	mu      sync.Mutex
	answers map[string]outlook
	missing map[string]bool // that are known, and have not answered
	trusted bool            // nobody but those need be waited for
	whole   chan struct{}   // closed when all have answered
	wait    time.Duration   // for that, at the most
}

// begin begins a round.
func (c *cluster) begin() *round {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &round{answers: map[string]outlook{}, missing: map[string]bool{}, whole: make(chan struct{}), wait: strangeWait}
	if r.trusted = time.Since(c.learned) < clusterFresh; r.trusted {
		r.wait = gatherWait
	}
	for _, id := range c.others {
		r.missing[id] = true
	}
	r.check()
	return r
}

// learn takes note of who has answered in a round that is over.
func (c *cluster) learn(r *round) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learned, c.others = time.Now(), c.others[:0]
	for id := range r.answers {
		c.others = append(c.others, id)
	}
}

// take is told an answer.
func (r *round) take(o outlook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[o.Server] = o
	delete(r.missing, o.Server)
	r.check()
}

// check closes whole, once, when nobody is waited for.
func (r *round) check() {
	if r.trusted && len(r.missing) == 0 {
		r.trusted = false
		close(r.whole)
	}
}

// listen has the server answer the others. Without an owner there are none.
func (s *Server) listen() error {
	if s.owner == nil {
		return nil
	}
	err := bus.Listen(s.owner, bus.SubjectQueue, func(q query, reply func(outlook)) {
		if q.From != s.cluster.id {
			reply(s.look(q))
		}
	})
	if err != nil {
		return err
	}
	return bus.Listen(s.owner, bus.SubjectCalls, func(e ending, reply func(ended)) {
		if e.From != s.cluster.id && s.board.end(e) {
			reply(ended{Server: s.cluster.id})
		}
	})
}

// survey asks all servers what is to be seen at them. Those of which nobody
// knows are heard of the next time.
func (s *Server) survey(ctx context.Context, q query) []outlook {
	q.From = s.cluster.id
	r := s.cluster.begin()
	stop, err := bus.Gather(s.owner, bus.SubjectQueue, q, r.take)
	if err != nil {
		s.log.Debug("other servers cannot be asked what waits", slog.Any(logging.KeyError, err))
		return []outlook{s.look(q)}
	}
	time.AfterFunc(gatherWait, func() {
		stop()
		s.cluster.learn(r)
	})
	late := time.NewTimer(r.wait)
	defer late.Stop()
	list := []outlook{s.look(q)}
	select {
	case <-r.whole:
	case <-late.C:
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.answers {
		list = append(list, o)
	}
	return list
}
