package ingress

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/queue"
	"github.com/offbeat-studio/allama/shared/scratch"
)

// A relay writes the answer to one call to the client, as it comes.
//
// Nothing is written before there is content, so that a call that fails until
// then gets a real status, and may be tried again on another worker. Only a
// long silence is broken earlier, where the dialect has a way to.
type relay struct {
	*exchange
	cancel context.CancelCauseFunc // of the call

	mu        sync.Mutex  // guards what follows, the response, and the stay: a timer writes, too
	pass      *queue.Pass // nil before there is one, and for calls that do not queue
	call      *bus.Call   // nil before it is made
	head      bus.Head
	answer    answer          // of the current attempt; nil before its head
	heads     int             // that came, one for each attempt
	whole     bool            // the answer is one body
	pending   *scratch.Buffer // what is to be written; nil: nothing, or not yet
	content   bool            // whether there is content in pending
	committed bool            // whether content was written
	last      time.Time
	silence   *time.Timer // nil where nothing may be sent
	over      bool
}

// errWrite is why a call is cancelled when its client takes nothing any more.
var errWrite = errors.New("the client cannot be written to")

func newRelay(x *exchange, cancel context.CancelCauseFunc) *relay {
	return &relay{exchange: x, cancel: cancel, last: time.Now()}
}

// run writes the answer. It returns the error with which the call has failed,
// of which the client has not been told yet.
func (r *relay) run(ctx context.Context) error {
	for batch, err := range r.call.Batches(ctx) {
		if err != nil {
			return err
		}
		if done, err := r.take(batch); done || err != nil {
			return err
		}
	}
	return &llm.Error{Code: llm.CodeInterrupted, Message: "stream interrupted: the answer has no end"}
}

// take writes a batch. It reports whether that was the last one.
func (r *relay) take(b bus.Batch) (done bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range b.Messages {
		switch m := m.(type) {
		case bus.Head:
			err = r.open(m)
		case bus.Data:
			err = r.add(m)
		case bus.End:
			err = r.end(b.Attempt, m)
			r.clear()
			return true, err
		}
		if err != nil {
			return true, err
		}
	}
	if !r.content {
		return false, nil
	}
	return false, r.flush(b.Attempt)
}

// unsent returns what is pending.
func (r *relay) unsent() []byte {
	if r.pending == nil {
		return nil
	}
	return r.pending.Bytes
}

// clear is for when what is pending was written, or is not to be: until there
// is more, it takes no memory.
func (r *relay) clear() {
	if r.pending != nil {
		r.pending.Return()
	}
	r.pending, r.content = nil, false
}

// open starts over: what came of an earlier attempt was not written.
func (r *relay) open(h bus.Head) error {
	r.clear()
	r.head = h
	if r.endpoint.route.Task == llm.TaskMedia { // whatever was asked for
		r.stream = !h.Whole
		r.bare = r.stream && !strings.HasPrefix(h.ContentType, r.endpoint.framing.ContentType)
	}
	r.whole = h.Whole || !r.stream
	r.heads++
	encoder, err := r.encoderFor(h)
	if err != nil {
		return err
	}
	switch {
	case r.endpoint.route.Task == llm.TaskManage:
		r.head.ContentType, r.answer = "", r.managed(h) // of lines, where one was wanted
	case r.embed != nil:
		r.answer, r.whole = &embedded{call: r.embed}, true
	case encoder != nil && r.stream:
		r.answer, r.whole = &events{encoder: encoder}, false
	case encoder != nil:
		r.answer = &folded{encoder: encoder}
	case r.whole:
		r.answer = &nativeWhole{rename: r.renamer(), size: min(h.Size, maxSize)}
	default:
		r.answer = &nativeStream{rename: r.renamer(), broken: r.endpoint.framing.Broken}
	}
	return nil
}

// encoderFor returns the encoder for an attempt's answer; nil where that is in
// the client's dialect already.
func (r *relay) encoderFor(h bus.Head) (dialect.Encoder, error) {
	switch {
	case r.encoder != nil:
		if r.heads > 1 {
			r.encoder = r.encoder.Restart()
		}
		return r.encoder, nil
	case h.Encoding != bus.Canonical:
		return nil, nil
	}
	// The upstream speaks the client's dialect, but has streamed what was not
	// to be streamed, or the other way round.
	call, err := r.endpoint.speaker.Decode(r.endpoint.route.Operation, r.sent())
	if err != nil {
		return nil, &llm.Error{Code: llm.CodeUpstream, Message: "the upstream did not answer in the form that it was asked for", Err: err}
	}
	return call.Encoder, nil
}

func (r *relay) add(piece []byte) error {
	if r.answer == nil {
		return errors.New("the answer has no head")
	}
	if r.pending == nil {
		r.pending = scratch.Borrow()
	}
	pending, content, err := r.answer.data(r.pending.Bytes, piece)
	r.pending.Bytes, r.content = pending, r.content || content
	return err
}

func (r *relay) end(attempt int, e bus.End) error {
	r.usage = e.Usage
	if e.Error != nil {
		r.refused = true
		return r.broken(e.Error)
	}
	if r.answer == nil {
		return errors.New("the answer has no head")
	}
	rest, err := r.answer.end(r.unsent())
	if err != nil {
		return err
	}
	if !r.commit(attempt) {
		return &llm.Error{Code: llm.CodeInterrupted, Message: "stream interrupted: the worker was lost"}
	}
	switch {
	case !r.whole:
		return r.send(rest)
	case r.out.status == 0:
		return r.sendWhole(rest)
	default: // a sign of life has made a stream of it
		return &llm.Error{Code: llm.CodeUpstream, Message: "the upstream did not stream its answer"}
	}
}

// broken takes note that the answer has failed. A client that has got a part
// of it gets the rest of what came, too, before the error.
func (r *relay) broken(e *llm.Error) error {
	if r.committed && r.content {
		err := r.send(r.unsent())
		r.clear()
		if err != nil {
			return err
		}
	}
	if r.told() {
		return nil // it failed after its end
	}
	return e
}

// told says whether the client has got the end of a stream already.
func (r *relay) told() bool {
	s, ok := r.answer.(*events)
	return ok && r.committed && !r.content && s.check.End() == nil
}

// flush writes what is pending, unless another attempt has taken over.
func (r *relay) flush(attempt int) error {
	if !r.commit(attempt) {
		r.answer = nil
		r.clear()
		return nil
	}
	r.failer = failerOf(r.answer)
	defer r.clear()
	return r.send(r.unsent())
}

func (r *relay) commit(attempt int) bool {
	if !r.committed && r.call.Commit(attempt) {
		r.committed = true
		r.answers()
	}
	return r.committed
}

func (r *relay) sendWhole(body []byte) error {
	r.callHeaders(slices.Concat(r.warnings, r.head.Warnings))
	contentType := r.endpoint.speaker.json // of the upstream's own, the parameters are lost
	if media := r.head.ContentType; r.encoder == nil && !strings.HasPrefix(contentType, media) {
		contentType = media
	}
	if r.endpoint.route.Task == llm.TaskManage && len(body) == 0 {
		contentType = ""
	}
	return gone(r.out.body(cmp.Or(r.head.Status, http.StatusOK), contentType, body))
}

// send writes a piece of a stream and flushes it.
func (r *relay) send(p []byte) error {
	if r.out.status == 0 {
		r.callHeaders(slices.Concat(r.warnings, r.head.Warnings))
		h := r.out.Header()
		// The upstream's own content type is not gone by: it may lack or add
		// parameters that clients compare.
		h.Set("Content-Type", r.endpoint.framing.ContentType)
		if r.bare {
			h.Set("Content-Type", r.head.ContentType)
		}
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no")
		r.out.WriteHeader(http.StatusOK)
	}
	err := r.out.piece(p)
	r.last = time.Now()
	return gone(err)
}

// gone marks a failed write: the client cannot be told of it.
func gone(err error) error {
	if err == nil {
		return nil
	}
	return &llm.Error{Code: llm.CodeCanceled, Message: "request canceled", Err: errors.Join(errWrite, err)}
}
