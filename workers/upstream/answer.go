package upstream

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// An Answer is an upstream's answer in its own words.
type Answer struct {
	ContentType string
	Status      int                     // of HTTP, where it is a success other than 200; otherwise zero
	Whole       bool                    // there is one piece, the body; otherwise each piece is a frame, or a part of a sound
	Pieces      iter.Seq2[Piece, error] // at most one error, last; can be ranged over once

	Warnings []llm.Warning // what of the call had to be left out, after all

	// Events, if not nil, stand for all of that: the upstream has streamed
	// what was asked for as a whole, or the other way round, so that its words
	// are of no use to a client.
	Events llm.Stream
}

// A Piece is a part of an answer. It is valid until the next step.
type Piece struct {
	Raw    []byte      // as the upstream sent it; may be empty
	Events []llm.Event // what it says, where it was understood
	Idle   bool        // it only says that the call is alive
}

// An idler is a dialect whose streams have frames, other than comments, that
// only say that the call is alive.
type idler interface {
	Idle(f frame.Frame) bool
}

func (x *exchange) idle(f frame.Frame) bool {
	d, ok := x.dialect.(idler)
	return f.Data == nil || ok && d.Idle(f)
}

// An adapter is a dialect with variants: some upstreams refuse calls in it that
// others take.
type adapter interface {
	// Adapt returns the body that the upstream takes, and what is not in it any
	// more.
	Adapt(operation string, body []byte) ([]byte, []llm.Warning)
}

// Forward sends a call as it is, but for what its upstream would refuse for no
// good reason. The answer is decoded on the side, to find
// failures, and its end: pieces that are not fit for a client are not yielded.
//
// Errors are those of [Client.Answer]. Some of them carry the upstream's own
// status and body. The caller must range over the pieces, or end ctx, to
// release the connection.
func (c *Client) Forward(ctx context.Context, call *Call) (*Answer, error) {
	var warnings []llm.Warning
	if a, ok := c.speak(call.Dialect).(adapter); ok {
		changed := *call
		changed.Body, warnings = a.Adapt(call.Operation, call.Body)
		call = &changed
	}
	if err := strictly(call.Strict, warnings); err != nil {
		return nil, err
	}
	answer, err := c.forward(ctx, call)
	if err != nil {
		return nil, err
	}
	answer.Warnings = warnings
	return answer, nil
}

func (c *Client) forward(ctx context.Context, call *Call) (*Answer, error) {
	x, err := c.open(ctx, call, true)
	if err != nil {
		return nil, err
	}
	switch {
	case call.Media:
		return x.mediaAnswer(call.Operation), nil
	case x.whole() && call.Stream:
		return x.unstreamed(call.Operation)
	case x.whole():
		return &Answer{ContentType: x.media, Whole: true, Pieces: x.body(call.Operation)}, nil
	case !call.Stream:
		return &Answer{Events: x.events(call.Operation)}, nil
	default:
		return &Answer{ContentType: x.media, Pieces: x.pieces(call.Operation, true)}, nil
	}
}

// unstreamed reads a whole answer that a stream was asked for. It is left as it
// is where it cannot be made one: where it was not understood; and where it has
// no content and is a line as good as any, as when Ollama has loaded a model.
func (x *exchange) unstreamed(operation string) (*Answer, error) {
	defer x.close()
	body, err := x.readAll()
	if err != nil {
		return nil, x.explain(err)
	}
	p, response, err := x.understand(operation, body)
	switch {
	case err != nil:
		return nil, err
	case response == nil, x.client.lines && len(response.Content) == 0:
		pieces := func(yield func(Piece, error) bool) { yield(p, nil) }
		return &Answer{ContentType: x.media, Whole: true, Pieces: pieces}, nil
	}
	return &Answer{Events: response.Events()}, nil
}

// events yields what an answer says, whichever way it comes.
func (x *exchange) events(operation string) llm.Stream {
	if x.whole() {
		return x.wholeEvents(operation)
	}
	return func(yield func(llm.Event, error) bool) {
		for p, err := range x.pieces(operation, false) {
			for _, e := range p.Events {
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

func (x *exchange) wholeEvents(operation string) llm.Stream {
	return func(yield func(llm.Event, error) bool) {
		defer x.close()
		body, err := x.readAll()
		if err != nil {
			yield(nil, x.explain(err))
			return
		}
		response, err := x.dialect.Whole(operation, body)
		if err != nil {
			yield(nil, x.explain(notUnderstood(err)))
			return
		}
		for e := range response.Events() {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// pieces yields the frames of a stream, each with what it says, up to the one
// that finishes the answer. Together with an error come the events of the part
// that could be understood. Where they are read on the side only, texts that go
// on are left out of the events.
func (x *exchange) pieces(operation string, aside bool) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		release := x.close
		defer func() { release() }()
		decoder := x.dialect.Decoder(operation)
		var like likeness
		var last Piece // a frame whose end is missing
		x.said = time.Now()
		for f, err := range x.frames() {
			if err != nil {
				yield(Piece{}, x.explain(err))
				return
			}
			if aside && like.fits(f) && x.complete(f.Raw) {
				x.spoke = true
				if !yield(Piece{Raw: f.Raw}, nil) {
					return
				}
				continue
			}
			events, err := decoder.Step(f)
			if err == nil {
				err = x.disguised(operation, f)
			}
			if err != nil {
				yield(Piece{Events: events}, x.explain(err))
				return
			}
			if len(events) > 0 {
				x.spoke = true
			}
			if aside {
				like.learn(f, events)
			}
			if finished(events) {
				if yield(Piece{Raw: f.Raw, Events: events}, nil) {
					release = x.drain
				}
				return
			}
			if !x.complete(f.Raw) {
				last = Piece{Raw: slices.Clone(f.Raw), Events: events}
				continue
			}
			if !yield(Piece{Raw: f.Raw, Events: events, Idle: len(events) == 0 && x.idle(f)}, nil) {
				return
			}
		}
		events, err := decoder.End()
		last.Events = append(last.Events, events...)
		if err != nil {
			yield(Piece{Events: last.Events}, x.explain(err))
			return
		}
		yield(last, nil)
	}
}

func finished(events []llm.Event) bool {
	if len(events) == 0 {
		return false
	}
	_, ok := events[len(events)-1].(llm.Finish)
	return ok
}

// complete says whether a frame has its end. One that has not was cut, or is
// the last one of a careless upstream: only the end of the answer tells.
func (x *exchange) complete(raw []byte) bool {
	line, ok := bytes.CutSuffix(raw, []byte("\n"))
	if !ok || x.media == mediaNDJSON {
		return ok
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	return len(line) == 0 || bytes.HasSuffix(line, []byte("\n"))
}

// body yields a whole body, if it is not an error in disguise.
func (x *exchange) body(operation string) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		defer x.close()
		body, err := x.readAll()
		if err != nil {
			yield(Piece{}, x.explain(err))
			return
		}
		if d, ok := x.dialect.(gister); ok {
			if end, ok := d.Gist(operation, body); ok {
				yield(Piece{Raw: body, Events: []llm.Event{end}}, nil)
				return
			}
		}
		p, _, err := x.understand(operation, body)
		yield(p, err)
	}
}

// A gister is a dialect that can tell how a plain answer ends without reading
// all of it.
type gister interface {
	Gist(operation string, body []byte) (llm.Finish, bool)
}

// understand reads a whole body. There is no response where it was not
// understood and can be left to the client. A line of a stream can not, where it
// is not the last one: clients would take it for the whole answer.
func (x *exchange) understand(operation string, body []byte) (Piece, *llm.Response, error) {
	response, err := x.dialect.Whole(operation, body)
	switch {
	case err == nil:
		return Piece{Raw: body, Events: []llm.Event{response.Finish}}, response, nil
	case x.client.lines && errors.Is(err, llm.ErrTruncated):
		return Piece{}, nil, x.explain(err)
	case harmless(body):
		return Piece{Raw: body}, nil, nil
	default:
		return Piece{}, nil, x.explain(notUnderstood(err))
	}
}

// harmless says whether a body that was not understood can be left to the
// client, who may know better.
func harmless(body []byte) bool {
	if rawjson.Check(body) != nil {
		return false
	}
	for f := range rawjson.Fields(body) {
		if f.Key == "error" && string(f.Value) != "null" {
			return false
		}
	}
	return true
}
