package ingress

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// settleWait is how long the end of a change waits for the catalog to know of
// it, so that whoever lists the models next sees it.
const settleWait = 2 * time.Second

// A change is a call that changes which models an Ollama has.
type change struct {
	operation string
	method    string // of HTTP
	progress  bool   // answered by lines; how long that takes nobody knows

	// place finds the Ollama for it, and writes into w what that is to be sent.
	// One without a provider says that there is nothing to be done.
	place func(s *Server, ctx context.Context, w *wish) (place, error)

	// missing is the error for a model that the Ollama does not have; nil: its
	// own is passed on.
	missing func(w *wish) error
}

var changes = []*change{
	{operation: ollama.Pull, method: http.MethodPost, progress: true, place: (*Server).placeToPull},
	{operation: ollama.Push, method: http.MethodPost, progress: true, place: (*Server).placeToPush},
	{operation: ollama.Create, method: http.MethodPost, progress: true, place: (*Server).placeToCreate},
	{operation: ollama.Copy, method: http.MethodPost, place: (*Server).placeToCopy, missing: noSource},
	{operation: ollama.Delete, method: http.MethodDelete, place: (*Server).placeToDelete, missing: noModel},
}

// manages returns the handler for a call to an Ollama other than for an answer
// of a model; run returns what endpoints' calls return.
func (s *Server) manages(operation string, run func(x *exchange, r *http.Request) error) handler {
	sp := s.speakers[len(s.speakers)-1]
	e := &endpoint{
		server: s, speaker: sp, framing: sp.Framing(operation),
		route: dialect.Route{Path: "/api/" + operation, Operation: operation, Task: llm.TaskManage},
	}
	return func(w *response, r *http.Request) { e.carry(w, r, run) }
}

// A wish is the body of a change, as far as it must be known.
type wish struct {
	model       string // as the client names it; the source of a copy
	destination string
	from        string
	files       bool // it is made of files that were sent before
	stream      bool
	body        []byte // for the Ollama
	named       []string
}

func readWish(body []byte) (*wish, error) {
	found, err := pick(body, "model", "name", "stream", "source", "destination", "from", "files", "adapters")
	if err != nil {
		return nil, err
	}
	w := &wish{stream: true, body: body, files: !rawjson.IsNull(found["files"]) || !rawjson.IsNull(found["adapters"])}
	for name, into := range map[string]*string{"destination": &w.destination, "from": &w.from} {
		if err := readField(picked{name: name, value: found[name]}, into, "a string"); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"name", "model", "source"} { // model counts where name is there, too
		value := ""
		if err := readField(picked{name: name, value: found[name]}, &value, "a string"); err != nil {
			return nil, err
		}
		if len(value) > maxModel {
			return nil, invalid(name, ollama.InvalidName)
		}
		if value != "" {
			w.model, w.named = value, append(w.named, name)
		}
	}
	return w, readField(picked{name: "stream", value: found["stream"]}, &w.stream, "a boolean")
}

// set writes a field into the body.
func (w *wish) set(field string, value []byte) { w.body = rawjson.Set(w.body, field, value) }

// call has the model called by the name that it has at its Ollama.
func (w *wish) call(name string) {
	for _, field := range w.named {
		w.set(field, rawjson.String(name))
	}
}

// run performs a change.
func (c *change) run(x *exchange, r *http.Request) error {
	s := x.endpoint.server
	if err := x.mayChange(); err != nil {
		return err
	}
	body, err := readBody(x.out, r, s.cfg.MaxBodyBytes)
	if err != nil {
		return err
	}
	w, err := readWish(body)
	if err != nil {
		return err
	}
	x.model, x.body, x.stream = w.model, body, c.progress && w.stream
	p, err := c.place(s, r.Context(), w)
	if err != nil {
		return err
	}
	if p.provider == nil {
		return x.nothingToDo()
	}
	x.target = p.target()
	job := x.managing(c.operation, c.method)
	if job.Stream = c.progress; c.progress {
		// The lines are signs of life, whatever the client wants to see of
		// them: it is silence that ends such a call, not its length.
		w.set("stream", []byte("true"))
		job.Deadline = time.Time{}
	}
	job.Body = w.body
	err = x.relay(r.Context(), job)
	if c.operation == ollama.Delete && x.attempts > 1 && llm.AsError(err) != nil && llm.AsError(err).Status == http.StatusNotFound {
		return x.deleted() // by the attempt whose worker was lost
	}
	return c.told(err, w)
}

// deleted answers that a model is gone.
func (x *exchange) deleted() error {
	x.endpoint.server.settle(x.target.Provider.Name, x.target.Model.ID)
	return gone(x.out.body(http.StatusOK, "", nil))
}

// managing returns a job for the Ollama that x is for.
func (x *exchange) managing(operation, method string) *bus.Job {
	return &bus.Job{
		Request: strings.TrimPrefix(x.out.id, idPrefix), Provider: x.target.Provider.Name, Model: x.target.Upstream,
		Encoding: bus.Native, Dialect: x.endpoint.speaker.Name(), Operation: operation, Method: method, Task: llm.TaskManage,
		Deadline: x.out.began.Add(x.endpoint.server.cfg.RequestTimeout), Caller: callerOf(x.out.key),
	}
}

// mayChange says whether a client may do more than make use of what models
// there are.
func (s *Server) mayChange(w *response) bool { return s.keys == nil || w.admin }

func (x *exchange) mayChange() error {
	if !x.endpoint.server.mayChange(x.out) {
		return &llm.Error{Code: llm.CodeForbidden, Message: "this API key may not change which models there are"}
	}
	return nil
}

// told returns a failure of the upstream in the words and with the status that
// clients look for.
func (c *change) told(err error, w *wish) error {
	e := llm.AsError(err)
	switch {
	case e == nil:
		return nil
	case e.Status == http.StatusNotFound && c.missing != nil:
		return c.missing(w)
	case e.Code == llm.CodeModelNotFound && e.Status == 0: // not in an Ollama's words
		return &llm.Error{Code: llm.CodeUpstream, Message: "the provider does not let its models be managed", Err: e}
	case c.progress && e.Code == llm.CodeUpstream && e.Status == 0:
		return &fault{http.StatusInternalServerError, e}
	}
	return err
}

// nothingToDo answers as if all was done.
func (x *exchange) nothingToDo() error {
	contentType, success := x.endpoint.speaker.json, []byte(`{"status":"success"}`)
	if x.stream {
		contentType, success = x.endpoint.framing.ContentType, append(success, '\n')
	}
	return gone(x.out.body(http.StatusOK, contentType, success))
}

// settle has the catalog know of a change; gone is the model that was deleted.
func (s *Server) settle(provider, gone string) {
	ctx, cancel := context.WithTimeout(context.Background(), settleWait)
	defer cancel()
	if _, err := s.seeker.refresh(ctx, catalog.RefreshRequest{Provider: provider, Gone: gone}); err != nil {
		s.log.Debug("no sync after a change of the models", slog.String(logging.KeyProvider, provider), slog.Any(logging.KeyError, err))
	}
}
