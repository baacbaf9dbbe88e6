package openai

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/offbeat-studio/allama/shared/llm"
)

// legacy reports whether the request speaks of functions only, as before there
// were tools, and so is answered.
func (in *request) legacy() bool { return len(in.Tools) == 0 && len(in.Functions) > 0 }

func (in *request) readTools(out *llm.Request) error {
	if in.legacy() {
		for i, f := range in.Functions {
			if f.Name == "" {
				return invalid(fmt.Sprintf("functions[%d].name", i), "Missing required parameter: 'functions[%d].name'.", i)
			}
			out.Tools = append(out.Tools, f.tool())
		}
		return in.readLegacyChoice(out)
	}
	for i, raw := range in.Tools {
		t, err := readTool(raw, fmt.Sprintf("tools[%d]", i))
		if err != nil {
			return err
		}
		out.Tools = append(out.Tools, t)
	}
	choice, err := readChoice(in.ToolChoice)
	if err != nil {
		return err
	}
	if in.Parallel != nil && !*in.Parallel {
		if choice == nil {
			choice = &llm.ToolChoice{}
		}
		choice.Serial = true
	}
	out.ToolChoice = choice
	return nil
}

// readTool keeps any tool that is not a function for its provider to run.
func readTool(raw json.RawMessage, path string) (llm.Tool, error) {
	var t tool
	if json.Unmarshal(raw, &t) != nil || t.Type == "" {
		return llm.Tool{}, invalid(path+".type", "Missing required parameter: '%s.type'.", path)
	}
	if t.Type != "function" {
		own := &llm.Opaque{Dialect: "openai", Kind: t.Type, JSON: slices.Clone(raw)}
		return llm.Tool{Name: t.Type, Provider: own}, nil
	}
	if t.Function == nil || t.Function.Name == "" {
		return llm.Tool{}, invalid(path+".function.name", "Missing required parameter: '%s.function.name'.", path)
	}
	return t.Function.tool(), nil
}

func (f function) tool() llm.Tool {
	t := llm.Tool{Name: f.Name, Description: f.Description, Strict: f.Strict}
	if !isNull(f.Parameters) {
		t.Parameters = f.Parameters
	}
	return t
}

// readLegacyChoice reads function_call. A model of that time called one
// function at once.
func (in *request) readLegacyChoice(out *llm.Request) error {
	out.ToolChoice = &llm.ToolChoice{Serial: true}
	if isNull(in.FunctionCall) {
		return nil
	}
	var name function
	if json.Unmarshal(in.FunctionCall, &name) == nil && name.Name != "" {
		out.ToolChoice.Mode, out.ToolChoice.Only = llm.ToolsRequired, []string{name.Name}
		return nil
	}
	mode, ok := modes[new(joiner).add(in.FunctionCall)]
	if !ok {
		return invalid("function_call", "Invalid value for 'function_call'.")
	}
	out.ToolChoice.Mode = mode
	return nil
}

var modes = map[string]llm.ToolMode{
	"auto":     llm.ToolsAuto,
	"none":     llm.ToolsNone,
	"required": llm.ToolsRequired,
	"any":      llm.ToolsRequired, // Mistral
}

// A toolChoice is tool_choice where it is an object.
type toolChoice struct {
	Type         string        `json:"type"`
	Function     *toolName     `json:"function,omitempty"`
	Custom       *toolName     `json:"custom,omitempty"`
	AllowedTools *allowedTools `json:"allowed_tools,omitempty"`
}

type allowedTools struct {
	Mode  string       `json:"mode"`
	Tools []toolChoice `json:"tools"`
}

type toolName struct {
	Name string `json:"name"`
}

func readChoice(raw json.RawMessage) (*llm.ToolChoice, error) {
	if isNull(raw) {
		return nil, nil
	}
	if raw[0] == '"' {
		if mode, ok := modes[new(joiner).add(raw)]; ok {
			return &llm.ToolChoice{Mode: mode}, nil
		}
		return nil, invalid("tool_choice", "Invalid value: %s. Supported values are: 'none', 'auto', and 'required'.", raw)
	}
	var c toolChoice
	if json.Unmarshal(raw, &c) != nil {
		return nil, invalid("tool_choice", "Invalid type for 'tool_choice': expected a string or an object.")
	}
	if name := c.name(); name != "" {
		return &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{name}}, nil
	}
	if a := c.AllowedTools; a != nil && (a.Mode == "auto" || a.Mode == "required") && len(a.Tools) > 0 {
		choice := &llm.ToolChoice{Mode: modes[a.Mode]}
		for _, t := range a.Tools {
			choice.Only = append(choice.Only, t.name())
		}
		return choice, nil
	}
	return nil, invalid("tool_choice", "Invalid value for 'tool_choice'.")
}

func (c toolChoice) name() string {
	switch {
	case c.Function != nil:
		return c.Function.Name
	case c.Custom != nil:
		return c.Custom.Name
	}
	return ""
}
