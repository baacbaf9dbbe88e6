package ollama

import (
	"encoding/json"
	"math/rand/v2"

	"github.com/offbeat-studio/allama/shared/llm"
)

// request is what the bodies of all model calls have in common.
type request struct {
	Model       string          `json:"model"`
	Stream      *bool           `json:"stream,omitempty"` // nil: true
	Format      json.RawMessage `json:"format,omitempty"`
	Options     json.RawMessage `json:"options,omitempty"`
	Think       json.RawMessage `json:"think,omitempty"`
	KeepAlive   json.RawMessage `json:"keep_alive,omitempty"`
	Logprobs    bool            `json:"logprobs,omitempty"`
	TopLogprobs int             `json:"top_logprobs,omitempty"`
}

type chatRequest struct {
	request
	Messages []message `json:"messages"`
	Tools    []tool    `json:"tools,omitempty"`
}

type generateRequest struct {
	request
	Prompt   string   `json:"prompt"`
	Suffix   string   `json:"suffix"`
	System   string   `json:"system"`
	Template string   `json:"template"`
	Context  []int    `json:"context"`
	Raw      bool     `json:"raw"`
	Images   []string `json:"images"`
}

type message struct {
	Role       string     `json:"role"`
	Content    string     `json:"content"`
	Thinking   string     `json:"thinking,omitempty"`
	Images     []string   `json:"images,omitempty"`
	ToolCalls  []toolCall `json:"tool_calls,omitempty"`
	ToolName   string     `json:"tool_name,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type toolCall struct {
	ID       string   `json:"id,omitempty"`
	Function function `json:"function"`
}

type function struct {
	Index     int             `json:"index"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

type tool struct {
	Type     string     `json:"type"`
	Function definition `json:"function"`
}

type definition struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

// answer is a line of a streamed answer or a whole one. Chat has a message,
// generate has the message's parts at the top.
type answer struct {
	Model      string     `json:"model"`
	CreatedAt  string     `json:"created_at"`
	Message    *message   `json:"message,omitempty"`
	Response   *string    `json:"response,omitempty"`
	Thinking   string     `json:"thinking,omitempty"`
	Done       bool       `json:"done"`
	DoneReason string     `json:"done_reason,omitempty"`
	ToolCalls  []toolCall `json:"tool_calls,omitempty"`
	Logprobs   []logprob  `json:"logprobs,omitempty"`
	metrics

	// Error must not be written: clients take a line with this key, whatever
	// its value, for a failure.
	Error json.RawMessage `json:"error,omitempty"`
}

// metrics stand on the last line; the durations are in nanoseconds.
type metrics struct {
	TotalDuration      int64 `json:"total_duration,omitempty"`
	LoadDuration       int64 `json:"load_duration,omitempty"`
	PromptEvalCount    int   `json:"prompt_eval_count,omitempty"`
	PromptEvalDuration int64 `json:"prompt_eval_duration,omitempty"`
	EvalCount          int   `json:"eval_count,omitempty"`
	EvalDuration       int64 `json:"eval_duration,omitempty"`
}

// said is the message of a, in either form.
func (a *answer) said() message {
	if a.Message != nil {
		return *a.Message
	}
	m := message{Thinking: a.Thinking, ToolCalls: a.ToolCalls}
	if a.Response != nil {
		m.Content = *a.Response
	}
	return m
}

// A spelling puts a message into an answer in the form of its operation.
type spelling func(*answer, message)

func spellChat(a *answer, m message) {
	m.Role = "assistant"
	a.Message = &m
}

func spellGenerate(a *answer, m message) {
	a.Response, a.Thinking, a.ToolCalls = &m.Content, m.Thinking, m.ToolCalls
}

type logprob struct {
	Token   string    `json:"token"`
	Logprob float64   `json:"logprob"`
	Bytes   []int     `json:"bytes,omitempty"`
	Top     []logprob `json:"top_logprobs,omitempty"`
}

func readLogprobs(list []logprob) []llm.Logprob {
	var out []llm.Logprob
	for _, p := range list {
		out = append(out, llm.Logprob{Token: p.Token, Logprob: p.Logprob, Bytes: p.Bytes, Top: readLogprobs(p.Top)})
	}
	return out
}

func writeLogprobs(list []llm.Logprob) []logprob {
	var out []logprob
	for _, p := range list {
		out = append(out, logprob{Token: p.Token, Logprob: p.Logprob, Bytes: p.Bytes, Top: writeLogprobs(p.Top)})
	}
	return out
}

// newCallID makes an id for a tool call that came without one, in the form of
// Ollama's own.
func newCallID() string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	id := []byte("call_")
	for range 8 {
		id = append(id, alphabet[rand.IntN(len(alphabet))])
	}
	return string(id)
}
