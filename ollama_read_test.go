package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// An ollamaLine is one object of an answer, of chat or of generate.
type ollamaLine struct {
	Model      string
	CreatedAt  time.Time `json:"created_at"`
	Message    *ollamaMessage
	Response   *string
	Thinking   string
	Done       *bool
	DoneReason string `json:"done_reason"`

	TotalDuration      int64 `json:"total_duration"` // in ns, like the others
	LoadDuration       int64 `json:"load_duration"`
	PromptEvalDuration int64 `json:"prompt_eval_duration"`
	EvalDuration       int64 `json:"eval_duration"`
	PromptEvalCount    int   `json:"prompt_eval_count"`
	EvalCount          int   `json:"eval_count"`
}

type ollamaMessage struct {
	Role      string           `json:"role"`
	Content   *string          `json:"content"`
	Thinking  string           `json:"thinking,omitempty"`
	ToolCalls []ollamaToolCall `json:"tool_calls,omitempty"`
}

type ollamaToolCall struct {
	ID       string `json:"id"`
	Function struct {
		Index     *int                       `json:"index"`
		Name      string                     `json:"name"`
		Arguments map[string]json.RawMessage `json:"arguments"`
	} `json:"function"`
}

// An ollamaAnswer is an answer as Ollama's own clients add it up.
type ollamaAnswer struct {
	text, thinking string
	calls          []ollamaToolCall
	last           ollamaLine
	lines          int
}

// add takes one object. It is as strict as the strictest of Ollama's clients.
func (a *ollamaAnswer) add(object []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(object, &keys); err != nil {
		return fmt.Errorf("not an object: %q", object)
	}
	if text, ok := keys["error"]; ok {
		return fmt.Errorf("error: %s", text)
	}
	if a.last.Done != nil && *a.last.Done {
		return fmt.Errorf("after the end comes %s", object)
	}
	a.last = ollamaLine{}
	if err := json.Unmarshal(object, &a.last); err != nil {
		return fmt.Errorf("%w in %s", err, object)
	}
	a.lines++
	l := a.last
	if l.Model == "" || l.Done == nil || l.CreatedAt.IsZero() || l.CreatedAt.Location() != time.UTC {
		return fmt.Errorf("model, done or created_at in UTC is missing in %s", object)
	}
	a.thinking += l.Thinking
	switch {
	case l.Response != nil && l.Message == nil:
		a.text += *l.Response
	case l.Response == nil && l.Message != nil && l.Message.Role == "assistant" && l.Message.Content != nil:
		a.text += *l.Message.Content
		a.thinking += l.Message.Thinking
		a.calls = append(a.calls, l.Message.ToolCalls...)
	default:
		return fmt.Errorf("neither a message with role and content nor a response: %s", object)
	}
	return nil
}

// readOllama reads the answer to a call that asked for a stream or not.
func readOllama(response *http.Response, stream bool) (*ollamaAnswer, error) {
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	a := &ollamaAnswer{}
	ctype := response.Header.Get("Content-Type")
	if !stream || response.StatusCode != http.StatusOK {
		if ctype != "application/json; charset=utf-8" {
			return a, fmt.Errorf("content type %q of %s", ctype, body)
		}
		if err := a.add(body); err != nil {
			return a, err
		}
	} else {
		if ctype != "application/x-ndjson" || !bytes.HasSuffix(body, []byte("\n")) {
			return a, fmt.Errorf("content type %q, or no line end in %s", ctype, body)
		}
		for line := range bytes.Lines(body) {
			if err := a.add(line); err != nil {
				return a, err
			}
		}
	}
	if a.last.Done == nil || !*a.last.Done {
		return a, errors.New("did not receive done or success response in stream")
	}
	return a, nil
}

// measured tells which of the figures of a whole answer a client would take
// for missing.
func (l ollamaLine) measured() error {
	for name, n := range map[string]int64{
		"total_duration": l.TotalDuration, "load_duration": l.LoadDuration,
		"prompt_eval_duration": l.PromptEvalDuration, "eval_duration": l.EvalDuration,
		"prompt_eval_count": int64(l.PromptEvalCount), "eval_count": int64(l.EvalCount),
	} {
		if n < 1 {
			return fmt.Errorf("%s is %d", name, n)
		}
	}
	return nil
}
