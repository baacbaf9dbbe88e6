package ingress

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// An endpoint serves one model call of a dialect. It is the same for all of
// them: read the body, find the model, hand the call to the bus, write what
// comes back.
type endpoint struct {
	server  *Server
	speaker *speaker
	route   dialect.Route
	framing dialect.Framing
}

// An exchange is one request to an endpoint, and what becomes of it.
type exchange struct {
	endpoint *endpoint
	out      *response
	model    string // as the client names it
	target   catalog.Route
	stream   bool
	body     []byte // as the client sent it, unless it is renamed
	renamed  bool   // the body has the name by which a target knows the model
	delivery
	stay
	slip   *slip
	course *course // nil where the client has named the target itself
	err    error
}

// A delivery is what becomes of an exchange at one target.
type delivery struct {
	encoder  dialect.Encoder    // nil where the upstream speaks the client's dialect, and for embeddings
	embed    *dialect.EmbedCall // nil but for embeddings, where the upstream does not speak the client's dialect
	warnings []llm.Warning      // of reading the request
	failer   failer             // ends the stream that the client gets a part of; nil: any frame does
	bare     bool               // the stream has no frames: it is a sound
	usage    *llm.Usage
	refused  bool // the failure is the target's, not allama's
	answered bool // content has gone to the client, or has begun to
}

func (e *endpoint) serve(w *response, r *http.Request) {
	switch t, err := e.termsOf(w, r.Header); {
	case err != nil:
		e.refuse(w, r, err)
	case t == terms{}:
		e.carry(w, r, (*exchange).run)
	default:
		e.serveApart(w, r, t)
	}
}

// carry has a call run, tells the client where that fails, and logs it.
func (e *endpoint) carry(w *response, r *http.Request, run func(*exchange, *http.Request) error) {
	w.call = true
	x := &exchange{endpoint: e, out: w}
	x.slip, r = e.server.board.enter(w, r)
	defer e.server.board.leave(x.slip)
	x.err = run(x, r)
	cut := x.bare && x.out.status != 0
	if x.err != nil {
		x.fail(r.Context())
	}
	x.log(r.Context())
	x.count()
	if x.err != nil && cut { // nothing else can say that a part is missing
		panic(http.ErrAbortHandler)
	}
}

// run answers the request, or returns the error that the client is to be told.
func (x *exchange) run(r *http.Request) error {
	body, err := readBody(x.out, r, x.endpoint.server.cfg.MaxBodyBytes)
	if err != nil {
		return err
	}
	return x.handle(r, body)
}

// handle is run for a body that has been read.
func (x *exchange) handle(r *http.Request, body []byte) error {
	p, err := x.endpoint.peek(r.Header, body)
	if err != nil {
		return err
	}
	x.model, x.body = p.model, body
	x.stream = p.stream && x.endpoint.framing.Error != nil
	if err := x.claims(r.Header, p); err != nil {
		return err
	}
	if err := x.resolve(r.Context()); err != nil {
		return err
	}
	strict, err := x.out.strictly(r.Header)
	if err != nil {
		return err
	}
	return x.attempt(r, strict)
}

// resolve finds out who serves the model. A request without one is left to the
// dialect, which knows how to refuse it.
func (x *exchange) resolve(ctx context.Context) error {
	if x.model == "" {
		if err := x.endpoint.check(x.body); err != nil {
			return err
		}
		return invalid("model", "model is required")
	}
	s := x.endpoint.server
	var route catalog.Route
	_, ok := s.seeker.find(ctx, x.model, func(i *catalog.Index, name string) (t catalog.Target, ok bool) {
		route, ok = i.Reach(name)
		return route.Target, ok
	})
	if !ok {
		return x.endpoint.unknown(x.model, hint(s.catalog.Index().Nearest(x.model, 3)))
	}
	x.target = route
	return nil
}

// check returns the error of the dialect for a body that is no request.
func (e *endpoint) check(body []byte) (err error) {
	switch e.route.Task {
	case llm.TaskEmbed:
		_, err = e.decodeEmbed(body)
	case llm.TaskMedia: // all that is known of it is the model
	default:
		_, err = e.speaker.Decode(e.route.Operation, body)
	}
	return err
}

// unknown is the error for a model that there is not.
func (e *endpoint) unknown(model, nearest string) error {
	if e.route.Task == llm.TaskEmbed && e.speaker.unknownEmbed != nil {
		return e.speaker.unknownEmbed(model)
	}
	return e.speaker.unknown(model, nearest)
}

// errStopping is why the last calls are cancelled when the server stops.
var errStopping = errors.New("allama is shutting down")

// fail tells the client about the error: by a status where none was sent yet,
// otherwise by the last frame of the stream. A client that has left is told,
// too, as far as it can be written to: it may have closed only its own side,
// and must not take an empty answer, or a part of one, for the whole.
func (x *exchange) fail(ctx context.Context) {
	x.err = x.lost(x.err)
	_, ours := errors.AsType[*fault](x.err) // a body that comes too slowly ends ctx as well
	switch {
	case errors.Is(context.Cause(ctx), errStopping):
		x.err = &llm.Error{Code: llm.CodeOverloaded, Message: errStopping.Error(), RetryAfter: time.Second}
		if x.out.status != 0 {
			x.err = &llm.Error{Code: llm.CodeInterrupted, Message: "stream interrupted: " + errStopping.Error()}
		}
	case errors.Is(context.Cause(ctx), errEnded):
		x.err = &llm.Error{Code: llm.CodeOverloaded, Message: errEnded.Error()}
		x.out.Header().Set(headerShouldRetry, "false")
		if x.out.status != 0 {
			x.err = &llm.Error{Code: llm.CodeInterrupted, Message: "stream interrupted: " + errEnded.Error()}
		}
	case errors.Is(context.Cause(ctx), errUsurped):
		x.err = errUsurped
	case errors.Is(x.err, errWrite):
		return
	case ctx.Err() != nil && !ours && llm.AsError(x.err).Code != llm.CodeCanceled:
		x.err = &llm.Error{Code: llm.CodeCanceled, Message: "request canceled", Err: x.err}
	}
	switch {
	case x.out.status == 0:
		if x.target.Provider != nil {
			x.modelHeaders()
			x.stay.headers(x.out.Header())
		}
		refuse(x.out, x.endpoint.speaker, x.err)
	case x.stream && !x.bare:
		_, _ = x.out.Write(x.lastFrame(llm.AsError(x.err))) // the handler ends, whatever comes of it
	}
}

// lastFrame ends a stream that has failed.
func (x *exchange) lastFrame(e *llm.Error) []byte {
	if x.failer != nil {
		return x.failer.Fail(nil, e)
	}
	return x.endpoint.framing.Error(e)
}
