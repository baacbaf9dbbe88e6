// Package anthropic speaks the Anthropic messages dialect: [Server] reads the
// calls of clients and writes their answers, [Client] writes calls to an
// upstream and reads its answers.
//
// It translates only; headers, retries and connections are its users' part.
package anthropic

import (
	"encoding/json"

	"github.com/offbeat-studio/allama/shared/llm"
)

// dialectName is the dialect's name, also in citations and opaque blocks.
const dialectName = "anthropic"

// requestBody is the body of a call, in both directions.
type requestBody struct {
	Model         string            `json:"model"`
	MaxTokens     *int              `json:"max_tokens,omitempty"`
	System        json.RawMessage   `json:"system,omitempty"` // a string or blocks
	Messages      []turn            `json:"messages"`
	Tools         []json.RawMessage `json:"tools,omitempty"`
	ToolChoice    *toolChoice       `json:"tool_choice,omitempty"`
	Thinking      *thinking         `json:"thinking,omitempty"`
	OutputConfig  json.RawMessage   `json:"output_config,omitempty"`
	OutputFormat  *outputFormat     `json:"output_format,omitempty"` // older name of output_config.format
	StopSequences []string          `json:"stop_sequences,omitempty"`
	Temperature   *float64          `json:"temperature,omitempty"`
	TopP          *float64          `json:"top_p,omitempty"`
	TopK          *int              `json:"top_k,omitempty"`
	Metadata      *metadata         `json:"metadata,omitempty"`
	Stream        bool              `json:"stream,omitempty"`
}

type turn struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"` // a string or blocks
}

type metadata struct {
	UserID string `json:"user_id,omitempty"`
}

type tool struct {
	Type         string          `json:"type,omitempty"`
	Name         string          `json:"name"`
	Description  string          `json:"description,omitempty"`
	InputSchema  json.RawMessage `json:"input_schema,omitempty"`
	Strict       *bool           `json:"strict,omitempty"`
	CacheControl json.RawMessage `json:"cache_control,omitempty"`
}

type toolChoice struct {
	Type   string `json:"type"`
	Name   string `json:"name,omitempty"`
	Serial bool   `json:"disable_parallel_tool_use,omitempty"`
}

type thinking struct {
	Type    string `json:"type"`
	Budget  int    `json:"budget_tokens,omitempty"`
	Display string `json:"display,omitempty"`
}

type outputConfig struct {
	Effort string        `json:"effort,omitempty"`
	Format *outputFormat `json:"format,omitempty"`
}

type outputFormat struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema,omitempty"`
}

// answer is a message of the model, whole or as a stream begins with it.
type answer struct {
	ID           string            `json:"id"`
	Type         string            `json:"type"`
	Role         string            `json:"role"`
	Model        string            `json:"model"`
	Content      []json.RawMessage `json:"content"`
	StopReason   *string           `json:"stop_reason"`
	StopSequence *string           `json:"stop_sequence"`
	Usage        *usage            `json:"usage,omitempty"`
}

// ending says why a message ended, in the delta that ends a stream.
type ending struct {
	StopReason   *string `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
}

// delta is a piece of a block: one of its fields is set, as Type says.
type delta struct {
	Type        string          `json:"type"`
	Text        string          `json:"text,omitempty"`
	PartialJSON string          `json:"partial_json,omitempty"`
	Thinking    string          `json:"thinking,omitempty"`
	Signature   string          `json:"signature,omitempty"`
	Citation    json.RawMessage `json:"citation,omitempty"`
}

type usage struct {
	Input      int            `json:"input_tokens"`
	CacheWrite int            `json:"cache_creation_input_tokens"`
	CacheRead  int            `json:"cache_read_input_tokens"`
	Output     int            `json:"output_tokens"`
	Details    *outputDetails `json:"output_tokens_details,omitempty"`
}

type outputDetails struct {
	Thinking int `json:"thinking_tokens"`
}

func writeUsage(u llm.Usage) *usage {
	w := &usage{Input: u.Input, CacheWrite: u.CacheWrite, CacheRead: u.CacheRead, Output: u.Output}
	if u.Reasoning > 0 {
		w.Details = &outputDetails{Thinking: u.Reasoning}
	}
	return w
}

// read returns the counts, or nil for nil. Counts below zero are taken for 0.
func (u *usage) read() *llm.Usage {
	if u == nil {
		return nil
	}
	out := &llm.Usage{
		Input: max(u.Input, 0), CacheRead: max(u.CacheRead, 0),
		CacheWrite: max(u.CacheWrite, 0), Output: max(u.Output, 0),
	}
	if u.Details != nil {
		out.Reasoning = max(u.Details.Thinking, 0)
	}
	return out
}

var reasonOf = map[string]llm.FinishReason{
	"end_turn":                      llm.FinishStop,
	"stop_sequence":                 llm.FinishStop,
	"max_tokens":                    llm.FinishLength,
	"model_context_window_exceeded": llm.FinishLength,
	"tool_use":                      llm.FinishToolCalls,
	"refusal":                       llm.FinishContentFilter,
	"pause_turn":                    llm.FinishPause,
	"compaction":                    llm.FinishPause,
}

var stopReasonOf = map[llm.FinishReason]string{
	llm.FinishStop:          "end_turn",
	llm.FinishLength:        "max_tokens",
	llm.FinishToolCalls:     "tool_use",
	llm.FinishContentFilter: "refusal",
	llm.FinishPause:         "pause_turn",
}

// finish reads the end of an answer. An answer with tool calls that merely
// stopped waits for their results, whatever word its server chose.
func (e ending) finish(calls bool, u *llm.Usage) llm.Finish {
	f := llm.Finish{Reason: llm.FinishStop, Usage: u}
	if e.StopReason != nil {
		f.Raw = *e.StopReason
	}
	if reason, ok := reasonOf[f.Raw]; ok {
		f.Reason = reason
	}
	if e.StopSequence != nil {
		f.StopSequence = *e.StopSequence
	}
	if calls && f.Reason == llm.FinishStop && f.StopSequence == "" {
		f.Reason = llm.FinishToolCalls
	}
	return f
}

// endingOf writes the end of an answer.
func endingOf(f llm.Finish) ending {
	if f.Reason == llm.FinishStop && f.StopSequence != "" {
		return ending{StopReason: new("stop_sequence"), StopSequence: &f.StopSequence}
	}
	reason, ok := stopReasonOf[f.Reason]
	if !ok {
		reason = stopReasonOf[llm.FinishStop]
	}
	return ending{StopReason: &reason}
}
