package ingress

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A modelObject is a model as the clients of either API below /v1 read it: each
// finds its own fields and ignores the others.
type modelObject struct {
	ID          string    `json:"id"`
	Object      string    `json:"object"`
	Created     int64     `json:"created"`
	OwnedBy     string    `json:"owned_by"`
	Type        string    `json:"type"`
	DisplayName string    `json:"display_name"`
	CreatedAt   time.Time `json:"created_at"`
	MaxInput    int       `json:"max_input_tokens,omitempty"`
	MaxOutput   int       `json:"max_tokens,omitempty"`
}

func newModelObject(name string, t catalog.Target) modelObject {
	since := dateOf(t.Model)
	return modelObject{
		ID: name, Object: "model", Created: since.Unix(), OwnedBy: cmp.Or(t.Model.OwnedBy, t.Provider.Name),
		Type: "model", DisplayName: cmp.Or(t.Model.DisplayName, name), CreatedAt: since,
		MaxInput: t.Model.ContextLength, MaxOutput: t.Model.MaxOutput,
	}
}

// dateOf is the best that is known of a model's age, the epoch when nothing is:
// clients insist on a date.
func dateOf(m *catalog.Model) time.Time {
	for _, t := range []time.Time{m.Created, m.Modified, m.FirstSeen} {
		if !t.IsZero() {
			return t.UTC().Truncate(time.Second)
		}
	}
	return time.Unix(0, 0).UTC()
}

// A modelList is the list as a whole, a modelPage a part of it: the envelopes
// of the two APIs.
type modelList struct {
	Object string        `json:"object"`
	Data   []modelObject `json:"data"`
}

type modelPage struct {
	Data    []modelObject `json:"data"`
	HasMore bool          `json:"has_more"`
	FirstID *string       `json:"first_id"`
	LastID  *string       `json:"last_id"`
}

func (s *Server) listModels(w *response, r *http.Request) {
	sp := s.speakerOf(r)
	listed := s.catalog.Index().Models()
	if !sp.pages {
		w.json(sp.json, modelList{Object: "list", Data: objects(listed)})
		return
	}
	page, err := pageOf(listed, r.URL.Query())
	if err != nil {
		refuse(w, sp, err)
		return
	}
	w.json(sp.json, page)
}

func objects(listed []catalog.Listed) []modelObject {
	list := make([]modelObject, len(listed))
	for i, l := range listed {
		list[i] = newModelObject(l.Name, l.Target)
	}
	return list
}

const (
	pageDefault = 20
	pageMax     = 1000
)

// pageOf cuts the part out of a sorted list that is asked for. A page goes on
// at the right place even when its neighbour has left the list since.
func pageOf(listed []catalog.Listed, q url.Values) (modelPage, error) {
	limit := pageDefault
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > pageMax {
			return modelPage{}, invalid("limit", fmt.Sprintf("limit: must be a number from 1 to %d", pageMax))
		}
		limit = n
	}
	after, before := q.Get("after_id"), q.Get("before_id")
	if after != "" && before != "" {
		return modelPage{}, invalid("before_id", "before_id and after_id exclude each other")
	}
	start, end := 0, len(listed)
	if after != "" {
		start = sort.Search(len(listed), func(i int) bool { return listed[i].Name > after })
	}
	if before != "" {
		end = sort.Search(len(listed), func(i int) bool { return listed[i].Name >= before })
	}
	more := end-start > limit
	if before != "" {
		start = max(start, end-limit)
	} else {
		end = min(end, start+limit)
	}
	page := modelPage{Data: objects(listed[start:end]), HasMore: more}
	if n := len(page.Data); n > 0 {
		page.FirstID, page.LastID = &page.Data[0].ID, &page.Data[n-1].ID
	}
	return page, nil
}

func (s *Server) showModel(w *response, r *http.Request) {
	sp, id := s.speakerOf(r), mux.Vars(r)["id"]
	target, ok := s.seeker.find(r.Context(), id, (*catalog.Index).Resolve)
	if !ok {
		refuse(w, sp, sp.unknown(id, hint(s.catalog.Index().Nearest(id, 3))))
		return
	}
	w.json(sp.json, newModelObject(id, target))
}

// keepModel refuses to delete a model: the catalog says what upstreams have.
func (s *Server) keepModel(w *response, r *http.Request) {
	refuse(w, s.speakerOf(r), &llm.Error{Code: llm.CodeForbidden, Message: "models cannot be deleted here"})
}
