package ingress

import (
	"context"
	"log/slog"
	"maps"
	"sync"

	"github.com/offbeat-studio/allama/shared/idem"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
)

// errUsurped is why a call is ended that another server runs by now.
var errUsurped = &llm.Error{Code: llm.CodeInterrupted, Message: "interrupted: another process has taken the call over"}

// performOnce runs an errand whose key other servers may have been sent, too.
func (e *endpoint) performOnce(d *errand, out *response, body []byte) {
	ctx, cancel := context.WithDeadline(d.request.Context(), out.began.Add(e.server.cfg.RequestTimeout))
	defer cancel()
	book := e.server.errands.book
	for {
		claim, other, err := book.Claim(ctx, d.key, d.print)
		if claim != nil {
			e.answerOnce(d, out, body, claim)
			return
		}
		if err == nil && other.State == idem.Running && other.Print == d.print {
			if other, err = book.Wait(ctx, d.key); err == nil && other.State == "" {
				continue // it has failed, or its server has
			}
		}
		e.repeat(ctx, d, out, other, err)
		return
	}
}

// answerOnce has the call answered under a claim.
func (e *endpoint) answerOnce(d *errand, out *response, body []byte, claim *idem.Claim) {
	ctx, stop := context.WithCancel(d.request.Context())
	var keeping sync.WaitGroup
	keeping.Go(func() {
		if claim.Keep(ctx) != nil {
			d.cancel(errUsurped)
		}
	})
	defer func() {
		stop()
		keeping.Wait()
		e.server.errands.settle(context.WithoutCancel(ctx), d, claim, e.server.log)
	}()
	e.answer(d, out, body)
}

// settle tells other servers what has become of an errand.
func (s *errands) settle(ctx context.Context, d *errand, claim *idem.Claim, log *slog.Logger) {
	var answer idem.Answer
	s.mu.Lock()
	state := d.state
	if state == errandKept {
		answer = d.tape.answer() // which may be dropped at any time
	}
	s.mu.Unlock()
	var err error
	switch state {
	case errandKept:
		if err = claim.Settle(ctx, answer, s.ttl); err == nil {
			return
		}
		log.Warn("an answer cannot be kept for other servers", slog.Any(logging.KeyError, err))
		err = claim.SettleWithout(ctx, s.ttl)
	case errandUnkept:
		err = claim.SettleWithout(ctx, s.ttl)
	default:
		err = claim.Release(ctx)
	}
	if err != nil {
		log.Warn("other servers cannot be told what has become of a call with an Idempotency-Key", slog.Any(logging.KeyError, err))
	}
}

// repeat answers with what another server has been answered; err says why that
// is not known.
func (e *endpoint) repeat(ctx context.Context, d *errand, out *response, other idem.Record, err error) {
	s := e.server.errands
	s.forget(d) // all of it is in the book
	var body []byte
	switch {
	case err != nil:
		err = errNoBook(err)
	case other.Print != "" && other.Print != d.print: // one of a later version may have none
		err = errOther
	case other.State == idem.Unkept:
		err = errUnkept
	default:
		if body, err = s.book.Answer(ctx, d.key, other); err != nil {
			err = errNoBook(err)
		}
	}
	if err != nil {
		e.refuse(out, d.request, err)
		return
	}
	maps.Copy(out.Header(), other.Header)
	out.Header().Set(headerReplayed, "true")
	out.WriteHeader(other.Status)
	_, _ = out.Write(body) // a tape takes everything
	e.logReplay(ctx, out)
}
