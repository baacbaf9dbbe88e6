package ingress

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/queue"
)

// A board has a slip of each exchange that goes on at the server, for those who
// want to see it or to end it. It is safe for concurrent use.
type board struct {
	mu    sync.Mutex
	slips map[string]*slip // by the id of the request
}

// A slip is what others may see of an exchange. It is safe for concurrent use.
type slip struct {
	id     string
	key    string // the name of the client's
	since  time.Time
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	model   string // as the client names it
	class   queue.Class
	manages bool // it does not queue
	tries   []try
}

// A try is an attempt of an exchange at a target.
type try struct {
	Provider string     `json:"provider"`
	Model    string     `json:"model"` // as the provider names it
	Began    time.Time  `json:"began"`
	Ended    *time.Time `json:"ended,omitempty"` // missing: it goes on
	Error    llm.Code   `json:"error,omitempty"`
	Message  string     `json:"message,omitempty"` // the reason
}

const (
	maxTries  = 8   // that are kept of an exchange
	maxReason = 200 // bytes of one
)

// errEnded is why a call is ended by an operator, or by its client by another
// request.
var errEnded = errors.New("the call was canceled")

// enter puts an exchange up. The request that it returns is the one to go on
// with: it is ended when somebody wants the exchange to be.
func (b *board) enter(w *response, r *http.Request) (*slip, *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	s := &slip{id: w.id, key: w.key, since: w.began, cancel: cancel}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slips[s.id] = s
	return s, r.WithContext(ctx)
}

func (b *board) leave(s *slip) {
	s.cancel(nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.slips, s.id)
}

// all returns the slips of the exchanges that have come as far as to a
// provider.
func (b *board) all() map[string]*slip {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make(map[string]*slip, len(b.slips))
	for id, s := range b.slips {
		if s.begun() {
			all[id] = s
		}
	}
	return all
}

// end ends an exchange, if whoever asks may, and reports whether it was there.
func (b *board) end(e ending) bool {
	b.mu.Lock()
	s := b.slips[e.ID]
	b.mu.Unlock()
	if s == nil || !e.All && s.key != e.Key {
		return false
	}
	s.cancel(errEnded)
	return true
}

func (s *slip) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tries) > 0
}

// begins takes note of an attempt at the exchange's target.
func (s *slip) begins(x *exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.model, s.class = x.model, x.claim.Class
	s.manages = x.endpoint.route.Task == llm.TaskManage
	if len(s.tries) == maxTries { // the first one says why there were others
		s.tries = append(s.tries[:1], s.tries[2:]...)
	}
	s.tries = append(s.tries, try{Provider: x.target.Provider.Name, Model: x.target.Upstream, Began: time.Now()})
}

// fails takes note of how the attempt has ended.
func (s *slip) fails(e *llm.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := &s.tries[len(s.tries)-1]
	last.Ended, last.Error = new(time.Now()), e.Code
	last.Message = strings.ToValidUTF8(e.Message[:min(len(e.Message), maxReason)], "")
}

// shown is the slip without what only others know of the call.
func (s *slip) shown() shownCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := shownCall{ID: s.id, Key: s.key, Class: s.class, Model: s.model, Stage: queue.Waiting, Since: s.since}
	if s.manages {
		c.Stage = queue.Running
	}
	c.Attempts = append(c.Attempts, s.tries...)
	c.Provider = c.Attempts[len(c.Attempts)-1].Provider
	return c
}
