package ingress

import (
	"net/http"
	"strconv"
	"time"

	"github.com/offbeat-studio/allama/shared/queue"
)

// peerID is how long the id is by which clients tell servers apart.
const peerID = 8

// A queueObject is what waits and runs in the whole cluster.
type queueObject struct {
	Object    string      `json:"object"`
	Ingresses int         `json:"ingresses"` // that have told
	Providers []shownRoom `json:"providers"`
	Calls     []shownCall `json:"calls"`
	More      int         `json:"calls_left_out,omitempty"`
}

// A shownRoom is what there is to see of a provider's calls, over all servers.
type shownRoom struct {
	Name      string              `json:"name"`
	State     queue.State         `json:"state"`
	Waiting   map[queue.Class]int `json:"waiting"` // for their turn
	Queued    int                 `json:"queued"`  // on their way to a worker
	Running   int                 `json:"running"`
	Cap       int                 `json:"cap"`                // the most that run at once; 0: there is none
	Window    int                 `json:"window"`             // the most that are on their way at once
	Depth     int                 `json:"depth"`              // the most that wait at once
	Oldest    int64               `json:"oldest_ms"`          // for how long the oldest of those that wait has
	PerMinute int                 `json:"calls_per_minute"`   // that have begun
	Allowed   float64             `json:"allowed_per_minute"` // by the provider's pace; 0: nobody knows of one
	Expected  int64               `json:"expected_wait_ms"`   // of a newcomer; 0: none, or nobody can say
	Workers   int                 `json:"workers"`
	Paused    *time.Time          `json:"paused_until"` // because the provider has asked for it; null: it has not
}

// showQueue tells what waits and runs. Only those who may are told of the calls
// of others.
func (s *Server) showQueue(w *response, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	limit, err := limitOf(r.URL.Query().Get("limit"))
	if err != nil {
		refuse(w, s.speakerOrFirst(r), err)
		return
	}
	looks := s.survey(r.Context(), query{Key: w.key, All: s.seesAll(r), Limit: limit})
	o := queueObject{Object: "queue", Ingresses: len(looks), Calls: []shownCall{}, Providers: s.shownRooms(looks)}
	for _, l := range looks {
		o.Calls = append(o.Calls, l.Calls...)
		o.More += l.More
	}
	sortCalls(o.Calls)
	if limit != nil && len(o.Calls) > *limit {
		o.More += len(o.Calls) - *limit
		o.Calls = o.Calls[:*limit]
	}
	w.json(contentJSON, o)
}

// limitOf reads how many calls a client wants to see at the most; nil: as many as
// there is room for.
func limitOf(text string) (*int, error) {
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return nil, invalid("limit", "limit must be a whole number, and not negative")
	}
	return new(int(n)), nil
}

// shownRooms sums up what servers say of providers, of which all are shown that
// the catalog knows.
func (s *Server) shownRooms(looks []outlook) []shownRoom {
	rooms, at := []shownRoom{}, map[string]int{}
	room := func(provider string) *shownRoom {
		i, ok := at[provider]
		if !ok {
			i, at[provider] = len(rooms), len(rooms)
			rooms = append(rooms, s.newRoom(provider))
		}
		return &rooms[i]
	}
	for _, p := range s.catalog.Index().Providers() {
		room(p.Name)
	}
	for _, l := range looks {
		for _, status := range l.Rooms {
			room(status.Provider).add(status)
		}
	}
	return rooms
}

// newRoom returns a room without calls.
func (s *Server) newRoom(provider string) shownRoom {
	load := s.owner.Load(provider)
	r := shownRoom{
		Name: provider, State: s.state(provider), Waiting: map[queue.Class]int{queue.Priority: 0, queue.Default: 0, queue.Flex: 0},
		Cap: load.Cap, Allowed: load.PerMinute, Workers: s.owner.Workers(provider),
	}
	if load.PausedUntil.After(time.Now()) {
		r.Paused = &load.PausedUntil
	}
	return r
}

// add adds what one server says of its room. A newcomer may come to any of
// them.
func (r *shownRoom) add(s queue.Status) {
	for class, n := range s.Waiting {
		r.Waiting[class] += n
	}
	r.Queued += s.Queued
	r.Running += s.Running
	r.Window += s.Window
	r.Depth += s.Depth
	r.PerMinute += s.PerMinute
	r.Cap = max(r.Cap, s.Cap)
	r.Oldest = max(r.Oldest, s.Oldest.Milliseconds())
	r.Expected = max(r.Expected, s.Expected.Milliseconds())
}
