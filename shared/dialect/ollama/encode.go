package ollama

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// writer writes one request and collects what it cannot carry.
type writer struct {
	model    string
	names    map[string]string // of the tools called so far, by the call's id
	warnings []llm.Warning
}

// Encode writes a request as a chat.
func (Client) Encode(r *llm.Request) (*dialect.Encoded, error) {
	w := &writer{model: r.Model, names: map[string]string{}}
	out := chatRequest{request: request{
		Model:  r.Model,
		Stream: new(r.Stream), // always said: the default is to stream
		Format: w.format(r.Format),
		Think:  w.think(r.Reasoning),
	}}
	if r.Logprobs != nil {
		out.Logprobs, out.TopLogprobs = true, *r.Logprobs
	}
	var err error
	if out.Options, err = writeOptions(r); err != nil {
		return nil, fmt.Errorf("write options: %w", err)
	}
	var hint string
	if out.Tools, hint, err = w.tools(r); err != nil {
		return nil, err
	}
	if out.Messages, err = w.messages(r, hint); err != nil {
		return nil, err
	}
	if r.User != "" {
		w.warn(llm.Dropped, "user")
	}
	if err := w.extra(r.Extra); err != nil {
		return nil, err
	}
	body, err := rawjson.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	return &dialect.Encoded{Operation: "chat", Body: body, Warnings: w.warnings}, nil
}

func (w *writer) warn(p llm.Policy, field string) {
	warning := llm.Warning{Policy: p, Field: field}
	if !slices.Contains(w.warnings, warning) {
		w.warnings = append(w.warnings, warning)
	}
}

func (w *writer) format(f *llm.Format) json.RawMessage {
	if f == nil {
		return nil
	}
	if f.Description != "" {
		w.warn(llm.Dropped, "response_format.description")
	}
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

func (w *writer) think(r *llm.Reasoning) json.RawMessage {
	if r == nil {
		return nil // left out, so that the model's default holds
	}
	if r.Hidden {
		w.warn(llm.Dropped, "thinking.display")
	}
	if level, ok := thinkOf[r.Effort]; ok {
		return json.RawMessage(level)
	}
	return json.RawMessage("true")
}

// tools returns the tools that may be called, and an instruction where one has
// to stand in for the choice, which the dialect has no word for.
func (w *writer) tools(r *llm.Request) (list []tool, hint string, err error) {
	var choice llm.ToolChoice
	if r.ToolChoice != nil {
		choice = *r.ToolChoice
	}
	if choice.Serial {
		w.warn(llm.Dropped, "parallel_tool_calls")
	}
	if choice.Mode == llm.ToolsNone {
		return nil, "", nil
	}
	for _, t := range r.Tools {
		if len(choice.Only) > 0 && !slices.Contains(choice.Only, t.Name) {
			continue
		}
		one, err := w.tool(t)
		if err != nil {
			return nil, "", err
		}
		list = append(list, one)
	}
	if choice.Mode != llm.ToolsRequired {
		return list, "", nil
	}
	w.warn(llm.Emulated, "tool_choice")
	switch len(list) {
	case 0:
		return nil, "", invalid("tool_choice", "tool_choice demands a tool, but none is offered")
	case 1:
		return list, "You must answer by calling the tool " + list[0].Function.Name + ".", nil
	default:
		return list, "You must answer by calling one of the tools.", nil
	}
}

func (w *writer) tool(t llm.Tool) (tool, error) {
	if t.Provider != nil {
		return tool{}, unsupported("tools", w.model, fmt.Sprintf("tool type %q", t.Provider.Kind))
	}
	if t.Strict != nil && *t.Strict {
		w.warn(llm.Dropped, "strict")
	}
	d := definition{Name: t.Name, Description: t.Description, Parameters: t.Parameters}
	if len(d.Parameters) == 0 {
		d.Parameters = json.RawMessage(`{"type":"object","properties":{}}`)
	}
	return tool{Type: "function", Function: d}, nil
}

// harmless are the values with which a field that must not be dropped asks for
// nothing.
var harmless = []string{"null", "false", "0", "1", `""`, "[]", "{}", `["text"]`}

// vital are the fields whose loss would change what is answered, or where it
// is kept.
var vital = []string{
	"audio", "background", "best_of", "container", "conversation", "mcp_servers", "modalities",
	"n", "previous_response_id", "prompt", "web_search_options",
}

func (w *writer) extra(fields map[string]json.RawMessage) error {
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value := compact(fields[key])
		switch {
		case !slices.Contains(vital, key):
			w.warn(llm.Dropped, key)
		case key == "web_search_options" || !slices.Contains(harmless, value):
			return unsupported(key, w.model, key)
		}
	}
	return nil
}
