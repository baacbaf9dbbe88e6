package ingress

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
)

// idPrefix makes a request's id, as clients see it, of its id on the bus.
const idPrefix = "req_"

// front stands before all routes, whether there are any for a request or not:
// nothing gets past it, so a new route cannot be forgotten by it.
func (s *Server) front(next http.Handler) http.Handler {
	public := s.public()
	return http.HandlerFunc(func(plain http.ResponseWriter, r *http.Request) {
		w := newResponse(plain, idPrefix+bus.NewID())
		w.conn = connOf(r.Context())
		w.Header().Set("X-Request-Id", w.id)
		if sp := s.speakerOf(r); sp != nil && sp.idHeader != "" {
			w.Header().Set(sp.idHeader, w.id)
		}
		defer s.logRequest(w, r)
		defer s.catch(w, r)
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		if r.ContentLength != 0 {
			_ = w.control.SetReadDeadline(w.began.Add(unreadTimeout)) // readBody has its own
		}
		if s.turnedAway(w, r) {
			return
		}
		read := r.Method == http.MethodGet || r.Method == http.MethodHead
		if _, ok := public[r.URL.Path]; !ok || !read {
			key, err := s.authenticate(r.Header)
			if err != nil {
				refuse(w, s.speakerOrFirst(r), err)
				return
			}
			w.key, w.strict, w.admin, w.share, w.grace = key.name, key.strict, key.admin || !s.keys.hasAdmin(), key.share, key.grace
		}
		next.ServeHTTP(w, r)
	})
}

// turnedAway answers requests that come from where they should not, and
// questions of browsers about what they may ask.
func (s *Server) turnedAway(w *response, r *http.Request) bool {
	if s.keys == nil {
		if err := s.guard.checkHost(r.Host); err != nil {
			refuse(w, s.speakerOrFirst(r), err)
			return true
		}
	}
	preflight, err := s.guard.checkOrigin(w.Header(), r)
	switch {
	case err != nil:
		refuse(w, s.speakerOrFirst(r), err)
	case preflight:
		w.WriteHeader(http.StatusNoContent)
	}
	return err != nil || preflight
}

// speakerOrFirst is the dialect for a refusal that has to have a status of its
// own on any path: nobody's paths are taken for Ollama's, whose errors are the
// plainest.
func (s *Server) speakerOrFirst(r *http.Request) *speaker {
	if sp := s.speakerOf(r); sp != nil {
		return sp
	}
	return s.speakers[len(s.speakers)-1]
}

// catch makes a panic the failure of one request. Where a part of the answer
// is out, the connection is cut, so that the part is not taken for the whole.
func (s *Server) catch(w *response, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { // as net/http compares it
		panic(p)
	}
	s.log.Error("handler panicked", slog.String(logging.KeyRequest, w.id), slog.String("path", r.URL.Path),
		slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Connection", "close")
	refuse(w, s.speakerOrFirst(r), &llm.Error{Code: llm.CodeInternal, Message: "internal error"})
}

// logRequest says what became of a request that was no call: calls have a line
// of their own. Probes are of no interest.
func (s *Server) logRequest(w *response, r *http.Request) {
	if w.call || isProbe(r.URL.Path) {
		return
	}
	level := slog.LevelDebug
	if w.status >= http.StatusBadRequest {
		level = slog.LevelInfo
	}
	s.log.LogAttrs(r.Context(), level, "request", slog.String(logging.KeyRequest, w.id),
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", w.status),
		slog.Int64("ms", time.Since(w.began).Milliseconds()))
}

func isProbe(path string) bool { return path == "/livez" || path == "/readyz" || path == "/health" }
