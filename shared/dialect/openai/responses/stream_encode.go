package responses

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// An encoder writes one answer. An item is over only when the next one begins,
// or the answer ends: until then nobody knows whether it is complete.
type encoder struct {
	answer
	quiet   bool // nothing is written; only the last response counts
	id      string
	created int64
	next    int // sequence number
	output  []json.RawMessage
	open    outputItem // nil: none
	skip    bool       // the open block is nothing to clients
	dst     []byte
	err     error
	last    response
	pieces  dialect.Stencil // of the open block
}

// An outputItem is the item that is being written.
type outputItem interface {
	takes(b llm.Block) bool             // whether b goes on with the item
	begin(e *encoder, b llm.Block)      // a block, the first or one that it takes
	delta(e *encoder, d llm.Delta)      // of the block
	end(e *encoder, s string)           // of the block, with its signature
	done(e *encoder, status string) any // the whole item
}

// An event is one frame.
type event struct {
	Type     string          `json:"type"`
	Sequence any             `json:"sequence_number"` // a whole number
	Response json.RawMessage `json:"response,omitempty"`
	place
	piece
	Item       any             `json:"item,omitempty"`
	Part       any             `json:"part,omitempty"`
	Annotation json.RawMessage `json:"annotation,omitempty"`
	Logprobs   []logprob       `json:"logprobs,omitzero"`
}

// A place says what an event is about.
type place struct {
	ItemID     string `json:"item_id,omitempty"`
	Output     *int   `json:"output_index,omitempty"`
	Content    *int   `json:"content_index,omitempty"`
	Summary    *int   `json:"summary_index,omitempty"`
	Annotation *int   `json:"annotation_index,omitempty"`
}

// A piece is a text, or a part of one, under its name.
type piece struct {
	Delta     *string `json:"delta,omitempty"`
	Text      *string `json:"text,omitempty"`
	Refusal   *string `json:"refusal,omitempty"`
	Name      string  `json:"name,omitempty"`
	Arguments *string `json:"arguments,omitempty"`
	Input     *string `json:"input,omitempty"`
}

// Restart returns an encoder in its first state.
func (e *encoder) Restart() dialect.Encoder { return &encoder{answer: e.answer} }

// Event writes an event.
func (e *encoder) Event(dst []byte, ev llm.Event) ([]byte, error) {
	e.dst = dst
	switch ev := ev.(type) {
	case llm.Start:
		e.begin(ev)
		e.send("response.created", event{Response: e.object(e.response("in_progress"))})
		e.send("response.in_progress", event{Response: e.object(e.response("in_progress"))})
	case llm.BlockStart:
		e.block(ev.Block)
	case llm.Delta:
		if !e.skip {
			e.open.delta(e, ev)
		}
	case llm.BlockEnd:
		if !e.skip {
			e.open.end(e, ev.Signature)
		}
	case llm.Finish:
		e.finish(ev)
	}
	dst, e.dst = e.dst, nil
	return dst, e.err
}

func (e *encoder) begin(s llm.Start) {
	e.id = s.ID
	if !strings.HasPrefix(e.id, "resp_") {
		e.id = "resp_" + cmp.Or(e.id, newID())
	}
	if s.Created.IsZero() {
		s.Created = e.began()
	}
	e.created = s.Created.Unix()
}

// block begins a block: in the open item, or in one of its own.
func (e *encoder) block(b llm.Block) {
	fresh := e.itemFor(b)
	if e.skip = fresh == nil; e.skip {
		return
	}
	if e.open == nil || !e.open.takes(b) {
		e.close("completed")
		e.open = fresh
	}
	e.pieces = nil
	e.open.begin(e, b)
}

// itemFor returns the item that would begin with b; nil when clients are not
// told of such blocks.
func (e *encoder) itemFor(b llm.Block) outputItem {
	switch b := b.(type) {
	case llm.Text:
		return &messageItem{}
	case llm.Thinking:
		return &reasoningItem{}
	case llm.RedactedThinking:
		if e.encrypted {
			return &reasoningItem{encrypted: seal{Redacted: b.Data}.String()}
		}
	case llm.ToolCall:
		if e.names.of(b.Name).custom {
			return &customItem{}
		}
		return &callItem{}
	case llm.Opaque:
		if b.Dialect == name {
			return &foreignItem{raw: b.JSON}
		}
	}
	return nil
}

func (e *encoder) close(status string) {
	if e.open == nil {
		return
	}
	whole, err := rawjson.Marshal(e.open.done(e, status))
	if err != nil {
		e.err = cmp.Or(e.err, fmt.Errorf("write output item: %w", err))
		return
	}
	e.send("response.output_item.done", event{place: place{Output: e.index()}, Item: json.RawMessage(whole)})
	e.output = append(e.output, whole)
	e.open = nil
}

func (e *encoder) finish(f llm.Finish) {
	status := "completed"
	if cuts[f.Reason] != "" {
		status = "incomplete"
	}
	e.close(status)
	e.last = e.finished(f)
	if !e.quiet {
		e.send("response."+status, event{Response: e.object(e.last)})
	}
}

// Fail ends the stream of an answer that has failed, in place of
// [llm.Finish]: with the id of the response and the number that comes next.
func (e *encoder) Fail(dst []byte, err *llm.Error) []byte {
	if e.id == "" {
		e.begin(llm.Start{})
	}
	r := e.response("failed")
	r.Error = failed(err)
	e.dst, e.err = dst, nil // it may be the writing that has failed
	e.send("response.failed", event{Response: e.object(r)})
	dst, e.dst = e.dst, nil
	return dst
}

// send writes a frame.
func (e *encoder) send(kind string, ev event) {
	if e.quiet || e.err != nil {
		return
	}
	ev.Type, ev.Sequence = kind, e.next
	if dst, err := ev.append(e.dst); err != nil {
		e.err = err
	} else {
		e.dst = dst
		e.next++
	}
}

// say sends a piece of a text of the open block, all of which are of one kind:
// the event that of makes of it.
func (e *encoder) say(kind, text string, of func(text *string) event) {
	if e.quiet || e.err != nil {
		return
	}
	if e.pieces == nil {
		sample := of(new(dialect.Hole))
		sample.Type, sample.Sequence = kind, dialect.Hole
		frame, _ := sample.append(nil) // no frame makes no stencil
		e.pieces = dialect.Cut(frame, 2)
	}
	if len(e.pieces) == 0 {
		e.send(kind, of(new(text)))
		return
	}
	e.dst = strconv.AppendInt(append(e.dst, e.pieces[0]...), int64(e.next), 10)
	e.dst = e.pieces[1:].Append(e.dst, text)
	e.next++
}

// append appends the frame of an event.
func (ev event) append(dst []byte) ([]byte, error) {
	text, err := rawjson.Marshal(ev)
	if err != nil {
		return dst, fmt.Errorf("write %s: %w", ev.Type, err)
	}
	dst = append(append(dst, "event: "+ev.Type+"\ndata: "...), text...)
	return append(dst, "\n\n"...), nil
}

// added tells of the open item, as it begins.
func (e *encoder) added(it any) {
	e.send("response.output_item.added", event{place: place{Output: e.index()}, Item: it})
}

// index is that of the open item.
func (e *encoder) index() *int { return new(len(e.output)) }

// itemID is the id of the open item: no other has it, in no other answer.
func (e *encoder) itemID(prefix string) string {
	return fmt.Sprintf("%s_%s_%d", prefix, strings.TrimPrefix(e.id, "resp_"), len(e.output))
}
