// Package demo is a provider that is built in: it answers canned prose, at
// once and for nothing, so that everything else can be tried without a key or
// a model. The same request always gets the same answer.
package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
)

// Model is the only model.
const Model = "demo"

const (
	pause       = 25 * time.Millisecond // between pieces of a streamed answer
	pieceWords  = 2
	maxRepeated = 600 // bytes of the user's message
)

// A Provider is the demo. It is safe for concurrent use.
type Provider struct{}

// New returns the demo.
func New() Provider { return Provider{} }

// Models lists the one model.
func (Provider) Models(context.Context) ([]catalog.Model, error) {
	return []catalog.Model{{
		ID: Model, DisplayName: "Demo", Kind: "chat", OwnedBy: "allama",
		Capabilities:  []string{"completion", "tools", "thinking"},
		ContextLength: 32_768, Facts: llm.Facts{MaxOutput: 4096},
		Modalities: catalog.Modalities{Input: []string{"text"}, Output: []string{"text"}},
		Details:    catalog.Details{Format: "builtin", Family: "demo"},
	}}, nil
}

// Answer writes the answer to r, in pieces with pauses where it is streamed.
func (Provider) Answer(ctx context.Context, r *llm.Request, wait func(time.Duration) error) (llm.Stream, []llm.Warning, error) {
	if r.Model != Model {
		return nil, nil, unknown(r.Model)
	}
	warnings, err := ignored(r)
	if err != nil {
		return nil, nil, err
	}
	w := &writer{ctx: ctx, wait: wait, left: r.Limits.MaxTokens, limited: r.Limits.MaxTokens > 0}
	if r.Stream {
		w.pause = pause
	}
	return func(yield func(llm.Event, error) bool) {
		w.yield = yield
		w.answer(r)
	}, warnings, nil
}

func unknown(model string) *llm.Error {
	return &llm.Error{Code: llm.CodeModelNotFound, Message: fmt.Sprintf("model '%s' not found", model), Param: model}
}

// An idea is a block of an answer before it is written down.
type idea struct {
	start llm.Block
	text  string
}

// ideas are what the answer to r says.
func ideas(r *llm.Request) (list []idea, reason llm.FinishReason) {
	said := lastMessage(r)
	if t := r.Reasoning; t != nil && t.Effort != llm.EffortNone && !t.Hidden {
		list = append(list, idea{llm.Thinking{}, "The user is trying me out. I shall say what I am and repeat what was said."})
	}
	if tool := wanted(r); tool != nil {
		call := llm.ToolCall{ID: fmt.Sprintf("call_demo_%d", len(r.Messages)), Name: tool.Name}
		return append(list, idea{call, string(sample(tool.Parameters, object))}), llm.FinishToolCalls
	}
	return append(list, idea{llm.Text{}, prose(r, said)}), llm.FinishStop
}

func prose(r *llm.Request, said string) string {
	if r.Format != nil {
		return string(sample(r.Format.Schema, object))
	}
	if result := lastResult(r); result != nil {
		return fmt.Sprintf("The tool answered: %s", shorten(result.Content.PlainText(" ")))
	}
	hello := "Hello! I am the demo model that is built into allama. " +
		"I do not think; I only show that everything works, from your client through the queue to a worker and back. "
	if said == "" {
		return hello + "You said nothing yet."
	}
	return hello + "You said: " + shorten(said)
}

func shorten(s string) string {
	if len(s) <= maxRepeated {
		return s
	}
	return strings.ToValidUTF8(s[:maxRepeated], "") + " …"
}

// lastMessage is the text of the user's last message.
func lastMessage(r *llm.Request) string {
	for _, v := range slices.Backward(r.Messages) {
		if m := v; m.Role == llm.RoleUser {
			return strings.TrimSpace(m.Content.PlainText("\n"))
		}
	}
	return ""
}

// lastResult is the result that the last message brings, or nil.
func lastResult(r *llm.Request) *llm.ToolResult {
	if len(r.Messages) == 0 {
		return nil
	}
	for _, b := range r.Messages[len(r.Messages)-1].Content {
		if result, ok := b.(llm.ToolResult); ok {
			return &result
		}
	}
	return nil
}

// wanted is the tool that the answer shall call: any when one has to be
// called, otherwise one that the user speaks of; nil for none.
func wanted(r *llm.Request) *llm.Tool {
	var choice llm.ToolChoice
	if r.ToolChoice != nil {
		choice = *r.ToolChoice
	}
	if choice.Mode == llm.ToolsNone || lastResult(r) != nil {
		return nil
	}
	said := strings.ToLower(lastMessage(r))
	for i := range r.Tools {
		tool := &r.Tools[i]
		if tool.Provider != nil || !allowed(choice, tool.Name) {
			continue
		}
		if choice.Mode == llm.ToolsRequired || strings.Contains(said, "tool") || strings.Contains(said, strings.ToLower(tool.Name)) {
			return tool
		}
	}
	return nil
}

func allowed(choice llm.ToolChoice, name string) bool {
	if slices.Contains(choice.Only, name) {
		return true
	}
	return len(choice.Only) == 0
}
