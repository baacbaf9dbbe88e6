package anthropic

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// streamEvent is the payload of any frame.
type streamEvent struct {
	Type    string          `json:"type"`
	Index   int             `json:"index"`
	Message *answer         `json:"message"`
	Block   json.RawMessage `json:"content_block"`
	Delta   struct {
		delta
		ending
	} `json:"delta"`
	Usage json.RawMessage `json:"usage"`
	Error json.RawMessage `json:"error"`

	raw []byte
}

// decoder reads one streamed answer. Frames of unknown kinds are skipped, for
// the API adds some now and then.
type decoder struct {
	started   bool
	done      bool
	open      llm.Block // nil between blocks
	index     int       // of the open block
	input     []byte    // of the open call: what came with its start; of an opaque block: its deltas
	signature string    // of the open thought
	calls     bool      // whether there was a call
	counted   bool
	usage     usage
	end       ending
}

var steps = map[string]func(*decoder, *streamEvent) ([]llm.Event, error){
	"message_start":       (*decoder).messageStart,
	"content_block_start": (*decoder).blockStart,
	"content_block_delta": (*decoder).blockDelta,
	"content_block_stop":  (*decoder).blockStop,
	"message_delta":       (*decoder).messageDelta,
	"message_stop":        (*decoder).messageStop,
	"error":               (*decoder).failure,
}

// Idle reports whether a frame only says that the call is alive.
func (Client) Idle(f frame.Frame) bool { return f.Event == "ping" }

// Step takes the next frame.
func (d *decoder) Step(f frame.Frame) ([]llm.Event, error) {
	if d.done || len(f.Data) == 0 || string(f.Data) == "[DONE]" {
		return nil, nil
	}
	e := streamEvent{raw: f.Data}
	err := json.Unmarshal(f.Data, &e)
	step, known := steps[cmp.Or(e.Type, f.Event)]
	if e.Type == "" && !rawjson.IsNull(e.Error) {
		step, known = (*decoder).failure, true
	}
	if _, shape := errors.AsType[*json.UnmarshalTypeError](err); shape && !known {
		return nil, nil // a new kind may give our names to other things
	}
	if err != nil {
		return nil, dialect.Unreadable(err)
	}
	if !known {
		return nil, nil
	}
	return step(d, &e)
}

// Fields names the field which the open block's pieces are in.
func (d *decoder) Fields() []string {
	switch d.open.(type) {
	case llm.Text:
		return []string{"text"}
	case llm.Thinking:
		if d.signature == "" { // which would grow
			return []string{"thinking"}
		}
	case llm.ToolCall:
		return []string{"partial_json"}
	}
	return nil
}

// Again has nothing to note of a piece.
func (d *decoder) Again(string) {}

// End takes the clean end of the input.
func (d *decoder) End() ([]llm.Event, error) {
	if !d.done {
		return nil, llm.ErrTruncated
	}
	return nil, nil
}

func (d *decoder) messageStart(e *streamEvent) ([]llm.Event, error) {
	if d.started {
		return nil, nil
	}
	d.started = true
	if e.Message == nil {
		return []llm.Event{llm.Start{}}, nil
	}
	start := llm.Start{ID: e.Message.ID, Model: e.Message.Model, Usage: e.Message.Usage.read()}
	if e.Message.Usage != nil {
		d.usage, d.counted = *e.Message.Usage, true
	}
	return []llm.Event{start}, nil
}

// begin returns what must come before a block: the start, should the upstream
// have left it out, and the end of the block before.
func (d *decoder) begin() []llm.Event {
	if d.started {
		return d.close()
	}
	d.started = true
	return []llm.Event{llm.Start{}}
}

func (d *decoder) blockStart(e *streamEvent) ([]llm.Event, error) {
	if rawjson.IsNull(e.Block) {
		return nil, dialect.Unreadable(errors.New("content_block_start without a block"))
	}
	block, err := answerBlock("content_block", e.Block)
	if err != nil {
		return nil, dialect.Unreadable(err)
	}
	events := d.begin()
	d.open, d.index, d.input, d.signature = block, e.Index, nil, ""
	switch b := block.(type) {
	case llm.Text:
		return append(events, textStart(b)...), nil
	case llm.Thinking:
		d.signature = b.Signature
		return append(events, withText(llm.Thinking{}, b.Text)...), nil
	case llm.ToolCall:
		d.calls = true
		if b.Arguments != "{}" {
			d.input = []byte(b.Arguments)
		}
		return append(events, llm.BlockStart{Block: llm.ToolCall{ID: b.ID, Name: b.Name}}), nil
	case llm.Opaque:
		return events, nil // held back until it is whole
	default:
		return append(events, llm.BlockStart{Block: b}), nil
	}
}

func textStart(t llm.Text) []llm.Event {
	events := withText(llm.Text{}, t.Text)
	for _, c := range t.Citations {
		events = append(events, llm.Delta{Citation: &c})
	}
	return events
}

func withText(start llm.Block, text string) []llm.Event {
	if text == "" {
		return []llm.Event{llm.BlockStart{Block: start}}
	}
	return []llm.Event{llm.BlockStart{Block: start}, llm.Delta{Text: text}}
}

func (d *decoder) blockDelta(e *streamEvent) ([]llm.Event, error) {
	if d.open == nil || e.Index != d.index {
		return nil, dialect.Unreadable(fmt.Errorf("delta of block %d, which is not open", e.Index))
	}
	piece := e.Delta.delta
	switch d.open.(type) {
	case llm.Text:
		return textDelta(piece), nil
	case llm.Thinking:
		d.signature += piece.Signature
		return say(piece.Thinking), nil
	case llm.ToolCall:
		if piece.PartialJSON != "" {
			d.input = nil // deltas repeat what came with the start
		}
		return say(piece.PartialJSON), nil
	default:
		d.input = append(d.input, piece.PartialJSON...)
		return nil, nil
	}
}

func textDelta(piece delta) []llm.Event {
	events := say(piece.Text)
	if !rawjson.IsNull(piece.Citation) {
		events = append(events, llm.Delta{Citation: new(citation(piece.Citation))})
	}
	return events
}

func say(text string) []llm.Event {
	if text == "" {
		return nil
	}
	return []llm.Event{llm.Delta{Text: text}}
}

func (d *decoder) blockStop(*streamEvent) ([]llm.Event, error) { return d.close(), nil }

// close returns the events that end the open block, if any.
func (d *decoder) close() []llm.Event {
	block := d.open
	d.open = nil
	switch b := block.(type) {
	case nil:
		return nil
	case llm.ToolCall:
		return append(say(string(d.input)), llm.BlockEnd{})
	case llm.Thinking:
		return []llm.Event{llm.BlockEnd{Signature: d.signature}}
	case llm.Opaque:
		if len(bytes.TrimSpace(d.input)) > 0 && json.Valid(d.input) {
			b.JSON = rawjson.Set(b.JSON, "input", d.input)
		}
		return []llm.Event{llm.BlockStart{Block: b}, llm.BlockEnd{}}
	default:
		return []llm.Event{llm.BlockEnd{}}
	}
}

// messageDelta takes totals, so the counts it names replace those before.
func (d *decoder) messageDelta(e *streamEvent) ([]llm.Event, error) {
	if !rawjson.IsNull(e.Usage) {
		if err := json.Unmarshal(e.Usage, &d.usage); err != nil {
			return nil, dialect.Unreadable(err)
		}
		d.counted = true
	}
	if e.Delta.StopReason != nil {
		d.end = e.Delta.ending
	}
	return nil, nil
}

func (d *decoder) messageStop(*streamEvent) ([]llm.Event, error) {
	events := d.begin()
	d.done = true
	var known *llm.Usage
	if d.counted {
		known = d.usage.read()
	}
	return append(events, d.end.finish(d.calls, known)), nil
}

func (d *decoder) failure(e *streamEvent) ([]llm.Event, error) { return nil, failure(0, e.raw) }
