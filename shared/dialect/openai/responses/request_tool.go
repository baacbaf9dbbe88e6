package responses

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func (d *decoding) tools() error {
	for i, raw := range d.in.Tools {
		if err := d.tool(raw, "", fmt.Sprintf("tools[%d]", i)); err != nil {
			return err
		}
	}
	choice, err := d.choice()
	if err != nil {
		return err
	}
	if d.in.Parallel != nil && !*d.in.Parallel {
		if choice == nil {
			choice = &llm.ToolChoice{}
		}
		choice.Serial = true
	}
	d.out.ToolChoice = choice
	return nil
}

// tool reads a tool, or the tools of a namespace. What is neither a function
// nor can be made one is for the provider to run.
func (d *decoding) tool(raw json.RawMessage, namespace, path string) error {
	var t tool
	if json.Unmarshal(raw, &t) != nil || t.Type == "" {
		return invalid(path+".type", "Missing required parameter: '%s.type'.", path)
	}
	if t.Name == "" && slices.Contains([]string{"function", "custom", "namespace"}, t.Type) {
		return invalid(path+".name", "Missing required parameter: '%s.name'.", path)
	}
	switch t.Type {
	case "function":
		out := llm.Tool{Name: d.names.add(wireName{namespace: namespace, name: t.Name}), Description: t.Description, Strict: t.Strict}
		if !rawjson.IsNull(t.Parameters) {
			out.Parameters = t.Parameters
		}
		d.out.Tools = append(d.out.Tools, out)
	case "custom":
		format := cmp.Or(t.Format, &grammar{})
		called := d.names.add(wireName{namespace: namespace, name: t.Name, custom: true})
		d.out.Tools = append(d.out.Tools, dialect.FreeForm(called, t.Description, format.Syntax, format.Definition))
	case "namespace":
		for i, inner := range t.Tools {
			if err := d.tool(inner, t.Name, fmt.Sprintf("%s.tools[%d]", path, i)); err != nil {
				return err
			}
		}
	default:
		own := &llm.Opaque{Dialect: name, Kind: t.Type, JSON: slices.Clone(raw)}
		d.out.Tools = append(d.out.Tools, llm.Tool{Name: t.Type, Provider: own})
	}
	return nil
}

var modes = map[string]llm.ToolMode{
	"auto":     llm.ToolsAuto,
	"none":     llm.ToolsNone,
	"required": llm.ToolsRequired,
}

func (d *decoding) choice() (*llm.ToolChoice, error) {
	raw := d.in.ToolChoice
	if rawjson.IsNull(raw) {
		return nil, nil
	}
	var word string
	if json.Unmarshal(raw, &word) == nil {
		if mode, ok := modes[word]; ok {
			return &llm.ToolChoice{Mode: mode}, nil
		}
		return nil, invalid("tool_choice", "Invalid value: '%s'. Supported values are: 'none', 'auto', and 'required'.", word)
	}
	var c toolChoice
	if json.Unmarshal(raw, &c) != nil || c.Type == "" {
		return nil, invalid("tool_choice", "Invalid type for 'tool_choice': expected a string or an object with a type.")
	}
	if c.Type != "allowed_tools" {
		only, err := d.chosen(c)
		return &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{only}}, err
	}
	if c.Mode != "auto" && c.Mode != "required" || len(c.Tools) == 0 {
		return nil, invalid("tool_choice.mode", "Invalid value for 'tool_choice': expected the mode 'auto' or 'required', and tools.")
	}
	choice := &llm.ToolChoice{Mode: modes[c.Mode]}
	for _, t := range c.Tools {
		only, err := d.chosen(t)
		if err != nil {
			return nil, err
		}
		choice.Only = append(choice.Only, only)
	}
	return choice, nil
}

// chosen is the canonical name of a tool in tool_choice.
func (d *decoding) chosen(c toolChoice) (string, error) {
	switch c.Type {
	case "function", "custom":
		if c.Name == "" {
			return "", invalid("tool_choice.name", "Missing required parameter: 'tool_choice.name'.")
		}
		return d.names.canonical(c.Namespace, c.Name), nil
	default:
		return "", unsupported("tool_choice", "tools of type '%s' are not supported with this model", c.Type)
	}
}
