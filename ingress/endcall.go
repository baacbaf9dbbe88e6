package ingress

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
)

// An ending asks the servers of a cluster to end a call.
type ending struct {
	From string `json:"from"` // the server that asks
	ID   string `json:"id"`
	Key  string `json:"key,omitempty"` // whose call it has to be
	All  bool   `json:"all,omitempty"` // it may be anybody's
}

// ended is the answer of the server that had the call. The others have none.
type ended struct {
	Server string `json:"server"`
}

type endedCall struct {
	ID       string `json:"id"`
	Object   string `json:"object"`
	Canceled bool   `json:"canceled"`
}

// endCall ends a call, wherever it is.
func (s *Server) endCall(w *response, r *http.Request) {
	e := ending{From: s.cluster.id, ID: mux.Vars(r)["id"], Key: w.key, All: s.seesAll(r)}
	err := s.mayEnd(r)
	if err == nil {
		err = s.endAnywhere(r.Context(), e)
	}
	if err != nil {
		refuse(w, s.speakerOrFirst(r), err)
		return
	}
	s.log.Info("call canceled by another request", slog.String(logging.KeyRequest, w.id), slog.String("canceled", e.ID), slog.String("key", w.key))
	w.json(contentJSON, endedCall{ID: e.ID, Object: "call", Canceled: true})
}

// mayEnd keeps web pages from ending the calls of a server without keys.
func (s *Server) mayEnd(r *http.Request) error {
	if s.keys == nil && fromElsewhere(r) {
		return &llm.Error{Code: llm.CodeForbidden, Message: "web pages of another origin may not cancel calls"}
	}
	return nil
}

// seesAll says whether a request may see and end the calls of all keys.
func (s *Server) seesAll(r *http.Request) bool {
	key, err := s.authenticate(r.Header)
	return err == nil && (s.keys == nil || key.admin)
}

// endAnywhere ends a call here, or has another server do it.
func (s *Server) endAnywhere(ctx context.Context, e ending) error {
	if s.board.end(e) {
		return nil
	}
	found := make(chan ended, 1)
	stop, err := bus.Gather(s.owner, bus.SubjectCalls, e, func(a ended) {
		select {
		case found <- a:
		default: // one is enough
		}
	})
	if err == nil {
		defer stop()
	}
	if up, _ := s.owner.Connected(); err != nil || !up {
		return &llm.Error{Code: llm.CodeOverloaded, Message: "the call is not here, and no other server can be asked now", RetryAfter: time.Second, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, gatherWait)
	defer cancel()
	select {
	case <-found:
		return nil
	case <-ctx.Done():
		return &llm.Error{Code: llm.CodeNotFound, Message: "there is no such call: it has ended, or was never made"}
	}
}
