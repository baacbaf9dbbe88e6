package openai

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// A request is the body of a chat completion. Its embedded groups are one
// object in JSON.
type request struct {
	Model    string    `json:"model"`
	Messages []message `json:"messages"`
	toolset
	sampling
	shape
	caller
}

type toolset struct {
	Tools        []json.RawMessage `json:"tools,omitempty"`
	ToolChoice   json.RawMessage   `json:"tool_choice,omitempty"`
	Parallel     *bool             `json:"parallel_tool_calls,omitempty"`
	Functions    []function        `json:"functions,omitempty"`     // before tools
	FunctionCall json.RawMessage   `json:"function_call,omitempty"` // before tool_choice
}

type sampling struct {
	Temperature      *float64 `json:"temperature,omitempty"`
	TopP             *float64 `json:"top_p,omitempty"`
	Seed             *int64   `json:"seed,omitempty"`
	FrequencyPenalty *float64 `json:"frequency_penalty,omitempty"`
	PresencePenalty  *float64 `json:"presence_penalty,omitempty"`
	TopK             *int     `json:"top_k,omitempty"`              // vLLM, llama.cpp
	MinP             *float64 `json:"min_p,omitempty"`              // vLLM, llama.cpp
	RepeatPenalty    *float64 `json:"repetition_penalty,omitempty"` // vLLM
	OldRepeatPenalty *float64 `json:"repeat_penalty,omitempty"`     // llama.cpp
}

type shape struct {
	MaxCompletionTokens int             `json:"max_completion_tokens,omitempty"`
	MaxTokens           int             `json:"max_tokens,omitempty"`
	Stop                json.RawMessage `json:"stop,omitempty"` // a string or a list
	ResponseFormat      *responseFormat `json:"response_format,omitempty"`
	ReasoningEffort     string          `json:"reasoning_effort,omitempty"`
	Reasoning           *reasoning      `json:"reasoning,omitempty"` // OpenRouter
	Thinking            json.RawMessage `json:"thinking,omitempty"`  // DeepSeek
	Logprobs            bool            `json:"logprobs,omitempty"`
	TopLogprobs         int             `json:"top_logprobs,omitempty"`
	N                   int             `json:"n,omitempty"`
	BestOf              int             `json:"best_of,omitempty"`
	Modalities          []string        `json:"modalities,omitempty"`
	WebSearch           json.RawMessage `json:"web_search_options,omitempty"`
}

type caller struct {
	User             string         `json:"user,omitempty"`
	SafetyIdentifier string         `json:"safety_identifier,omitempty"`
	Stream           bool           `json:"stream,omitempty"`
	StreamOptions    *streamOptions `json:"stream_options,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type responseFormat struct {
	Type       string          `json:"type"`
	JSONSchema *jsonSchema     `json:"json_schema,omitempty"`
	Schema     json.RawMessage `json:"schema,omitempty"` // of a json_object, with llama.cpp and others
}

type jsonSchema struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

type reasoning struct {
	Effort    string `json:"effort"`
	MaxTokens int    `json:"max_tokens"`
	Exclude   bool   `json:"exclude"`
	Enabled   *bool  `json:"enabled"`
}

type tool struct {
	Type     string      `json:"type"`
	Function *function   `json:"function,omitempty"`
	Custom   *customTool `json:"custom,omitempty"`
}

// A customTool is one whose input is a text of any form.
type customTool struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Format      struct {
		Grammar struct {
			Syntax     string `json:"syntax"`
			Definition string `json:"definition"`
		} `json:"grammar"`
	} `json:"format"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

// A message is one of a request, that of an answer, or a piece of that.
type message struct {
	Role             string          `json:"role"`
	Content          json.RawMessage `json:"content"` // a string, parts or null
	Name             string          `json:"name,omitempty"`
	Refusal          json.RawMessage `json:"refusal,omitempty"`
	ReasoningContent json.RawMessage `json:"reasoning_content,omitempty"`
	Reasoning        json.RawMessage `json:"reasoning,omitempty"`
	ReasoningDetails []detail        `json:"reasoning_details,omitempty"`
	ToolCalls        []toolCall      `json:"tool_calls,omitempty"`
	FunctionCall     *functionCall   `json:"function_call,omitempty"`
	Annotations      json.RawMessage `json:"annotations,omitempty"` // citations
	Audio            json.RawMessage `json:"audio,omitempty"`
	ToolCallID       string          `json:"tool_call_id,omitempty"`
}

type toolCall struct {
	Index    *number       `json:"index,omitempty"` // only in streams
	ID       string        `json:"id,omitempty"`
	Type     string        `json:"type,omitempty"`
	Function *functionCall `json:"function,omitempty"`
	Custom   *customCall   `json:"custom,omitempty"`
}

type customCall struct {
	Name  string          `json:"name,omitempty"`
	Input json.RawMessage `json:"input"` // a string
}

type functionCall struct {
	Name      string          `json:"name,omitempty"`
	Arguments json.RawMessage `json:"arguments"` // a string; an object from some servers
}

// A part is one of the content of a message.
type part struct {
	Type       string          `json:"type"`
	Text       string          `json:"text,omitempty"`
	Refusal    string          `json:"refusal,omitempty"`
	ImageURL   *imageURL       `json:"image_url,omitempty"`
	InputAudio *inputAudio     `json:"input_audio,omitempty"`
	File       *file           `json:"file,omitempty"`
	Thinking   json.RawMessage `json:"thinking,omitempty"` // Mistral: parts in a part
}

type imageURL struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitempty"`
}

type inputAudio struct {
	Data   string `json:"data"`
	Format string `json:"format"`
}

type file struct {
	FileID   string `json:"file_id,omitempty"`
	FileData string `json:"file_data,omitempty"`
	Filename string `json:"filename,omitempty"`
}

// UnmarshalJSON also reads a bare URL, as some clients send it.
func (u *imageURL) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &u.URL)
	}
	if data[0] != '{' {
		type plain imageURL
		return json.Unmarshal(data, (*plain)(u))
	}
	return u.read(data)
}

// A number is a count or a time in an answer. What is negative, or no number,
// reads as zero: nobody's answer shall fail for its statistics.
type number int64

// UnmarshalJSON never fails.
func (n *number) UnmarshalJSON(data []byte) error {
	if whole, err := strconv.ParseInt(string(data), 10, 64); err == nil && whole >= 0 && whole < 1<<53 {
		*n = number(whole) // as they mostly are
		return nil
	}
	*n = 0
	f, err := strconv.ParseFloat(string(bytes.Trim(data, `"`)), 64)
	if err == nil && f > 0 && f < 1<<53 {
		*n = number(f)
	}
	return nil
}
