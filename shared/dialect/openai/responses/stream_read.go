package responses

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// begun says that the answer has begun, should the server have left that out.
func (d *decoder) begun() { d.start(&responseData{}) }

func (d *decoder) textDelta(in *frameData) error {
	d.begun()
	var probs []logprob
	if len(in.Logprobs) > len("[]") {
		_ = json.Unmarshal(in.Logprobs, &probs) // nobody's answer shall fail for them
	}
	b := d.block(in.Output, in.Content, llm.Text{})
	d.say(b, llm.Delta{Text: b.text.Add(in.Delta), Logprobs: canonicalLogprobs(probs)})
	return nil
}

func (d *decoder) refusalDelta(in *frameData) error {
	d.begun()
	b := d.block(in.Output, in.Content, llm.Text{Refusal: true})
	d.say(b, llm.Delta{Text: b.text.Add(in.Delta)})
	return nil
}

func (d *decoder) annotation(in *frameData) error {
	d.begun()
	d.cite(d.block(in.Output, in.Content, llm.Text{}), in.Annotation)
	return nil
}

func (d *decoder) summaryDelta(in *frameData) error { return d.think(in, "summary", in.Summary) }

func (d *decoder) thoughtDelta(in *frameData) error { return d.think(in, "content", in.Content) }

// think takes a piece of a thought. A server may show the thoughts and their
// summary: the first of both is read, and a blank line is put between parts.
func (d *decoder) think(in *frameData, kind string, number int) error {
	d.begun()
	b := d.block(in.Output, 0, llm.Thinking{})
	if b.kind == "" {
		b.kind, b.part = kind, number
	}
	if b.kind != kind {
		return nil
	}
	said := b.text.Add(in.Delta)
	if said == "" {
		return nil
	}
	if number != b.part && b.said > 0 {
		said = "\n\n" + said
	}
	b.part = number
	d.say(b, llm.Delta{Text: said})
	return nil
}

func (d *decoder) argumentsDelta(in *frameData) error {
	d.begun()
	b := d.block(in.Output, 0, llm.ToolCall{})
	d.say(b, llm.Delta{Text: b.text.Add(in.Delta)})
	return nil
}

// argumentsDone brings the arguments of servers that send no pieces.
func (d *decoder) argumentsDone(in *frameData) error {
	d.begun()
	b := d.block(in.Output, 0, llm.ToolCall{})
	d.say(b, llm.Delta{Text: b.missing(in.Arguments)})
	return nil
}

func (d *decoder) itemAdded(in *frameData) error {
	d.begun()
	var it item
	if json.Unmarshal(in.Item, &it) == nil && it.Type == "function_call" {
		return d.name(d.block(in.Output, 0, llm.ToolCall{}), it)
	}
	return nil // the others begin with their first piece
}

func (d *decoder) itemDone(in *frameData) error {
	d.begun()
	return d.whole(in.Output, in.Item)
}

func (d *decoder) partDone(in *frameData) error {
	d.begun()
	return d.content(in.Output, in.Content, in.Part)
}

// whole takes an item that is complete. What of it was not said before is said
// now.
func (d *decoder) whole(index int, raw json.RawMessage) error {
	if d.seen == nil {
		d.seen = map[int]bool{}
	}
	var it item
	if err := json.Unmarshal(raw, &it); it.Type == "" || err != nil && slices.Contains(readable, it.Type) {
		return dialect.Unreadable(errors.Join(err, errors.New("no item")))
	}
	if d.seen[index] {
		return nil
	}
	d.seen[index] = true
	switch it.Type {
	case "message":
		return d.message(index, it)
	case "reasoning":
		return d.reasoning(index, it)
	case "function_call":
		b := d.block(index, 0, llm.ToolCall{})
		if err := d.name(b, it); err != nil {
			return err
		}
		d.done(b, text(it.Arguments), "")
		return nil
	default:
		d.done(d.block(index, 0, llm.Opaque{Dialect: name, Kind: it.Type, JSON: slices.Clone(raw)}), "", "")
		return nil
	}
}

// readable are the items that have a word in the canonical language.
var readable = []string{"message", "reasoning", "function_call"}

func (d *decoder) message(index int, it item) error {
	var parts []part
	if !rawjson.IsNull(it.Content) && json.Unmarshal(it.Content, &parts) != nil {
		return dialect.Unreadable(errors.New("the content of a message is not a list of parts"))
	}
	for i, p := range parts {
		if err := d.content(index, i, p); err != nil {
			return err
		}
	}
	return nil
}

// content takes a part of a message that is complete.
func (d *decoder) content(index, number int, p part) error {
	switch p.Type {
	case "refusal":
		d.done(d.block(index, number, llm.Text{Refusal: true}), text(p.Refusal), "")
		return nil
	case "output_text", "text":
		b := d.block(index, number, llm.Text{})
		if rest := b.missing(text(p.Text)); rest != "" {
			d.say(b, llm.Delta{Text: rest, Logprobs: canonicalLogprobs(p.Logprobs)})
		}
		for _, raw := range p.Annotations[min(b.cites, len(p.Annotations)):] {
			d.cite(b, raw)
		}
		d.done(b, text(p.Text), "")
		return nil
	}
	return nil // a part of a thought, which ends with its item
}

func (d *decoder) reasoning(index int, it item) error {
	said := joined(it.Summary)
	var parts []part
	if said == "" && !rawjson.IsNull(it.Content) && json.Unmarshal(it.Content, &parts) == nil {
		said = joined(parts)
	}
	thought := thoughtOf(said, it.Encrypted)
	if secret, ok := thought.(llm.RedactedThinking); ok {
		d.done(d.block(index, 0, secret), "", "")
		return nil
	}
	signed, _ := thought.(llm.Thinking)
	if thought == nil && !d.has(index, 0) {
		return nil // there was a thought, but nothing is known of it
	}
	d.done(d.block(index, 0, llm.Thinking{}), said, signed.Signature)
	return nil
}

// Fields names the field which all pieces are in.
func (d *decoder) Fields() []string {
	if d.open == nil || d.open.text.Waits() {
		return nil
	}
	return []string{"delta"}
}

// Again goes on with the open block.
func (d *decoder) Again(text string) { d.open.said += len(text) }

// Idle reports whether a frame only says that the call is alive.
func (Client) Idle(f frame.Frame) bool {
	kind := f.Event
	if kind == "" { // some servers leave that out
		var in struct {
			Type string `json:"type"`
		}
		_ = json.Unmarshal(f.Data, &in) // what cannot be read is none
		kind = in.Type
	}
	return kind == "response.queued" || kind == "response.in_progress"
}
