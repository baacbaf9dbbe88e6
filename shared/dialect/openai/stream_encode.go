package openai

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A chatAnswer is what a request says about the form of its answer.
type chatAnswer struct {
	model  string   // as the client calls it
	usage  bool     // at the end of a stream
	legacy bool     // a function_call in place of tool calls
	custom []string // the tools whose input is a text
}

// A chatEncoder writes a chat completion. Only the chatAnswer need be set.
type chatEncoder struct {
	chatAnswer
	out      []byte // what is being appended to
	err      error
	head     []byte // of every chunk
	named    bool   // the role was said
	open     llm.Block
	argued   bool                   // the open call has arguments
	input    *dialect.FreeFormInput // of the open call; nil: it has arguments
	calls    int
	thoughts int // signed or encrypted
	cites    []llm.Citation
	place    int // of the open text: the characters before it
	said     int // characters of texts so far
	before   *llm.Usage
	pieces   dialect.Stencil // of the open block
}

// Restart returns an encoder that starts over.
func (e *chatEncoder) Restart() dialect.Encoder { return &chatEncoder{chatAnswer: e.chatAnswer} }

// A delta is what a chunk adds to the message.
type delta struct {
	Content          string            `json:"content,omitempty"`
	Refusal          string            `json:"refusal,omitempty"`
	ReasoningContent string            `json:"reasoning_content,omitempty"`
	ReasoningDetails []detail          `json:"reasoning_details,omitempty"`
	ToolCalls        []toolCall        `json:"tool_calls,omitempty"`
	FunctionCall     *functionCall     `json:"function_call,omitempty"`
	Annotations      []json.RawMessage `json:"annotations,omitempty"`
}

type chunkChoice struct {
	Index        int       `json:"index"`
	Delta        any       `json:"delta"`
	Logprobs     *logprobs `json:"logprobs"`
	FinishReason *string   `json:"finish_reason"`
}

// Event writes the chunks of one event.
func (e *chatEncoder) Event(dst []byte, event llm.Event) ([]byte, error) {
	e.out, e.err = dst, nil
	switch event := event.(type) {
	case llm.Start:
		e.start(event)
	case llm.BlockStart:
		e.begin(event.Block)
	case llm.Delta:
		e.say(event)
	case llm.BlockEnd:
		e.end(event)
	case llm.Finish:
		e.finish(event)
	}
	return e.out, e.err
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

func (e *chatEncoder) begin(b llm.Block) {
	e.open, e.argued, e.place, e.pieces = b, false, e.said, nil
	_, text := b.(llm.Text)
	e.role(text)
	switch b := b.(type) {
	case llm.RedactedThinking:
		e.thoughts++
		e.delta(delta{ReasoningDetails: []detail{encrypted(b.Data, e.thoughts-1)}})
	case llm.ToolCall:
		e.calls++
		e.call(e.opened(b))
	}
}

// role writes the first chunk, which is late by one event: it says whether
// there is a text to come.
func (e *chatEncoder) role(text bool) {
	if e.named {
		return
	}
	e.named = true
	first := json.RawMessage(`{"role":"assistant","content":null,"refusal":null}`)
	if text {
		first = json.RawMessage(`{"role":"assistant","content":"","refusal":null}`)
	}
	e.delta(first)
}

func (e *chatEncoder) say(d llm.Delta) {
	if d.Citation != nil {
		e.cites = append(e.cites, *d.Citation)
	}
	if d.Text == "" && len(d.Logprobs) == 0 {
		return
	}
	switch b := e.open.(type) {
	case llm.ToolCall:
		if e.input != nil {
			e.put(e.input.Add(d.Text))
			return
		}
		e.argued = e.argued || strings.TrimSpace(d.Text) != ""
		e.piece(d.Text, e.argue)
	case llm.Thinking:
		e.piece(d.Text, func(text string) { e.delta(delta{ReasoningContent: text}) })
	case llm.Text:
		if !b.Refusal {
			e.said += utf8.RuneCountInString(d.Text)
		}
		if len(d.Logprobs) == 0 {
			e.piece(d.Text, func(text string) { e.text(b, text, nil) })
			return
		}
		e.text(b, d.Text, wireLogprobs(d.Logprobs))
	}
}

// piece writes a piece of the open block, as write does, which writes to e.
func (e *chatEncoder) piece(text string, write func(text string)) {
	e.out = e.pieces.Repeat(e.out, text, func(dst []byte, text string) []byte {
		e.out = dst
		write(text)
		return e.out
	})
}

func (e *chatEncoder) text(b llm.Text, text string, probs []logprob) {
	c := chunkChoice{Delta: delta{Content: text}, Logprobs: &logprobs{Content: probs}}
	if b.Refusal {
		c = chunkChoice{Delta: delta{Refusal: text}, Logprobs: &logprobs{Refusal: probs}}
	}
	if probs == nil {
		c.Logprobs = nil
	}
	e.chunk(c)
}

func (e *chatEncoder) end(end llm.BlockEnd) {
	switch e.open.(type) {
	case llm.ToolCall:
		if e.input != nil {
			e.put(e.input.Rest())
		} else if !e.argued {
			e.argue("{}")
		}
	case llm.Thinking:
		if end.Signature != "" {
			e.thoughts++
			e.delta(delta{ReasoningDetails: []detail{signed(end.Signature, e.thoughts-1)}})
		}
	}
	if list := wireCitations(e.cites, e.place, e.said); len(list) > 0 { // now that the text is complete
		e.delta(delta{Annotations: list})
	}
	e.open, e.cites = nil, nil
}

func (e *chatEncoder) argue(text string) {
	e.call(toolCall{Function: &functionCall{Arguments: rawjson.String(text)}})
}

// call writes a piece of the current tool call. In the old form there is just
// one of them.
func (e *chatEncoder) call(c toolCall) {
	if !e.legacy {
		c.Index = new(number(e.calls - 1))
		e.delta(delta{ToolCalls: []toolCall{c}})
	} else if e.calls == 1 {
		e.delta(delta{FunctionCall: c.Function})
	}
}

func (e *chatEncoder) finish(f llm.Finish) {
	e.role(true)
	reason := e.reason(f.Reason, e.calls)
	e.chunk(chunkChoice{Delta: struct{}{}, FinishReason: &reason})
	if e.usage {
		e.out = append(e.out, e.head...)
		e.out = append(e.out, `],"usage":`...)
		e.json(wireUsage(cmp.Or(f.Usage, e.before)))
		e.out = append(e.out, "}\n\n"...)
	}
	e.out = append(e.out, "data: [DONE]\n\n"...)
}

// reason is the word for a finish reason. Clients go by it, so that it is never
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

func (e *chatEncoder) delta(d any) { e.chunk(chunkChoice{Delta: d}) }

func (e *chatEncoder) chunk(c chunkChoice) {
	if e.head == nil {
		e.start(llm.Start{})
	}
	e.out = append(e.out, e.head...)
	e.json(c)
	e.out = append(e.out, ']')
	if e.usage {
		e.out = append(e.out, `,"usage":null`...)
	}
	e.out = append(e.out, "}\n\n"...)
}

func (e *chatEncoder) json(v any) {
	text, err := rawjson.Marshal(v)
	e.out, e.err = append(e.out, text...), cmp.Or(e.err, err)
}

// opened is a call without its arguments.
func (e *chatEncoder) opened(b llm.ToolCall) toolCall {
	call := e.wireCall(llm.ToolCall{ID: b.ID, Name: b.Name})
	if e.input = nil; call.Custom != nil {
		e.input, call.Custom.Input = new(dialect.FreeFormInput), rawjson.String("")
	} else {
		call.Function.Arguments = rawjson.String("")
	}
	return call
}

// put writes a piece of the input of the open call.
func (e *chatEncoder) put(text string) {
	if text != "" {
		e.call(toolCall{Custom: &customCall{Input: rawjson.String(text)}})
	}
}

// wireCall writes a call as the client knows the tool.
func (a *chatAnswer) wireCall(c llm.ToolCall) toolCall {
	call := wireCall(c)
	if slices.Contains(a.custom, c.Name) {
		call.Type, call.Function = "custom", nil
		call.Custom = &customCall{Name: c.Name, Input: rawjson.String(dialect.FreeFormText(c.Arguments))}
	}
	return call
}

func wireCall(c llm.ToolCall) toolCall {
	return toolCall{
		ID:       cmp.Or(c.ID, "call_"+rand.Text()),
		Type:     "function",
		Function: &functionCall{Name: c.Name, Arguments: rawjson.String(cmp.Or(c.Arguments, "{}"))},
	}
}
