package ingress

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
)

const (
	// manageTimeout is for whoever keeps the roster, who waits for a file that
	// is locked, or for a provider that is silent.
	manageTimeout = 15 * time.Second

	maxChange = 64 << 10 // bytes of the body of a change
)

// Providers are managed by whoever is asked through Ask; the keys that clients
// give are sealed first, so that nobody on the way can read them.
type Providers struct {
	Ask    func(context.Context, roster.Request) (roster.Answer, error) // nil: nobody manages providers
	Sealer *roster.Sealer                                               // nil: no key can be taken
}

// addProviders adds the routes by which providers are managed.
func (s *Server) addProviders(add func(path string, h handler, methods ...string)) {
	const all, one = "/api/v1/providers", "/api/v1/providers/{name}"
	add(all, s.managing(s.listProviders), http.MethodGet, http.MethodHead)
	add(all, s.managing(s.addProvider), http.MethodPost)
	add(one, s.managing(s.showProvider), http.MethodGet, http.MethodHead)
	add(one, s.managing(s.changeProvider), http.MethodPatch)
	add(one, s.managing(s.removeProvider), http.MethodDelete)
	add(one+"/test", s.managing(s.testProvider), http.MethodPost)
	for path, state := range map[string]roster.State{"/pause": roster.Paused, "/resume": roster.Open, "/drain": roster.Draining} {
		add(one+path, s.managing(s.steers(state)), http.MethodPost)
	}
}

// managing lets only those manage providers who may, and only on purpose: a
// form in somebody's web page cannot send JSON.
func (s *Server) managing(do func(w *response, r *http.Request) error) handler {
	return func(w *response, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		err := s.mayManage(r)
		if err == nil {
			err = do(w, r)
		}
		if err != nil {
			refuse(w, s.speakerOrFirst(r), err)
		}
	}
}

// mayManage says whether a request may manage providers. With keys, that takes
// one of an admin. Without any, it takes a server that listens on loopback alone,
// and a request that comes from this machine, calls it by a name of loopback,
// and is neither passed on by a proxy nor sent by a browser for a page of another
// origin: whoever can do that is a user of this machine.
func (s *Server) mayManage(r *http.Request) error {
	key, err := s.authenticate(r.Header)
	forbidden := func(message string) error { return &llm.Error{Code: llm.CodeForbidden, Message: message} }
	switch {
	case err != nil:
		return err
	case s.keys != nil && !key.admin:
		return forbidden("this key may not manage providers; whoever runs allama can put [admin] behind it in ALLAMA_KEYS_FILE")
	case s.keys == nil && (!isLoopback(s.cfg.host()) || !isLocal(r) || forwarded(r)):
		return forbidden("providers can be managed only with a key where other machines can call: set ALLAMA_KEYS_FILE, and put [admin] behind the key of whoever may")
	case fromElsewhere(r):
		return forbidden("web pages of another origin may not manage providers")
	case s.providers.Ask == nil:
		return &llm.Error{Code: llm.CodeOverloaded, Message: "providers cannot be managed here"}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return &fault{http.StatusUnsupportedMediaType, &llm.Error{Code: llm.CodeInvalid, Message: "send Content-Type: application/json"}}
		}
	}
	return nil
}

// isLocal reports whether a request is from this machine, and calls it by a name
// that no other machine has.
func isLocal(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return isLoopback(strings.ToLower(strings.Trim(host, "[]")))
}

// forwarded reports whether a proxy says that the request is somebody else's,
// who may be anywhere.
func forwarded(r *http.Request) bool {
	return slices.ContainsFunc([]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"}, func(name string) bool {
		return r.Header.Get(name) != ""
	})
}

// fromElsewhere reports whether a browser sends the request for a page that is
// not of this server, though it may be one that may make calls.
func fromElsewhere(r *http.Request) bool {
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return true
		}
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "" && site != "same-origin" && site != "none"
}

// askRoster has something done, and says who asked for it. What is no name is
// neither asked about nor repeated: it may be long, or meant to be taken for
// something else in a log.
func (s *Server) askRoster(w *response, r *http.Request, ask roster.Request) (roster.Answer, error) {
	if ask.Name != "" && !roster.ValidName(ask.Name) {
		return roster.Answer{}, &llm.Error{Code: llm.CodeNotFound, Message: "there is no provider of that name"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), manageTimeout)
	defer cancel()
	a, err := s.providers.Ask(ctx, ask)
	switch {
	case errors.Is(err, bus.ErrNoSync):
		err = &llm.Error{Code: llm.CodeOverloaded, Message: err.Error(), RetryAfter: time.Second}
	case err != nil:
		err = &llm.Error{Code: llm.CodeTimeout, Message: "whoever keeps the providers did not answer in time", Err: err}
	case a.Error != nil && a.Conflict:
		err = &fault{http.StatusConflict, a.Error}
	case a.Error != nil:
		err = a.Error
	}
	s.seeker.catchUp(ctx, a.Revision) // so that whoever has asked finds here what has changed
	if ask.Action != roster.List {
		attrs := []slog.Attr{
			slog.String(logging.KeyRequest, w.id), slog.String("action", string(ask.Action)),
			slog.String(logging.KeyProvider, ask.Name), slog.String("key", w.key), slog.Bool("done", err == nil),
		}
		if err != nil {
			attrs = append(attrs, slog.Any(logging.KeyError, err))
		}
		s.log.LogAttrs(r.Context(), slog.LevelInfo, "providers managed", attrs...)
	}
	return a, err
}

func (s *Server) listProviders(w *response, r *http.Request) error {
	a, err := s.askRoster(w, r, roster.Request{Action: roster.List})
	if err != nil {
		return err
	}
	w.json(contentJSON, providerList{Object: "list", Data: s.providerObjects(a.Providers)})
	return nil
}

func (s *Server) showProvider(w *response, r *http.Request) error {
	return s.answerWith(w, r, http.StatusOK, roster.Request{Action: roster.List, Name: mux.Vars(r)["name"]})
}

func (s *Server) addProvider(w *response, r *http.Request) error {
	return s.setProvider(w, r, http.StatusCreated, roster.Add, "")
}

func (s *Server) changeProvider(w *response, r *http.Request) error {
	return s.setProvider(w, r, http.StatusOK, roster.Change, mux.Vars(r)["name"])
}

func (s *Server) setProvider(w *response, r *http.Request, status int, action roster.Action, name string) error {
	body, err := readBody(w, r, maxChange)
	if err != nil {
		return err
	}
	c, err := readChange(body, name, s.providers.Sealer)
	if err != nil {
		return err
	}
	a, err := s.askRoster(w, r, roster.Request{Action: action, Name: c.name, Set: c.set, Problems: c.problems})
	if refusal := c.problems.Refusal(); refusal != nil && (err == nil || isUnanswered(err)) {
		return refusal // nobody has looked for more
	}
	if err != nil {
		return err
	}
	return s.showOne(w, status, a)
}

// isUnanswered reports whether an error is that nobody has answered.
func isUnanswered(err error) bool {
	e, ok := errors.AsType[*llm.Error](err)
	return ok && (e.Code == llm.CodeOverloaded || e.Code == llm.CodeTimeout)
}

// answerWith answers with the provider that was asked about.
func (s *Server) answerWith(w *response, r *http.Request, status int, ask roster.Request) error {
	a, err := s.askRoster(w, r, ask)
	if err != nil {
		return err
	}
	return s.showOne(w, status, a)
}

// showOne answers with the only provider of an answer.
func (s *Server) showOne(w *response, status int, a roster.Answer) error {
	if len(a.Providers) != 1 {
		return errors.New("the answer is not about one provider")
	}
	w.jsonAs(status, contentJSON, s.providerObjects(a.Providers)[0])
	return nil
}

func (s *Server) removeProvider(w *response, r *http.Request) error {
	name := mux.Vars(r)["name"]
	if _, err := s.askRoster(w, r, roster.Request{Action: roster.Remove, Name: name}); err != nil {
		return err
	}
	w.json(contentJSON, deletedProvider{Name: name, Object: "provider", Deleted: true})
	return nil
}

func (s *Server) testProvider(w *response, r *http.Request) error {
	name := mux.Vars(r)["name"]
	a, err := s.askRoster(w, r, roster.Request{Action: roster.Test, Name: name})
	if err != nil {
		return err
	}
	if a.Tested == nil {
		return errors.New("the answer has no test in it")
	}
	w.json(contentJSON, testedProvider{
		Name: name, OK: a.Tested.Error == "", Models: a.Tested.Models, Millis: a.Tested.Took.Milliseconds(), Error: a.Tested.Error,
	})
	return nil
}
