package responses

import (
	"encoding/json"
)

// A request is the body of a call: what of it has a word in the canonical
// language. The rest is only echoed.
type request struct {
	Model           string            `json:"model"`
	Instructions    string            `json:"instructions,omitempty"`
	Input           json.RawMessage   `json:"input"` // a string or items
	Tools           []json.RawMessage `json:"tools,omitempty"`
	ToolChoice      json.RawMessage   `json:"tool_choice,omitempty"`
	Parallel        *bool             `json:"parallel_tool_calls,omitempty"`
	MaxOutputTokens int               `json:"max_output_tokens,omitempty"`
	Reasoning       *reasoning        `json:"reasoning,omitempty"`
	Text            *textOptions      `json:"text,omitempty"`
	Include         []string          `json:"include,omitempty"`
	sampling
	caller
}

type sampling struct {
	Temperature *float64 `json:"temperature,omitempty"`
	TopP        *float64 `json:"top_p,omitempty"`
	TopLogprobs *int     `json:"top_logprobs,omitempty"`
}

type caller struct {
	User             string          `json:"user,omitempty"`
	SafetyIdentifier string          `json:"safety_identifier,omitempty"`
	Store            *bool           `json:"store,omitempty"` // ignored: nothing is kept
	Stream           bool            `json:"stream,omitempty"`
	StreamOptions    json.RawMessage `json:"stream_options,omitempty"` // ignored: they are about padding
}

// What a request may include in its answer.
const (
	includeEncrypted = "reasoning.encrypted_content"
	includeLogprobs  = "message.output_text.logprobs"
)

type reasoning struct {
	Effort          *string `json:"effort,omitempty"`
	Summary         *string `json:"summary,omitempty"`
	GenerateSummary *string `json:"generate_summary,omitempty"` // the old name of summary
}

type textOptions struct {
	Format    *format `json:"format,omitempty"`
	Verbosity string  `json:"verbosity,omitempty"`
}

type format struct {
	Type        string          `json:"type"`
	Name        string          `json:"name,omitempty"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

// A tool is a function, or what else is offered by type.
type tool struct {
	Type        string            `json:"type"`
	Name        string            `json:"name,omitempty"`
	Description string            `json:"description,omitempty"`
	Parameters  json.RawMessage   `json:"parameters,omitempty"`
	Strict      *bool             `json:"strict,omitempty"`
	Format      *grammar          `json:"format,omitempty"` // of a custom tool
	Tools       []json.RawMessage `json:"tools,omitempty"`  // of a namespace
}

// A grammar says what the input of a custom tool looks like.
type grammar struct {
	Type       string `json:"type"`
	Syntax     string `json:"syntax"`
	Definition string `json:"definition"`
}

// A toolChoice is tool_choice where it is an object, and a tool in one.
type toolChoice struct {
	Type      string       `json:"type"`
	Namespace string       `json:"namespace,omitempty"`
	Name      string       `json:"name,omitempty"`
	Mode      string       `json:"mode,omitempty"`
	Tools     []toolChoice `json:"tools,omitempty"`
}

// An item is one of an input or of an output.
type item struct {
	Type      string          `json:"type,omitempty"`
	ID        string          `json:"id,omitempty"`
	Status    string          `json:"status,omitempty"`
	Role      string          `json:"role,omitempty"`
	Content   json.RawMessage `json:"content,omitempty"` // a string or parts
	Summary   []part          `json:"summary,omitzero"`
	Encrypted string          `json:"encrypted_content,omitempty"`
	call
}

// A call is what items that call a tool have, and those with its result.
type call struct {
	CallID    string          `json:"call_id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Namespace string          `json:"namespace,omitempty"`
	Arguments *string         `json:"arguments,omitempty"`
	Input     *string         `json:"input,omitempty"`  // of a custom tool
	Output    json.RawMessage `json:"output,omitempty"` // a string or parts
}

// A part is one of the content of an item.
type part struct {
	Type        string            `json:"type"`
	Text        *string           `json:"text,omitempty"`
	Annotations []json.RawMessage `json:"annotations,omitzero"`
	Logprobs    []logprob         `json:"logprobs,omitzero"`
	Refusal     *string           `json:"refusal,omitempty"`
	Detail      string            `json:"detail,omitempty"`
	ImageURL    string            `json:"image_url,omitempty"`
	file
}

type file struct {
	FileID   string `json:"file_id,omitempty"`
	FileURL  string `json:"file_url,omitempty"`
	FileData string `json:"file_data,omitempty"`
	Filename string `json:"filename,omitempty"`
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
