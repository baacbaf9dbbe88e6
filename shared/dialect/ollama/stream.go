package ollama

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// decoder reads the lines of one answer of chat or of generate.
type decoder struct {
	blocks   llm.BlockWriter
	started  bool
	called   bool
	finished bool
}

// Decoder reads one streamed answer of the operation.
func (Client) Decoder(operation string) dialect.Decoder {
	if progressing[operation] {
		return &progressDecoder{}
	}
	return dialect.Repeating(&decoder{})
}

// Step takes the next line.
func (d *decoder) Step(f frame.Frame) ([]llm.Event, error) {
	if f.Data == nil || d.finished {
		return nil, nil // a blank line, or one after the end
	}
	a, err := readAnswer(f.Data)
	if err != nil {
		return nil, err
	}
	var events []llm.Event
	if !d.started {
		d.started = true
		created, _ := time.Parse(time.RFC3339Nano, a.CreatedAt) // zero where it is no time
		events = append(events, llm.Start{Model: a.Model, Created: created})
	}
	events = append(events, d.message(a.said(), a.Logprobs)...)
	if a.Done {
		d.finished = true
		events = append(events, d.blocks.Close()...)
		events = append(events, d.finish(a))
	}
	return events, nil
}

// Fields names the fields which pieces are in, in either operation.
func (d *decoder) Fields() []string { return []string{"content", "response", "thinking"} }

// Again has nothing to note of a piece.
func (d *decoder) Again(string) {}

// End takes the end of the input, which must not come before the last line.
func (d *decoder) End() ([]llm.Event, error) {
	if !d.finished {
		return nil, llm.ErrTruncated
	}
	return nil, nil
}

// message returns the events for what one line says. A last line may say
// something, too.
func (d *decoder) message(m message, probs []logprob) []llm.Event {
	var events []llm.Event
	if m.Thinking != "" {
		events = append(events, d.blocks.Text(llm.Thinking{}, llm.Delta{Text: m.Thinking})...)
	}
	if m.Content != "" {
		delta := llm.Delta{Text: m.Content, Logprobs: readLogprobs(probs)}
		events = append(events, d.blocks.Text(llm.Text{}, delta)...)
	}
	for _, c := range m.ToolCalls {
		events = append(events, d.call(c)...)
	}
	return events
}

// call returns the events of a whole call. Its index is not trusted.
func (d *decoder) call(c toolCall) []llm.Event {
	d.called = true
	call := llm.ToolCall{ID: c.ID, Name: c.Function.Name}
	if call.ID == "" {
		call.ID = newCallID()
	}
	events := d.blocks.Open(call)
	if raw := c.Function.Arguments; !rawjson.IsNull(raw) {
		events = append(events, llm.Delta{Text: readArguments(raw)})
	}
	return append(events, d.blocks.Close()...)
}

// readArguments returns the text of an object; servers that imitate Ollama
// send it inside a string.
func readArguments(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	return rawjson.Compact(rawjson.Object(string(raw)))
}

func (d *decoder) finish(a *answer) llm.Finish {
	f := llm.Finish{Reason: llm.FinishStop, Raw: a.DoneReason}
	switch {
	case a.DoneReason == "length":
		f.Reason = llm.FinishLength
	case d.called:
		f.Reason = llm.FinishToolCalls // Ollama says stop
	}
	if a.PromptEvalCount > 0 || a.EvalCount > 0 {
		f.Usage = &llm.Usage{Input: max(0, a.PromptEvalCount), Output: max(0, a.EvalCount)}
	}
	return f
}

// readAnswer parses one answer; an answer that is an error is returned as one.
func readAnswer(data []byte) (*answer, error) {
	a := new(answer)
	if err := json.Unmarshal(data, a); err != nil {
		return nil, dialect.Unreadable(err)
	}
	if !rawjson.IsNull(a.Error) && string(a.Error) != `""` {
		return nil, Client{}.Error(statusFailed, data)
	}
	for _, c := range a.said().ToolCalls {
		if c.Function.Name == "" {
			return nil, &llm.Error{Code: llm.CodeUpstream, Message: "the upstream called a tool without a name"}
		}
	}
	return a, nil
}

// Whole reads an answer that is not streamed: one line, and the last one. It
// returns [llm.ErrTruncated] for a line that is not the last one. Of embeddings
// it reads the usage only.
func (c Client) Whole(operation string, body []byte) (*llm.Response, error) {
	switch {
	case isEmbedding(operation):
		return c.wholeEmbedding(body)
	case isManaged(operation):
		return wholeManaged(operation, body)
	}
	oneLine := func(yield func(frame.Frame, error) bool) {
		yield(frame.Frame{Data: body, Raw: body}, nil)
	}
	response, err := llm.Collect(dialect.Events(oneLine, c.Decoder(operation)))
	if errors.Is(err, llm.ErrTruncated) && !tellsDone(body) {
		err = dialect.Unreadable(errors.New("it does not say whether it is done"))
	}
	return response, err
}

// tellsDone tells a line of an answer from what is none.
func tellsDone(body []byte) bool {
	for f := range rawjson.Fields(body) {
		if f.Key == "done" {
			return true
		}
	}
	return false
}
