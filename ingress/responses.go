package ingress

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/offbeat-studio/allama/shared/dialect/openai/responses"
)

// answers are the routes to answers of the Responses API that were kept. None
// are.
var answers = map[string][]string{
	"/v1/responses/compact":          {http.MethodPost},
	"/v1/responses/{id}":             {http.MethodGet, http.MethodHead, http.MethodDelete},
	"/v1/responses/{id}/cancel":      {http.MethodPost},
	"/v1/responses/{id}/input_items": {http.MethodGet, http.MethodHead},
}

// noAnswer says that there is no such answer.
func (s *Server) noAnswer(w *response, r *http.Request) {
	id := mux.Vars(r)["id"]
	if id == "" {
		id = "compact"
	}
	refuse(w, s.calls["/v1/responses"], responses.NotFound(id))
}
