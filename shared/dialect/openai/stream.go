package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A chunk is an answer, or a piece of one.
type chunk struct {
	ID      string   `json:"id"`
	Created number   `json:"created"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage"`

	Error  json.RawMessage `json:"error"` // in place of all else
	Object string          `json:"object"`
}

type choice struct {
	Index        number          `json:"index"`
	Delta        *message        `json:"delta"`
	Message      *message        `json:"message"`
	Text         json.RawMessage `json:"text"` // of a completion, in place of a message
	Logprobs     *logprobs       `json:"logprobs"`
	FinishReason *string         `json:"finish_reason"`
	Error        json.RawMessage `json:"error"` // OpenRouter
}

// A chatDecoder reads a streamed chat completion. The zero value is ready.
type chatDecoder struct {
	blocks   blocks
	start    llm.Start
	seen     bool // anything of the answer
	started  bool
	finished bool
	reason   string // the upstream's own
	usage    *llm.Usage
}

// Step takes the next event.
func (d *chatDecoder) Step(f frame.Frame) ([]llm.Event, error) {
	data := bytes.TrimSpace(f.Data)
	switch {
	case d.finished || len(data) == 0:
		return nil, nil // a comment, or what comes after the end
	case string(data) == "[DONE]":
		if !d.seen {
			return nil, llm.ErrTruncated // an empty stream is no answer
		}
		return d.finish()
	}
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, dialect.Unreadable(err)
	}
	if failed(c, f.Event) {
		return nil, readError(0, data)
	}
	return d.chunk(&c)
}

// failed reports whether a chunk is an error in place of an answer.
func failed(c chunk, event string) bool {
	return !rawjson.IsNull(c.Error) || c.Object == "error" || event == "error" && len(c.Choices) == 0
}

// End takes the clean end of the stream.
func (d *chatDecoder) End() ([]llm.Event, error) {
	switch {
	case d.finished:
		return nil, nil
	case d.reason == "":
		return nil, llm.ErrTruncated
	}
	return d.finish() // some servers send no [DONE]
}

func (d *chatDecoder) chunk(c *chunk) ([]llm.Event, error) {
	d.seen = true
	if c.Usage != nil {
		d.usage = c.Usage.canonical()
	}
	d.name(c)
	for i := range c.Choices {
		if c.Choices[i].Index != 0 {
			continue // of n answers, the first
		}
		if err := d.choice(&c.Choices[i]); err != nil {
			return nil, err
		}
	}
	if len(c.Choices) == 0 { // such as Azure's filter results, which come first and bear no id
		return nil, nil
	}
	return d.begin(d.blocks.take()), nil
}

func (d *chatDecoder) name(c *chunk) {
	if d.start.ID == "" {
		d.start.ID = c.ID
	}
	if d.start.Model == "" {
		d.start.Model = c.Model
	}
	if d.start.Created.IsZero() && c.Created > 0 {
		d.start.Created = time.Unix(int64(c.Created), 0).UTC()
	}
}

func (d *chatDecoder) begin(events []llm.Event) []llm.Event {
	if d.started {
		return events
	}
	d.started = true
	return append([]llm.Event{d.start}, events...)
}

func (d *chatDecoder) choice(c *choice) error {
	if !rawjson.IsNull(c.Error) {
		return readError(0, c.Error)
	}
	if m := c.Delta; m != nil {
		d.say(m, c.Logprobs)
	} else if !rawjson.IsNull(c.Text) {
		d.blocks.text(llm.Text{}, c.Text, nil)
	}
	if c.FinishReason != nil && d.reason == "" {
		d.reason = *c.FinishReason
	}
	if fault, ok := faults[d.reason]; ok {
		return &llm.Error{Code: fault, Message: "the upstream could not complete the answer"}
	}
	return nil
}

// faults are finish reasons that stand for a failure.
var faults = map[string]llm.Code{
	"error":                        llm.CodeUpstream,   // OpenRouter
	"network_error":                llm.CodeUpstream,   // Z.ai
	"insufficient_system_resource": llm.CodeOverloaded, // DeepSeek
}

func (d *chatDecoder) say(m *message, probs *logprobs) {
	d.blocks.think(m)
	d.content(m.Content, probs.canonical(false))
	d.blocks.cite(m.Annotations)
	d.blocks.text(llm.Text{Refusal: true}, m.Refusal, probs.canonical(true))
	for _, c := range m.ToolCalls {
		d.blocks.call(c)
	}
	if f := m.FunctionCall; f != nil && (f.Name != "" || !blank(f.Arguments)) {
		d.blocks.call(toolCall{Function: f})
	}
}

func (d *chatDecoder) content(raw json.RawMessage, probs []llm.Logprob) {
	var parts []struct {
		Type     string          `json:"type"`
		Text     json.RawMessage `json:"text"`
		Thinking json.RawMessage `json:"thinking"`
	}
	if rawjson.IsNull(raw) || raw[0] != '[' || json.Unmarshal(raw, &parts) != nil {
		d.blocks.text(llm.Text{}, raw, probs)
		return
	}
	for _, p := range parts {
		if p.Type == "thinking" {
			d.blocks.text(llm.Thinking{}, rawjson.String(inner(p.Thinking)), nil)
			continue
		}
		d.blocks.text(llm.Text{}, p.Text, nil)
	}
}

func (d *chatDecoder) finish() ([]llm.Event, error) {
	d.finished = true
	d.blocks.close()
	for _, c := range d.blocks.calls {
		if !c.ready() {
			return nil, dialect.Unreadable(errors.New("a call of a tool without a name"))
		}
	}
	reason, ok := reasons[d.reason]
	if !ok {
		reason = llm.FinishStop
	}
	if reason == llm.FinishStop && len(d.blocks.calls) > 0 {
		reason = llm.FinishToolCalls
	}
	end := llm.Finish{Reason: reason, Raw: d.reason, Usage: d.usage}
	return append(d.begin(d.blocks.take()), end), nil
}
