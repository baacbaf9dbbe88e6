package ingress

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/llm"
)

// whoAmI says whether the first Ollama is signed in at ollama.com: clients ask
// before they have it push a model there. Of the account it tells no more than
// the name, and nobody can sign in here: it is the operator's.
func (s *Server) whoAmI(w *response, r *http.Request) {
	sp := s.speakerOf(r)
	ctx, cancel := context.WithTimeout(r.Context(), showWait)
	defer cancel()
	if p := firstOllama(s.catalog.Index()); p != nil && s.mayChange(w) {
		body, err := s.askOllama(ctx, bus.Job{Request: bus.NewID(), Provider: p.Name, Operation: ollama.Me, Caller: callerOf(w.key)})
		var user struct{ Name string }
		if err == nil && json.Unmarshal(body, &user) == nil && user.Name != "" {
			w.json(sp.json, map[string]string{"name": user.Name})
			return
		}
	}
	refuse(w, sp, &llm.Error{Code: llm.CodeUnauthorized, Message: "unauthorized"})
}

// noSignOut answers with a status that says nothing of the client's key, for
// once: clients know it from such calls.
func (s *Server) noSignOut(w *response, r *http.Request) {
	refuse(w, s.speakerOf(r), &llm.Error{Code: llm.CodeUnauthorized, Message: "you are not currently signed in"})
}
