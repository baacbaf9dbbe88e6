package ingress

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
)

const (
	// seekWait is how long a call waits for a model that is not known to turn
	// up in a list.
	seekWait = 2 * time.Second

	// seekAge is how old a list may be to say that there is no such model.
	seekAge = 5 * time.Second

	// Of unknown names seekBurst cause a sync, and then one every seekEvery:
	// whoever makes names up must not have upstreams listed.
	seekBurst = 5
	seekEvery = 30 * time.Second

	// seekers is how many calls may wait at a time.
	seekers = 200

	syncTimeout = 30 * time.Second // of a sync that somebody waits for
	viewTimeout = time.Second      // for a snapshot that was published to arrive
)

// A seeker has the catalog brought up to date for names that are not in it: a
// model may have been added since the last listing. All calls share one sync.
type seeker struct {
	catalog *catalog.View
	log     *slog.Logger
	wait    time.Duration // of a call, at the most

	mu      sync.Mutex
	budget  budget
	running chan struct{} // closed when the sync that runs has ended; nil: none does
	waiting int
}

// find is look for a name, which is tried again while a sync brings news.
func (s *seeker) find(ctx context.Context, name string, look func(*catalog.Index, string) (catalog.Target, bool)) (catalog.Target, bool) {
	if t, ok := look(s.catalog.Index(), name); ok {
		return t, true
	}
	if s.catalog.Index().HidesName(name) {
		return catalog.Target{}, false // whatever the lists say
	}
	done := s.enter()
	if done == nil {
		return catalog.Target{}, false
	}
	defer s.leave()
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	for {
		changed := s.catalog.Changed()
		if t, ok := look(s.catalog.Index(), name); ok {
			return t, true
		}
		select {
		case <-changed:
		case <-done:
			return look(s.catalog.Index(), name)
		case <-ctx.Done():
			return look(s.catalog.Index(), name)
		}
	}
}

// enter joins the sync that runs, or starts one. It returns nil when there is
// to be none.
func (s *seeker) enter() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting >= seekers || s.running == nil && !s.budget.take(time.Now()) {
		return nil
	}
	s.waiting++
	if s.running == nil {
		s.running = make(chan struct{})
		go s.sync(s.running)
	}
	return s.running
}

func (s *seeker) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
}

// sync has stale lists renewed. It goes on when the call that caused it has
// given up.
func (s *seeker) sync(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), syncTimeout)
	defer cancel()
	if _, err := s.refresh(ctx, catalog.RefreshRequest{MaxAge: seekAge}); err != nil {
		s.log.Debug("no sync for a model that is not known", slog.Any(logging.KeyError, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = nil
	close(done)
}

// refresh has providers listed, and waits until the view knows of it.
func (s *seeker) refresh(ctx context.Context, r catalog.RefreshRequest) (catalog.Refreshed, error) {
	refreshed, err := s.catalog.Refresh(ctx, r)
	if err != nil {
		return refreshed, err
	}
	s.catchUp(ctx, refreshed.Revision)
	return refreshed, nil
}

// catchUp waits for the view to have a snapshot that was published, but not for
// long.
func (s *seeker) catchUp(ctx context.Context, revision uint64) {
	late := time.NewTimer(viewTimeout)
	defer late.Stop()
	for {
		changed := s.catalog.Changed()
		if s.catalog.Index().Revision() >= revision {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// A budget lets seekBurst through, and one more every seekEvery. The zero value
// is full.
type budget struct {
	spent int
	since time.Time // from when on what is spent comes back
}

func (b *budget) take(now time.Time) bool {
	if back := int(now.Sub(b.since) / seekEvery); b.spent > 0 && back > 0 {
		b.spent = max(b.spent-back, 0)
		b.since = b.since.Add(time.Duration(back) * seekEvery)
	}
	if b.spent == 0 {
		b.since = now
	}
	if b.spent == seekBurst {
		return false
	}
	b.spent++
	return true
}

// sync has providers listed now: that of the query, or all.
func (s *Server) sync(w *response, r *http.Request) {
	sp := s.speakerOrFirst(r)
	ctx, cancel := context.WithTimeout(r.Context(), syncTimeout)
	defer cancel()
	provider := r.URL.Query().Get("provider")
	done, err := s.seeker.refresh(ctx, catalog.RefreshRequest{Provider: provider})
	switch {
	case errors.Is(err, bus.ErrNoSync):
		refuse(w, sp, &llm.Error{Code: llm.CodeOverloaded, Message: err.Error(), RetryAfter: time.Second})
	case err != nil:
		refuse(w, sp, &llm.Error{Code: llm.CodeTimeout, Message: "the sync was not done in time", Err: err})
	case done.Unknown:
		refuse(w, sp, &llm.Error{Code: llm.CodeNotFound, Message: "there is no provider " + provider})
	default:
		w.json(sp.json, done)
	}
}
