package ingress

import (
	"net/http"

	"github.com/offbeat-studio/allama/shared/catalog"
)

// A catalogEntry is a model with all that is known of it, by the name that
// clients call it by.
type catalogEntry struct {
	Name string `json:"name"`
	catalog.Model
}

type catalogList struct {
	Object   string         `json:"object"`
	Revision uint64         `json:"revision"`
	Data     []catalogEntry `json:"data"`
}

// listCatalog lists all models with what no other list has room for: their
// providers, limits and prices. The query provider leaves out those of others.
func (s *Server) listCatalog(w *response, r *http.Request) {
	index := s.catalog.Index()
	provider := r.URL.Query().Get("provider")
	list := catalogList{Object: "list", Revision: index.Revision(), Data: []catalogEntry{}}
	for _, l := range index.Models() {
		if provider == "" || provider == l.Model.Provider {
			list.Data = append(list.Data, catalogEntry{l.Name, *l.Model})
		}
	}
	w.json(contentJSON, list)
}
