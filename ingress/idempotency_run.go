package ingress

import "net/http"

// serveApart serves a call that may be that of other requests, too, or go on
// without its client: as an errand.
func (e *endpoint) serveApart(w *response, r *http.Request, t terms) {
	s := e.server
	body, err := readBody(w, r, s.cfg.MaxBodyBytes)
	if err != nil {
		e.refuse(w, r, err)
		return
	}
	print := ""
	if t.key != "" {
		print = printOf(e.route, r.Header, body)
	}
	d, rd, first, err := s.errands.join(r, t, print)
	if err != nil {
		e.refuse(w, r, err)
		return
	}
	defer s.errands.leave(d, rd)
	w.call = true
	if first {
		go e.perform(d, s.errands.recording(d, w), body) // the errands wait for it
	} else {
		w.Header().Set(headerReplayed, "true")
		defer e.logReplay(r.Context(), w)
	}
	w.follow(r.Context(), rd)
}

// refuse answers a call that is not run.
func (e *endpoint) refuse(w *response, r *http.Request, err error) {
	e.carry(w, r, func(*exchange, *http.Request) error { return err })
}

// recording is the response to an errand, of which w is the one to its first
// client.
func (s *errands) recording(d *errand, w *response) *response {
	out := newResponse(d.tape, w.id)
	out.key, out.strict, out.admin, out.share, out.began = w.key, w.strict, w.admin, w.share, w.began
	out.leased = func() { s.begin(d) }
	return out
}

// perform runs an errand.
func (e *endpoint) perform(d *errand, out *response, body []byte) {
	defer e.server.errands.end(d)
	defer func() { d.tape.end(recover() != nil) }() // catch has logged why
	defer e.server.catch(out, d.request)
	if d.key == "" || e.server.errands.book == nil {
		e.answer(d, out, body)
		return
	}
	e.performOnce(d, out, body)
}

// answer has the call answered.
func (e *endpoint) answer(d *errand, out *response, body []byte) {
	s := e.server.errands
	e.carry(out, d.request, func(x *exchange, r *http.Request) error {
		err := x.handle(r, body)
		if !x.lasts(err, r) {
			s.forget(d) // before the client knows: it may send the call again at once
		}
		return err
	})
	s.keep(d)
	d.tape.end(false)
}
