package ingress

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// health is what the server says about itself.
type health struct {
	Status    string           `json:"status"` // ok, or degraded
	Bus       bool             `json:"bus"`    // whether the bus is connected
	Models    int              `json:"models"`
	Providers []providerHealth `json:"providers"`
}

type providerHealth struct {
	Name    string `json:"name"`
	Workers int    `json:"workers"` // that serve it, as far as is known
}

// root is how clients of Ollama find out that there is one.
func (s *Server) root(w *response, _ *http.Request) { w.text(http.StatusOK, "Ollama is running") }

// live says that the process answers.
func (s *Server) live(w *response, _ *http.Request) { w.text(http.StatusOK, "ok") }

// readiness says whether calls should be sent here.
func (s *Server) readiness(w *response, _ *http.Request) {
	reasons := s.notReady()
	if len(reasons) == 0 {
		w.text(http.StatusOK, "ok")
		return
	}
	w.text(http.StatusServiceUnavailable, strings.Join(reasons, "\n")+"\n")
}

func (s *Server) notReady() (reasons []string) {
	if s.draining.Load() {
		reasons = append(reasons, "shutting down")
	}
	if up, since := s.owner.Connected(); !up {
		reasons = append(reasons, fmt.Sprintf("the bus is not connected, for %v", time.Since(since).Round(time.Second)))
	}
	select {
	case <-s.catalog.Ready():
	default:
		reasons = append(reasons, "the catalog is not loaded")
	}
	return reasons
}

// health describes the state. Its status is always 200: it is for people and
// dashboards. Who has no key, where one is needed, is told no more than that.
func (s *Server) health(w *response, r *http.Request) {
	index := s.catalog.Index()
	up, _ := s.owner.Connected()
	h := health{Status: "ok", Bus: up, Models: len(index.Models()), Providers: []providerHealth{}}
	if len(s.notReady()) > 0 {
		h.Status = "degraded"
	}
	for _, p := range index.Providers() {
		n := s.owner.Workers(p.Name)
		if n == 0 {
			h.Status = "degraded"
		}
		h.Providers = append(h.Providers, providerHealth{Name: p.Name, Workers: n})
	}
	if _, err := s.authenticate(r.Header); err != nil {
		w.json("application/json", map[string]string{"status": h.Status})
		return
	}
	w.json("application/json", h)
}
