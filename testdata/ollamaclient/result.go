package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ollama/ollama/api"
)

// A result is what came of an exercise, as the client shows it. The zero value
// of each field means that there was none.
type result struct {
	Exercise string                  `json:"exercise"`
	Model    string                  `json:"model,omitempty"`
	Text     string                  `json:"text,omitempty"`
	Thinking string                  `json:"thinking,omitempty"`
	Calls    []string                `json:"calls,omitempty"`
	Reason   string                  `json:"reason,omitempty"`
	Tokens   []int                   `json:"tokens,omitempty"`   // of the prompt, and of the answer
	Streamed bool                    `json:"streamed,omitempty"` // in more than one piece
	Listed   []api.ListModelResponse `json:"listed,omitempty"`
	Vectors  [][]float64             `json:"vectors,omitempty"`
	Dropped  string                  `json:"dropped,omitempty"`
	Emulated string                  `json:"emulated,omitempty"`
	Wrong    []string                `json:"wrong,omitempty"` // what a real Ollama does not do
	Error    *failure                `json:"error,omitempty"`
}

func (r *result) wrong(format string, args ...any) {
	r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
}

// A failure is an error of the client's.
type failure struct {
	Kind   string `json:"kind"` // status, authorization, canceled or other
	Status int    `json:"status,omitempty"`
	Text   string `json:"text,omitempty"`
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[api.StatusError](err); ok {
		return &failure{Kind: "status", Status: e.StatusCode, Text: e.ErrorMessage}
	}
	if e, ok := errors.AsType[api.AuthorizationError](err); ok {
		return &failure{Kind: "authorization", Status: e.StatusCode}
	}
	if errors.Is(err, context.Canceled) {
		return &failure{Kind: "canceled"}
	}
	return &failure{Kind: "other", Text: err.Error()}
}

// A piece is what the answers of both calls have in common.
type piece struct {
	model   string
	created time.Time
	done    bool
	reason  string
	message api.Message
	metrics api.Metrics
}

// An answer adds up the pieces of one.
type answer struct {
	got    *result
	pieces int
	last   piece
}

func (a *answer) chat(r api.ChatResponse) error {
	if r.Message.Role != "assistant" {
		a.got.wrong("the role is %q", r.Message.Role)
	}
	return a.add(piece{r.Model, r.CreatedAt, r.Done, r.DoneReason, r.Message, r.Metrics})
}

func (a *answer) generate(r api.GenerateResponse) error {
	m := api.Message{Content: r.Response, Thinking: r.Thinking, ToolCalls: r.ToolCalls}
	return a.add(piece{r.Model, r.CreatedAt, r.Done, r.DoneReason, m, r.Metrics})
}

func (a *answer) add(p piece) error {
	a.pieces++
	if a.last.done {
		a.got.wrong("something comes after the end")
	}
	if p.model == "" || p.created.IsZero() || p.created.Location() != time.UTC || p.created.Before(a.last.created) {
		a.got.wrong("no model, or a time that cannot be: %q, %v", p.model, p.created)
	}
	if !p.done && (p.reason != "" || p.metrics != api.Metrics{}) {
		a.got.wrong("the reason or figures come before the end")
	}
	a.last = p
	a.got.Model, a.got.Streamed = p.model, a.pieces > 1
	a.got.Text += p.message.Content
	a.got.Thinking += p.message.Thinking
	for _, c := range p.message.ToolCalls {
		a.got.Calls = append(a.got.Calls, fmt.Sprintf("%d %s %s%s", c.Function.Index, c.ID, c.Function.Name, c.Function.Arguments.String()))
	}
	return nil
}

// end looks at the last piece, unless the call has failed.
func (a *answer) end(err error) error {
	if err != nil {
		return err
	}
	p := a.last
	a.got.Reason = p.reason
	if !p.done {
		a.got.wrong("there is no last piece")
	}
	m := p.metrics
	if m == (api.Metrics{}) && a.got.Text == "" {
		return nil // the model was loaded, or unloaded
	}
	a.got.Tokens = []int{m.PromptEvalCount, m.EvalCount}
	if m.TotalDuration < 1 || m.LoadDuration < 1 || m.PromptEvalDuration < 1 || m.EvalDuration < 1 {
		a.got.wrong("a duration is missing in %+v", m)
	}
	return nil
}
