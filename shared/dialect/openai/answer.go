package openai

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// reasons are the finish reasons of the dialect, and what compatible servers
// made of them; all others mean a natural end.
var reasons = map[string]llm.FinishReason{
	"stop":           llm.FinishStop,
	"length":         llm.FinishLength,
	"max_tokens":     llm.FinishLength,
	"model_length":   llm.FinishLength, // Mistral
	"tool_calls":     llm.FinishToolCalls,
	"tool_use":       llm.FinishToolCalls,
	"function_call":  llm.FinishToolCalls,
	"content_filter": llm.FinishContentFilter,
	"sensitive":      llm.FinishContentFilter, // Z.ai
}

var reasonWords = map[llm.FinishReason]string{
	llm.FinishStop:          "stop",
	llm.FinishLength:        "length",
	llm.FinishToolCalls:     "tool_calls",
	llm.FinishContentFilter: "content_filter",
	llm.FinishPause:         "stop",
}

// wholeChat reads an answer that is not streamed, as a stream of one chunk.
func wholeChat(body []byte) (*llm.Response, error) {
	var c chunk
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, dialect.Unreadable(err)
	}
	if len(c.Choices) == 0 {
		if failed(c, "") {
			return nil, readError(0, body)
		}
		return nil, dialect.Unreadable(errors.New("no choices"))
	}
	first := false
	for i := range c.Choices {
		choice := &c.Choices[i]
		if choice.Index != 0 {
			continue
		}
		if choice.FinishReason == nil && rawjson.IsNull(choice.Error) {
			return nil, llm.ErrTruncated
		}
		choice.Delta, first = choice.Message, true
		choice.number()
	}
	if !first {
		return nil, dialect.Unreadable(errors.New("no first choice"))
	}
	var d chatDecoder
	begin, err := d.chunk(&c)
	if err != nil {
		return nil, err
	}
	end, err := d.finish()
	if err != nil {
		return nil, err
	}
	return fold(append(begin, end...))
}

// number tells the calls of a whole message apart.
func (c *choice) number() {
	if c.Message == nil {
		return
	}
	for i := range c.Message.ToolCalls {
		c.Message.ToolCalls[i].Index = new(number(i))
	}
}

func fold(events []llm.Event) (*llm.Response, error) {
	var c llm.Collector
	for _, e := range events {
		if err := c.Add(e); err != nil {
			return nil, err
		}
	}
	return c.Response()
}

// An answer is the body of a chat completion that is not streamed.
type answer struct {
	ID      string         `json:"id"`
	Object  string         `json:"object"`
	Created int64          `json:"created"`
	Model   string         `json:"model"`
	Choices []answerChoice `json:"choices"`
	Usage   *usage         `json:"usage"`
}

type answerChoice struct {
	Index        int           `json:"index"`
	Message      answerMessage `json:"message"`
	Logprobs     *logprobs     `json:"logprobs"`
	FinishReason string        `json:"finish_reason"`
}

type answerMessage struct {
	Role             string            `json:"role"`
	Content          *string           `json:"content"`
	Refusal          *string           `json:"refusal"`
	ReasoningContent string            `json:"reasoning_content,omitempty"`
	ReasoningDetails []detail          `json:"reasoning_details,omitempty"`
	ToolCalls        []toolCall        `json:"tool_calls,omitempty"`
	FunctionCall     *functionCall     `json:"function_call,omitempty"`
	Annotations      []json.RawMessage `json:"annotations,omitempty"`
}

// Whole writes an answer that is not streamed.
func (e *chatEncoder) Whole(r *llm.Response) ([]byte, error) {
	m := answerMessage{Role: "assistant"}
	var probs logprobs
	for _, b := range r.Content {
		m.add(b, &probs)
		if call, ok := b.(llm.ToolCall); ok {
			m.ToolCalls = append(m.ToolCalls, e.wireCall(call))
		}
	}
	if m.Content == nil && len(r.Content) == 0 {
		m.Content = new("")
	}
	calls := len(m.ToolCalls)
	if e.legacy && calls > 0 {
		m.FunctionCall, m.ToolCalls = m.ToolCalls[0].Function, nil
	}
	choice := answerChoice{Message: m, FinishReason: e.reason(r.Finish.Reason, calls)}
	if probs.Content != nil || probs.Refusal != nil {
		choice.Logprobs = &probs
	}
	id, created := named(r.ID, r.Created)
	return rawjson.Marshal(answer{
		ID: id, Object: "chat.completion", Created: created, Model: e.model,
		Choices: []answerChoice{choice},
		Usage:   wireUsage(r.Finish.Usage).inDetail(),
	})
}

func (m *answerMessage) add(b llm.Block, probs *logprobs) {
	switch b := b.(type) {
	case llm.Text:
		to, tokens := &m.Content, &probs.Content
		if b.Refusal {
			to, tokens = &m.Refusal, &probs.Refusal
		}
		if *to == nil {
			*to = new("")
		}
		place := utf8.RuneCountInString(**to)
		**to += b.Text
		m.Annotations = append(m.Annotations, wireCitations(b.Citations, place, place+utf8.RuneCountInString(b.Text))...)
		*tokens = append(*tokens, wireLogprobs(b.Logprobs)...)
	case llm.Thinking:
		m.ReasoningContent += b.Text
		if b.Signature != "" {
			d := signed(b.Signature, len(m.ReasoningDetails))
			d.Text = rawjson.String(b.Text)
			m.ReasoningDetails = append(m.ReasoningDetails, d)
		}
	case llm.RedactedThinking:
		m.ReasoningDetails = append(m.ReasoningDetails, encrypted(b.Data, len(m.ReasoningDetails)))
	}
}
