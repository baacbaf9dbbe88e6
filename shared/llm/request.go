// Package llm is the one language that allama's parts speak about calls to
// language models: requests, answers as streams of events, usage, errors.
//
// It is richer than any of the wire dialects, so that each of them can be read
// into it and written from it. It does no I/O and knows no dialect: package
// dialect and its subpackages translate.
package llm

import "encoding/json"

// A Request asks a model for an answer.
//
// Where a field is left zero the model's own default holds.
type Request struct {
	Model      string      `json:"model"`
	System     Blocks      `json:"system,omitempty"` // instructions before the first message, one block each
	Messages   []Message   `json:"messages,omitempty"`
	Tools      []Tool      `json:"tools,omitempty"`
	ToolChoice *ToolChoice `json:"tool_choice,omitempty"` // nil: the model decides
	Sampling   Sampling    `json:"sampling,omitzero"`
	Limits     Limits      `json:"limits,omitzero"`
	Format     *Format     `json:"format,omitempty"`    // nil: free text
	Reasoning  *Reasoning  `json:"reasoning,omitempty"` // nil: not spoken of
	Logprobs   *int        `json:"logprobs,omitempty"`  // alternatives wanted per token; nil: no probabilities at all
	User       string      `json:"user,omitempty"`      // the end user's id, for abuse reports
	Stream     bool        `json:"stream,omitempty"`
	Strict     bool        `json:"-"`               // rather refuse than drop a field, see [Strictly]; where a call travels, its job says so
	Facts      *Facts      `json:"facts,omitempty"` // about Model; nil: nothing is known

	// Extra holds what the caller's dialect said and this form has no word
	// for, by the field's name. Whoever cannot carry a field drops it with a
	// [Warning].
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
}

// Facts are what a provider itself says of a model. What is zero was not said.
type Facts struct {
	MaxOutput int      `json:"max_output,omitempty"` // tokens
	Schemas   *bool    `json:"schemas,omitempty"`    // whether answers can be held to a JSON Schema
	Thinking  []string `json:"thinking,omitempty"`   // the types of thinking that it takes, in the provider's words
	Efforts   []string `json:"efforts,omitempty"`    // the efforts that it takes, in the provider's words
}

// A Tool is a function that the model may ask the client to run.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"` // JSON Schema, keys in the caller's order; empty: no parameters
	Strict      *bool           `json:"strict,omitempty"`
	Provider    *Opaque         `json:"provider,omitempty"` // set: the provider runs this tool by itself
}

// A ToolMode says whether the model may, must or must not call tools.
type ToolMode string

// The tool modes.
const (
	ToolsAuto     ToolMode = "auto"
	ToolsNone     ToolMode = "none"
	ToolsRequired ToolMode = "required"
)

// A ToolChoice narrows the model's use of tools.
type ToolChoice struct {
	Mode   ToolMode `json:"mode,omitempty"`   // empty: auto
	Only   []string `json:"only,omitempty"`   // the tools that may be called; empty: all
	Serial bool     `json:"serial,omitempty"` // one call at a time
}

// Sampling says how tokens are drawn. A nil field is not spoken of.
type Sampling struct {
	Temperature      *float64 `json:"temperature,omitempty"`
	TopP             *float64 `json:"top_p,omitempty"`
	TopK             *int     `json:"top_k,omitempty"`
	MinP             *float64 `json:"min_p,omitempty"`
	Seed             *int64   `json:"seed,omitempty"`
	FrequencyPenalty *float64 `json:"frequency_penalty,omitempty"`
	PresencePenalty  *float64 `json:"presence_penalty,omitempty"`
	RepeatPenalty    *float64 `json:"repeat_penalty,omitempty"`
}

// Limits say where an answer ends.
type Limits struct {
	MaxTokens int      `json:"max_tokens,omitempty"` // output tokens, thinking included; 0: the model's maximum
	Stop      []string `json:"stop,omitempty"`
}

// A Format constrains the text of an answer to JSON.
type Format struct {
	Schema      json.RawMessage `json:"schema,omitempty"` // JSON Schema; empty: any JSON
	Name        string          `json:"name,omitempty"`
	Description string          `json:"description,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

// An Effort says how long the model may think.
type Effort string

// The efforts, least first. The empty effort leaves it to the model.
const (
	EffortNone    Effort = "none" // no thinking at all
	EffortMinimal Effort = "minimal"
	EffortLow     Effort = "low"
	EffortMedium  Effort = "medium"
	EffortHigh    Effort = "high"
	EffortXHigh   Effort = "xhigh"
	EffortMax     Effort = "max"
)

// Reasoning asks for thinking before the answer.
type Reasoning struct {
	Effort Effort `json:"effort,omitempty"`
	Budget int    `json:"budget,omitempty"` // tokens; 0: not given
	Hidden bool   `json:"hidden,omitempty"` // think, but do not show the thoughts
}
