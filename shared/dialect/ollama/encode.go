package ollama

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// writer writes one request.
type writer struct {
	dialect.Draft
	model string
	names map[string]string // of the tools called so far, by the call's id
}

// Encode writes a request as a chat.
func (Client) Encode(r *llm.Request) (*dialect.Encoded, error) {
	w := &writer{model: r.Model, names: map[string]string{}}
	out := chatRequest{request: request{
		Model:   r.Model,
		Stream:  new(r.Stream), // always said: the default is to stream
		Format:  w.format(r.Format),
		Options: w.options(r),
		Think:   w.think(r.Reasoning, r.Facts),
	}}
	if r.Logprobs != nil {
		out.Logprobs, out.TopLogprobs = true, *r.Logprobs
	}
	var hint string
	out.Tools, hint = w.tools(r)
	out.Messages = w.messages(r, hint)
	w.DropIf(r.User != "", "user")
	w.Rest(r.Extra, func(field string) error { return unsupported(field, w.model, field) })
	return w.Encoded("chat", out)
}

func (w *writer) unsupported(param, what string) { w.Refuse(unsupported(param, w.model, what)) }

func (w *writer) format(f *llm.Format) json.RawMessage {
	if f == nil {
		return nil
	}
	w.DropIf(f.Description != "", "response_format.description")
	if len(f.Schema) == 0 {
		return json.RawMessage(`"json"`)
	}
	return f.Schema
}

// thinkOf is the level for each effort; others, and none at all, mean just
// true.
var thinkOf = map[llm.Effort]string{
	llm.EffortNone:    `false`,
	llm.EffortMinimal: `"low"`,
	llm.EffortLow:     `"low"`,
	llm.EffortMedium:  `"medium"`,
	llm.EffortHigh:    `"high"`,
	llm.EffortXHigh:   `"max"`,
	llm.EffortMax:     `"max"`,
}

func (w *writer) think(r *llm.Reasoning, f *llm.Facts) json.RawMessage {
	switch {
	case r == nil:
		return nil // left out, so that the model's default holds
	case r.Effort != llm.EffortNone && thinksNot(f):
		w.Drop("reasoning_effort") // which Ollama would refuse
		return nil
	}
	w.DropIf(r.Hidden, "thinking.display")
	if level, ok := thinkOf[r.Effort]; ok {
		return json.RawMessage(level)
	}
	return json.RawMessage("true")
}

// Unthinking are the types of thinking, in the words of think, of a model that
// does not think.
func Unthinking() []string { return []string{"false"} }

func thinksNot(f *llm.Facts) bool { return f != nil && slices.Equal(f.Thinking, Unthinking()) }

// tools returns the tools that may be called, and an instruction where one has
// to stand in for the choice, which the dialect has no word for.
func (w *writer) tools(r *llm.Request) (list []tool, hint string) {
	choice := cmp.Or(r.ToolChoice, &llm.ToolChoice{})
	if choice.Mode == llm.ToolsNone {
		return nil, ""
	}
	for _, t := range r.Tools {
		if len(choice.Only) == 0 || slices.Contains(choice.Only, t.Name) {
			list = append(list, w.tool(t))
		}
	}
	w.DropIf(choice.Serial && len(list) > 0, "parallel_tool_calls")
	if choice.Mode != llm.ToolsRequired {
		return list, ""
	}
	w.Ask("tool_choice")
	switch len(list) {
	case 0:
		w.Refuse(invalid("tool_choice", "tool_choice demands a tool, but none is offered"))
		return nil, ""
	case 1:
		return list, "You must answer by calling the tool " + list[0].Function.Name + "."
	default:
		return list, "You must answer by calling one of the tools."
	}
}

func (w *writer) tool(t llm.Tool) tool {
	if t.Provider != nil {
		w.unsupported("tools", fmt.Sprintf("tool type %q", t.Provider.Kind))
	}
	w.DropIf(t.Strict != nil && *t.Strict, "strict")
	d := definition{Name: t.Name, Description: t.Description, Parameters: t.Parameters}
	if len(d.Parameters) == 0 {
		d.Parameters = json.RawMessage(`{"type":"object","properties":{}}`)
	}
	return tool{Type: "function", Function: d}
}
