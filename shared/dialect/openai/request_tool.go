package openai

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// legacy reports whether the request speaks of functions only, as before there
// were tools, and so is answered.
func (in *request) legacy() bool { return len(in.Tools) == 0 && len(in.Functions) > 0 }

func (r *reading) tools() {
	if r.legacy() {
		for i, f := range r.Functions {
			if f.Name == "" {
				r.missing(fmt.Sprintf("functions[%d].name", i))
			}
			r.out.Tools = append(r.out.Tools, f.tool())
		}
		r.legacyChoice()
		return
	}
	for i, raw := range r.Tools {
		r.out.Tools = append(r.out.Tools, r.tool(raw, fmt.Sprintf("tools[%d]", i)))
	}
	r.out.ToolChoice = r.choice()
	if r.Parallel != nil && !*r.Parallel {
		r.out.ToolChoice = cmp.Or(r.out.ToolChoice, &llm.ToolChoice{})
		r.out.ToolChoice.Serial = true
	}
}

// tool keeps any tool that is not for the client to run for its provider.
func (r *reading) tool(raw json.RawMessage, path string) llm.Tool {
	var t tool
	if json.Unmarshal(raw, &t) != nil || t.Type == "" {
		r.missing(path + ".type")
	}
	switch t.Type {
	case "function":
		f := cmp.Or(t.Function, &function{})
		if f.Name == "" {
			r.missing(path + ".function.name")
		}
		return f.tool()
	case "custom":
		c := cmp.Or(t.Custom, &customTool{})
		if c.Name == "" {
			r.missing(path + ".custom.name")
		}
		r.custom = append(r.custom, c.Name)
		return dialect.FreeForm(c.Name, c.Description, c.Format.Grammar.Syntax, c.Format.Grammar.Definition)
	default:
		own := &llm.Opaque{Dialect: name, Kind: t.Type, JSON: slices.Clone(raw)}
		return llm.Tool{Name: t.Type, Provider: own}
	}
}

func (f function) tool() llm.Tool {
	return llm.Tool{Name: f.Name, Description: f.Description, Strict: f.Strict, Parameters: known(f.Parameters)}
}

// legacyChoice reads function_call. A model of that time called one function
// at once.
func (r *reading) legacyChoice() {
	choice := &llm.ToolChoice{Serial: true}
	r.out.ToolChoice = choice
	if rawjson.IsNull(r.FunctionCall) {
		return
	}
	var f function
	if json.Unmarshal(r.FunctionCall, &f) == nil && f.Name != "" {
		choice.Mode, choice.Only = llm.ToolsRequired, []string{f.Name}
		return
	}
	var ok bool
	if choice.Mode, ok = modes[new(dialect.Joiner).Add(r.FunctionCall)]; !ok {
		r.invalid("function_call", "Invalid value for 'function_call'.")
	}
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

func (r *reading) choice() *llm.ToolChoice {
	raw := r.ToolChoice
	if rawjson.IsNull(raw) {
		return nil
	}
	if raw[0] == '"' {
		mode, ok := modes[new(dialect.Joiner).Add(raw)]
		if !ok {
			r.invalid("tool_choice", "Invalid value: %s. Supported values are: 'none', 'auto', and 'required'.", raw)
		}
		return &llm.ToolChoice{Mode: mode}
	}
	var c toolChoice
	if json.Unmarshal(raw, &c) != nil {
		r.invalid("tool_choice", "Invalid type for 'tool_choice': expected a string or an object.")
	}
	if name := c.name(); name != "" {
		return &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{name}}
	}
	allowed := cmp.Or(c.AllowedTools, &allowedTools{})
	if allowed.Mode != "auto" && allowed.Mode != "required" || len(allowed.Tools) == 0 {
		r.invalid("tool_choice", "Invalid value for 'tool_choice'.")
	}
	choice := &llm.ToolChoice{Mode: modes[allowed.Mode]}
	for _, t := range allowed.Tools {
		choice.Only = append(choice.Only, t.name())
	}
	return choice
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
