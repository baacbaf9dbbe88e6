package ollama

import (
	"cmp"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// encoder writes one answer for a client.
type encoder struct {
	model string // as the client named it
	spell spelling
	now   func() time.Time
	made  time.Time
	progress
}

// progress is what an encoder remembers of the answer so far.
type progress struct {
	first     time.Time // when the first piece came; zero: not yet
	open      llm.Block
	arguments []byte // of the open call
	calls     int
	bytes     int // of text and thoughts
	usage     *llm.Usage
	pieces    dialect.Stencil // of the open block
}

func newEncoder(model string, spell spelling, now func() time.Time) *encoder {
	return &encoder{model: model, spell: spell, now: now, made: now()}
}

// Event appends the line that e makes, if it makes one.
func (x *encoder) Event(dst []byte, e llm.Event) ([]byte, error) {
	switch e := e.(type) {
	case llm.Start:
		x.usage = e.Usage
	case llm.BlockStart:
		x.open, x.pieces = e.Block, nil
		if call, ok := e.Block.(llm.ToolCall); ok {
			x.arguments = append(x.arguments[:0], call.Arguments...)
		}
	case llm.Delta:
		return x.delta(dst, e)
	case llm.BlockEnd:
		return x.blockEnd(dst)
	case llm.Finish:
		x.usage = cmp.Or(e.Usage, x.usage)
		return x.line(dst, message{}, x.finished(e.Reason))
	}
	return dst, nil
}

func (x *encoder) delta(dst []byte, d llm.Delta) ([]byte, error) {
	switch x.open.(type) {
	case llm.ToolCall:
		x.arguments = append(x.arguments, d.Text...)
		return dst, nil // calls are sent whole
	case llm.Thinking:
		if d.Text == "" {
			return dst, nil
		}
		return x.piece(dst, d.Text, func(text string) message { return message{Thinking: text} })
	default:
		if d.Text == "" && len(d.Logprobs) == 0 {
			return dst, nil // a citation
		}
		if len(d.Logprobs) > 0 {
			return x.line(dst, message{Content: d.Text}, answer{Logprobs: writeLogprobs(d.Logprobs)})
		}
		return x.piece(dst, d.Text, func(text string) message { return message{Content: text} })
	}
}

// piece appends the line for a piece of the open block, which says of as much.
func (x *encoder) piece(dst []byte, text string, of func(text string) message) ([]byte, error) {
	if x.pieces == nil {
		sample := answer{Model: x.model, CreatedAt: dialect.Hole}
		x.spell(&sample, of(dialect.Hole))
		line, err := rawjson.Marshal(sample)
		if err != nil {
			return dst, err
		}
		x.pieces = dialect.Cut(append(line, '\n'), 2)
	}
	if len(x.pieces) == 0 {
		return x.line(dst, of(text), answer{})
	}
	now := x.tick(len(text))
	return x.pieces.Append(dst, stamp(now), text), nil
}

// tick takes note of so many bytes that are said now.
func (x *encoder) tick(bytes int) (now time.Time) {
	now = x.now()
	if x.first.IsZero() {
		x.first = now
	}
	x.bytes += bytes
	return now
}

func (x *encoder) blockEnd(dst []byte) ([]byte, error) {
	call, ok := x.open.(llm.ToolCall)
	x.open = nil
	if !ok {
		return dst, nil
	}
	call.Arguments = string(x.arguments)
	return x.line(dst, message{ToolCalls: []toolCall{x.call(call)}}, answer{})
}

// line appends an answer that has m for its message.
func (x *encoder) line(dst []byte, m message, a answer) ([]byte, error) {
	a.Model, a.CreatedAt = x.model, stamp(x.tick(len(m.Content)+len(m.Thinking)))
	x.spell(&a, m)
	text, err := rawjson.Marshal(a)
	if err != nil {
		return dst, err
	}
	return append(append(dst, text...), '\n'), nil
}

// call gives the next call its number.
func (x *encoder) call(c llm.ToolCall) toolCall {
	out := toolCall{ID: c.ID, Function: function{Index: x.calls, Name: c.Name, Arguments: rawjson.Object(c.Arguments)}}
	if out.ID == "" {
		out.ID = newCallID()
	}
	x.calls++
	return out
}

// finished begins a last line: the reason and the metrics.
func (x *encoder) finished(reason llm.FinishReason) answer {
	a := answer{Done: true, DoneReason: "stop"}
	if reason == llm.FinishLength {
		a.DoneReason = "length"
	}
	total := x.now().Sub(x.made)
	var prompt time.Duration // in whole answers nobody saw the first token
	if !x.first.IsZero() {
		prompt = x.first.Sub(x.made)
	}
	// Clients take a duration of zero for a missing one.
	a.metrics = metrics{
		TotalDuration:      max(1, int64(total)),
		LoadDuration:       1,
		PromptEvalDuration: max(1, int64(prompt)),
		EvalDuration:       max(1, int64(total-prompt)),
	}
	if x.usage != nil {
		a.PromptEvalCount, a.EvalCount = max(0, x.usage.Prompt()), max(0, x.usage.Output)
	}
	if a.EvalCount == 0 && x.bytes > 0 {
		a.EvalCount = max(1, x.bytes/4) // about four bytes a token
	}
	return a
}

// Whole returns the one object of an answer that is not streamed.
func (x *encoder) Whole(r *llm.Response) ([]byte, error) {
	var m message
	var probs []logprob
	for _, b := range r.Content {
		switch b := b.(type) {
		case llm.Text:
			m.Content += b.Text
			probs = append(probs, writeLogprobs(b.Logprobs)...)
		case llm.Thinking:
			m.Thinking += b.Text
		case llm.ToolCall:
			m.ToolCalls = append(m.ToolCalls, x.call(b))
		}
	}
	x.usage, x.bytes = r.Finish.Usage, len(m.Content)+len(m.Thinking)
	a := x.finished(r.Finish.Reason)
	a.Model, a.CreatedAt, a.Logprobs = x.model, stamp(x.now()), probs
	x.spell(&a, m)
	return rawjson.Marshal(a)
}

// Restart returns an encoder that has written nothing. Its clock runs on, for
// the client has waited since the call came.
func (x *encoder) Restart() dialect.Encoder {
	return &encoder{model: x.model, spell: x.spell, now: x.now, made: x.made}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
