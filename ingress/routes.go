package ingress

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A handler answers a request whose response is known to be ours.
type handler func(w *response, r *http.Request)

// ServeHTTP is for [http.Handler]; w is what [Server.front] made.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h(w.(*response), r) }

// router lists all that is served. What begins with /v1/ is served once more
// below /api.
func (s *Server) router() *mux.Router {
	read := []string{http.MethodGet, http.MethodHead} // by HEAD, net/http leaves the body out
	router := mux.NewRouter().SkipClean(true)         // a redirect would lose the body of a call
	add := func(path string, h handler, methods ...string) {
		methods = slices.Clone(methods) // mux writes to it
		router.Handle(path, h).Methods(methods...)
		if strings.HasPrefix(path, "/v1/") {
			router.Handle("/api"+path, h).Methods(methods...)
		}
	}
	for _, sp := range s.speakers {
		for _, route := range sp.Routes() {
			e := &endpoint{server: s, speaker: sp, route: route, framing: sp.Framing(route.Operation)}
			s.calls[route.Path] = sp
			add(route.Path, e.serve, http.MethodPost)
		}
	}
	for path, methods := range answers {
		add(path, s.noAnswer, methods...)
	}
	add("/v1/models", s.listModels, read...)
	add("/v1/models/{id:.+}", s.showModel, read...)
	add("/v1/models/{id:.+}", s.keepModel, http.MethodDelete)
	add("/api/v1/sync", s.sync, http.MethodPost)
	add("/api/v1/catalog", s.listCatalog, read...)
	s.addProviders(add)
	add("/api/v1/queue", s.showQueue, read...)
	add("/api/v1/calls/{id}", s.endCall, http.MethodDelete)
	add("/metrics", s.showMetrics, read...)
	add("/api/tags", s.listTags, read...)
	add("/api/show", s.showTag, http.MethodPost)
	for _, c := range changes {
		add("/api/"+c.operation, s.manages(c.operation, c.run), c.method)
	}
	add("/api/ps", s.listRunning, http.MethodGet)
	add("/api/blobs/{digest}", s.manages(ollama.Blobs, (*exchange).blob), http.MethodHead, http.MethodPost)
	add("/api/me", s.whoAmI, http.MethodPost)
	add("/api/signout", s.noSignOut, http.MethodPost)
	add("/api/user/keys/{key}", s.noSignOut, http.MethodDelete)
	add("/api/version", s.version, read...)
	add("/api/status", s.cloudStatus, read...)
	for path, h := range s.public() {
		add(path, h, read...)
	}
	router.NotFoundHandler = handler(s.notFound)
	router.MethodNotAllowedHandler = handler(func(w *response, r *http.Request) { s.notAllowed(router, w, r) })
	return router
}

// public are the routes for which no key is needed.
func (s *Server) public() map[string]handler {
	return map[string]handler{"/": s.root, "/health": s.health, "/livez": s.live, "/readyz": s.readiness}
}

// speakerOf returns the dialect in which to answer a request, nil where that
// is anybody's guess.
func (s *Server) speakerOf(r *http.Request) *speaker {
	path := plainPath(r.URL.Path)
	if sp := s.calls[path]; sp != nil {
		return sp
	}
	for _, sp := range s.speakers {
		if sp.claims != nil && sp.claims(r) {
			return sp
		}
	}
	for _, sp := range s.speakers {
		if sp.base != "" && strings.HasPrefix(path, sp.base) {
			return sp
		}
	}
	return nil
}

func (s *Server) notFound(w *response, r *http.Request) {
	s.refusePath(w, r, http.StatusNotFound, "404 page not found", fmt.Sprintf("Unknown request URL: %s %s", r.Method, r.URL.Path))
}

func (s *Server) notAllowed(router *mux.Router, w *response, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		other := *r
		other.Method = method
		if match := new(mux.RouteMatch); router.Match(&other, match) && match.MatchErr == nil {
			allowed = append(allowed, method)
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	s.refusePath(w, r, http.StatusMethodNotAllowed, "405 method not allowed", fmt.Sprintf("%s cannot be called by %s", r.URL.Path, r.Method))
}

// refusePath answers in the dialect below /v1/, and elsewhere with a line of
// text, as Ollama does.
func (s *Server) refusePath(w *response, r *http.Request, status int, line, message string) {
	if !strings.HasPrefix(plainPath(r.URL.Path), "/v1/") {
		w.text(status, line)
		return
	}
	refuse(w, s.speakerOf(r), &fault{status, &llm.Error{Code: llm.CodeNotFound, Message: message}})
}
