package ingress

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/queue"
)

// A query asks the servers of a cluster what waits and runs.
type query struct {
	From string `json:"from"`          // the server that asks, which need not answer
	Key  string `json:"key,omitempty"` // whose calls are to be shown
	All  bool   `json:"all,omitempty"` // everybody's are

	Limit *int `json:"limit,omitempty"` // how many calls are to be shown at the most; nil: as many as fit
}

// An outlook is what one server has to say.
type outlook struct {
	Server string         `json:"server"`
	Rooms  []queue.Status `json:"rooms"` // without calls
	Calls  []shownCall    `json:"calls"`
	More   int            `json:"more,omitempty"` // calls that are left out, for there are too many
}

// A shownCall is a call as clients see it.
type shownCall struct {
	ID       string      `json:"id"`
	Key      string      `json:"key,omitempty"`
	Class    queue.Class `json:"class"`
	Model    string      `json:"model"`
	Provider string      `json:"provider"`
	Stage    queue.Stage `json:"state"`
	Position int         `json:"position,omitempty"` // among those that wait at the same ingress; missing: it does not wait for its turn
	Since    time.Time   `json:"since"`
	Ingress  string      `json:"ingress"`
	Attempts []try       `json:"attempts"`
}

// maxOutlook is how many bytes a server tells: what NATS takes as one message, with
// some room.
const maxOutlook = 900 << 10

// look returns what is to be seen at this server. Of too many calls there is only
// a part, but all are counted.
func (s *Server) look(q query) outlook {
	slips, rooms := s.board.all(), s.gate.Snapshot()
	o := outlook{Server: s.cluster.id, Rooms: rooms, Calls: []shownCall{}}
	left := maxOutlook - sizeOf(o.Server) - len(rooms)*roomSize
	add := func(c shownCall) {
		if !q.All && c.Key != q.Key {
			return
		}
		if c.Ingress = s.cluster.id; left > 0 && (q.Limit == nil || len(o.Calls) < *q.Limit) {
			left -= sizeOf(c)
		} else {
			left = 0 // those behind it are not shown in its place
		}
		if left <= 0 {
			o.More++
			return
		}
		o.Calls = append(o.Calls, c)
	}
	for i := range rooms {
		for _, at := range rooms[i].Calls {
			id := idOf(at.ID)
			if slip := slips[id]; slip != nil {
				c := slip.shown()
				c.Provider, c.Stage, c.Position = rooms[i].Provider, at.Stage, at.Position
				add(c)
				delete(slips, id)
			}
		}
		rooms[i].Calls = nil
	}
	// Those that are between two attempts, and those that do not queue.
	for _, slip := range slices.SortedFunc(maps.Values(slips), func(a, b *slip) int { return a.since.Compare(b.since) }) {
		add(slip.shown())
	}
	return o
}

// idOf is the id of the request that a job is for: see [exchange.token].
func idOf(token string) string {
	request, _, _ := strings.Cut(token, "-")
	return idPrefix + request
}

// roomSize is more than what a room takes without its calls.
const roomSize = 500

// sizeOf is how many bytes a value takes in a message.
func sizeOf(v any) int {
	text, err := json.Marshal(v)
	if err != nil {
		return 0 // it will be said of the message
	}
	return len(text) + 1
}

// sortCalls puts calls in the order in which they are shown: by provider, those
// that run first, then by their turn. Those of one server with the same position
// stay in the order in which it tells of them, which is that of their turns: a
// position does not rise when another call overtakes.
func sortCalls(calls []shownCall) {
	order := map[queue.Stage]int{queue.Running: 0, queue.Queued: 1, queue.Waiting: 2}
	slices.SortStableFunc(calls, func(a, b shownCall) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(order[a.Stage], order[b.Stage]),
			cmp.Compare(a.Position, b.Position), cmp.Compare(a.Ingress, b.Ingress))
	})
}
