package ingress

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"

	"github.com/gorilla/mux"

	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/queue"
	"github.com/offbeat-studio/allama/shared/roster"
)

// states are those of the waiting rooms that are not open, as the catalog says.
type states struct {
	mu  sync.Mutex
	set map[string]queue.State // by the name of the provider
}

// steers returns what sets the state of a provider.
func (s *Server) steers(state roster.State) func(w *response, r *http.Request) error {
	return func(w *response, r *http.Request) error {
		ask := roster.Request{Action: roster.Steer, Name: mux.Vars(r)["name"], State: state}
		a, err := s.askRoster(w, r, ask)
		if err != nil {
			return err
		}
		s.obey() // so that whoever has asked finds it done here
		return s.showOne(w, http.StatusOK, a)
	}
}

// follow has the waiting rooms be in the states that the catalog says, until
// ctx is done.
func (s *Server) follow(ctx context.Context) {
	for {
		changed := s.catalog.Changed()
		s.obey()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// obey has the waiting rooms be in the states that the catalog says now.
func (s *Server) obey() {
	s.states.mu.Lock()
	defer s.states.mu.Unlock()
	before := s.states.set
	s.states.set = map[string]queue.State{}
	for _, p := range s.catalog.Index().Providers() {
		if state := queue.State(p.State); state == queue.Paused || state == queue.Draining {
			s.states.set[p.Name] = state
		}
	}
	for name, state := range s.states.set {
		if before[name] != state {
			s.setState(name, state)
		}
	}
	for name := range before {
		if s.states.set[name] == "" {
			s.setState(name, queue.Open)
		}
	}
}

func (s *Server) setState(provider string, state queue.State) {
	s.gate.SetState(provider, state)
	s.log.Info("the calls for a provider are steered", slog.String(logging.KeyProvider, provider), slog.String("state", string(state)))
}

// state is that of a provider's waiting room.
func (s *Server) state(provider string) queue.State {
	s.states.mu.Lock()
	defer s.states.mu.Unlock()
	return cmp.Or(s.states.set[provider], queue.Open)
}
