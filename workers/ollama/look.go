package ollama

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

const (
	loadedAge = 2 * time.Second  // of what is known of the models that are loaded
	listAge   = 30 * time.Second // of what is known of the models that there are
	lookWait  = 2 * time.Second  // for a host to say so
	firstWait = time.Second      // of the first calls, for all hosts to say so
)

// A look is what a pool finds out about its hosts while calls come. No call waits
// for it, but the first ones of several hosts, for a short time: they would have
// to go to just any host. One host alone is only looked at when it may have to
// change models.
type look struct {
	ctx  context.Context // until the pool is closed
	stop context.CancelFunc
	runs sync.WaitGroup

	mu      sync.Mutex
	running chan struct{} // closed at the end of the look that goes on; nil: none does
	loaded  time.Time     // begin of the last look
	listed  time.Time     // begin of the last one that has asked for the lists, too
	first   bool          // there was one
}

// glance has the pool look at its hosts, unless it has done so lately.
func (p *pool) glance(ctx context.Context, wait func(time.Duration) error) error {
	if len(p.clients) == 1 {
		return nil
	}
	l := &p.look
	l.mu.Lock()
	p.begin(false)
	running, first := l.running, l.first
	l.mu.Unlock()
	if first || running == nil {
		return nil
	}
	if err := wait(signFor); err != nil {
		return err
	}
	return pause(ctx, running, firstWait)
}

// watch has the pool look at its host where a ticket waits for another model to
// make room: it may turn out that there is room.
func (p *pool) watch(t *ticket) {
	another := false
	p.change(func(s *schedule, now time.Time) {
		another = t.host == nil && !s.isWarm(t.model, s.candidates(t.model, now))
	})
	if another {
		p.look.mu.Lock()
		p.begin(false)
		p.look.mu.Unlock()
	}
}

// refresh looks at the hosts now, and waits until they have answered.
func (p *pool) refresh(ctx context.Context) error {
	p.look.mu.Lock()
	p.begin(true)
	running := p.look.running
	p.look.mu.Unlock()
	return pause(ctx, running, lookWait)
}

// pause waits for done, and no longer than d.
func pause(ctx context.Context, done <-chan struct{}, d time.Duration) error {
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-done:
	case <-late.C:
	}
	return nil
}

// outdated has the models be listed again by the next look.
func (p *pool) outdated() {
	p.look.mu.Lock()
	defer p.look.mu.Unlock()
	p.look.listed, p.look.loaded = time.Time{}, time.Time{}
}

// begin starts a look unless one goes on, or the last one is young enough and
// will do. The look is locked.
func (p *pool) begin(now bool) {
	l := &p.look
	began := time.Now()
	if l.running != nil || !now && began.Sub(l.loaded) < loadedAge {
		return
	}
	lists := now || began.Sub(l.listed) >= listAge
	if l.loaded = began; lists {
		l.listed = began
	}
	done := make(chan struct{})
	l.running = done
	l.runs.Go(func() {
		p.lookAround(lists)
		l.mu.Lock()
		l.running, l.first = nil, true
		l.mu.Unlock()
		close(done)
	})
}

// lookAround asks all hosts that seem to be there.
func (p *pool) lookAround(lists bool) {
	ctx, cancel := context.WithTimeout(p.look.ctx, lookWait)
	defer cancel()
	var asking sync.WaitGroup
	for i, up := range p.up() {
		if up {
			asking.Go(func() { p.lookAt(ctx, i, lists) })
		}
	}
	asking.Wait()
}

// up says which hosts are not to be avoided.
func (p *pool) up() []bool {
	up := make([]bool, len(p.clients))
	p.change(func(s *schedule, now time.Time) {
		for i, h := range s.hosts {
			up[i] = !h.isAvoided(now)
		}
	})
	return up
}

// lookAt asks one host. What it does not say is left as it is known.
func (p *pool) lookAt(ctx context.Context, i int, lists bool) {
	asked := time.Now()
	if lists {
		list, err := upstream.Get[modelList](ctx, p.clients[i], "tags", nil)
		if p.told(i, err) {
			digests := map[string]string{}
			for _, m := range list.Models {
				digests[m.name()] = m.Digest
			}
			p.change(func(s *schedule, _ time.Time) { s.hosts[i].listed(digests) })
		}
	}
	list, err := upstream.Get[modelList](ctx, p.clients[i], "ps", nil)
	if p.told(i, err) {
		p.change(func(s *schedule, _ time.Time) { s.hosts[i].looked(list.Models, asked, s.loaded) })
	}
}

// told notes whether a host has answered a question.
func (p *pool) told(i int, err error) bool {
	if e, ok := errors.AsType[*llm.Error](err); ok && e.Code == llm.CodeUnreachable && len(p.clients) > 1 {
		p.change(func(s *schedule, now time.Time) { s.hosts[i].failed(now) })
	}
	return err == nil
}
