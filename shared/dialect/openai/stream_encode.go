package openai

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A chatAnswer is what a request says about the form of its answer.
type chatAnswer struct {
	model  string // as the client calls it
	usage  bool   // at the end of a stream
	legacy bool   // a function_call in place of tool calls
}

// A chatEncoder writes a chat completion. Only the chatAnswer need be set.
type chatEncoder struct {
	chatAnswer
	head     []byte // of every chunk
	named    bool   // the role was said
	open     llm.Block
	argued   bool // the open call has arguments
	calls    int
	thoughts int // signed or encrypted
	before   *llm.Usage
}

// Restart returns an encoder that starts over.
func (e *chatEncoder) Restart() dialect.Encoder { return &chatEncoder{chatAnswer: e.chatAnswer} }

// A delta is what a chunk adds to the message.
type delta struct {
	Content          string        `json:"content,omitempty"`
	Refusal          string        `json:"refusal,omitempty"`
	ReasoningContent string        `json:"reasoning_content,omitempty"`
	ReasoningDetails []detail      `json:"reasoning_details,omitempty"`
	ToolCalls        []toolCall    `json:"tool_calls,omitempty"`
	FunctionCall     *functionCall `json:"function_call,omitempty"`
}

type chunkChoice struct {
	Index        int       `json:"index"`
	Delta        any       `json:"delta"`
	Logprobs     *logprobs `json:"logprobs"`
	FinishReason *string   `json:"finish_reason"`
}

// Event writes the chunks of one event.
func (e *chatEncoder) Event(dst []byte, event llm.Event) ([]byte, error) {
	switch event := event.(type) {
	case llm.Start:
		e.start(event)
		return dst, nil
	case llm.BlockStart:
		return e.begin(dst, event.Block)
	case llm.Delta:
		return e.say(dst, event)
	case llm.BlockEnd:
		return e.end(dst, event)
	case llm.Finish:
		return e.finish(dst, event)
	}
	return dst, fmt.Errorf("encode event: unknown %T", event)
}

func (e *chatEncoder) start(s llm.Start) {
	id, created := named(s.ID, s.Created)
	e.before = s.Usage
	e.head = fmt.Appendf(nil, `data: {"id":%s,"object":"chat.completion.chunk","created":%d,"model":%s,"choices":[`,
		rawjson.String(id), created, rawjson.String(e.model))
}

// named fills in what the upstream did not say.
func named(id string, created time.Time) (string, int64) {
	if created.IsZero() {
		created = time.Now()
	}
	if id == "" {
		id = "chatcmpl-" + rand.Text()
	}
	return id, created.Unix()
}

func (e *chatEncoder) begin(dst []byte, b llm.Block) ([]byte, error) {
	e.open, e.argued = b, false
	_, text := b.(llm.Text)
	dst, err := e.role(dst, text)
	if err != nil {
		return dst, err
	}
	switch b := b.(type) {
	case llm.RedactedThinking:
		e.thoughts++
		return e.chunk(dst, chunkChoice{Delta: delta{ReasoningDetails: []detail{encrypted(b.Data, e.thoughts-1)}}})
	case llm.ToolCall:
		e.calls++
		call := wireCall(llm.ToolCall{ID: b.ID, Name: b.Name})
		call.Function.Arguments = rawjson.String("")
		return e.call(dst, call)
	}
	return dst, nil
}

// role writes the first chunk, which is late by one event: it says whether
// there is a text to come.
func (e *chatEncoder) role(dst []byte, text bool) ([]byte, error) {
	if e.named {
		return dst, nil
	}
	e.named = true
	first := json.RawMessage(`{"role":"assistant","content":null,"refusal":null}`)
	if text {
		first = json.RawMessage(`{"role":"assistant","content":"","refusal":null}`)
	}
	return e.chunk(dst, chunkChoice{Delta: first})
}

func (e *chatEncoder) say(dst []byte, d llm.Delta) ([]byte, error) {
	if d.Text == "" && len(d.Logprobs) == 0 {
		return dst, nil
	}
	switch b := e.open.(type) {
	case llm.ToolCall:
		e.argued = e.argued || strings.TrimSpace(d.Text) != ""
		return e.call(dst, toolCall{Function: &functionCall{Arguments: rawjson.String(d.Text)}})
	case llm.Thinking:
		return e.chunk(dst, chunkChoice{Delta: delta{ReasoningContent: d.Text}})
	case llm.Text:
		c := chunkChoice{Delta: delta{Content: d.Text}}
		if b.Refusal {
			c.Delta = delta{Refusal: d.Text}
		}
		if probs := wireLogprobs(d.Logprobs); probs != nil && b.Refusal {
			c.Logprobs = &logprobs{Refusal: probs}
		} else if probs != nil {
			c.Logprobs = &logprobs{Content: probs}
		}
		return e.chunk(dst, c)
	}
	return dst, nil
}

func (e *chatEncoder) end(dst []byte, end llm.BlockEnd) ([]byte, error) {
	open := e.open
	e.open = nil
	switch open.(type) {
	case llm.ToolCall:
		if !e.argued {
			return e.call(dst, toolCall{Function: &functionCall{Arguments: rawjson.String("{}")}})
		}
	case llm.Thinking:
		if end.Signature != "" {
			e.thoughts++
			return e.chunk(dst, chunkChoice{Delta: delta{ReasoningDetails: []detail{signed(end.Signature, e.thoughts-1)}}})
		}
	}
	return dst, nil
}

// call writes a piece of the current tool call. In the old form there is just
// one of them.
func (e *chatEncoder) call(dst []byte, c toolCall) ([]byte, error) {
	if !e.legacy {
		c.Index = new(number(e.calls - 1))
		return e.chunk(dst, chunkChoice{Delta: delta{ToolCalls: []toolCall{c}}})
	}
	if e.calls > 1 {
		return dst, nil
	}
	return e.chunk(dst, chunkChoice{Delta: delta{FunctionCall: c.Function}})
}

func (e *chatEncoder) finish(dst []byte, f llm.Finish) ([]byte, error) {
	dst, err := e.role(dst, true)
	if err != nil {
		return dst, err
	}
	reason := e.reason(f.Reason, e.calls)
	if dst, err = e.chunk(dst, chunkChoice{Delta: struct{}{}, FinishReason: &reason}); err != nil {
		return dst, err
	}
	if e.usage {
		usage, err := rawjson.Marshal(wireUsage(cmp.Or(f.Usage, e.before)))
		if err != nil {
			return dst, err
		}
		dst = append(append(dst, e.head...), `],"usage":`...)
		dst = append(append(dst, usage...), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...), nil
}

// reason is the word for a finish reason. Agents go by it, so that it is never
// stop when there are calls to make.
func (e *chatEncoder) reason(r llm.FinishReason, calls int) string {
	if r == llm.FinishStop && calls > 0 {
		r = llm.FinishToolCalls
	}
	if r == llm.FinishToolCalls && e.legacy {
		return "function_call"
	}
	return cmp.Or(reasonWords[r], "stop")
}

func (e *chatEncoder) chunk(dst []byte, c chunkChoice) ([]byte, error) {
	if e.head == nil {
		e.start(llm.Start{})
	}
	choice, err := rawjson.Marshal(c)
	if err != nil {
		return dst, fmt.Errorf("encode chunk: %w", err)
	}
	dst = append(append(append(dst, e.head...), choice...), ']')
	if e.usage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...), nil
}

func wireCall(c llm.ToolCall) toolCall {
	return toolCall{
		ID:       cmp.Or(c.ID, "call_"+rand.Text()),
		Type:     "function",
		Function: &functionCall{Name: c.Name, Arguments: rawjson.String(cmp.Or(c.Arguments, "{}"))},
	}
}

func signed(signature string, index int) detail {
	return detail{Type: "reasoning.text", Signature: signature, Index: number(index)}
}

func encrypted(data string, index int) detail {
	return detail{Type: "reasoning.encrypted", Data: data, Index: number(index)}
}
