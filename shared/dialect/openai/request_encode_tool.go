package openai

import (
	"cmp"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// tools writes the tools as OpenAI's own models take them, and makes them fit
// then.
func (e *encoding) tools() {
	choice := cmp.Or(e.in.ToolChoice, &llm.ToolChoice{})
	if e.client.NoTools {
		e.withoutTools(choice)
		return
	}
	for _, t := range e.in.Tools {
		if t.Provider != nil {
			e.unsupported("tools", "tools of type '%s' are not supported with this model", t.Provider.Kind)
			return
		}
		f := &function{Name: t.Name, Description: t.Description, Parameters: t.Parameters, Strict: t.Strict}
		raw, err := rawjson.Marshal(tool{Type: "function", Function: f})
		if err != nil {
			e.Refuse(invalid("tools", "the parameters of tool '%s' are not valid JSON", t.Name))
			return
		}
		e.out.Tools = append(e.out.Tools, raw)
	}
	if len(e.out.Tools) == 0 {
		return
	}
	if choice.Serial {
		e.out.Parallel = new(false)
	}
	if len(choice.Only) > 0 || choice.Mode != "" {
		e.out.ToolChoice = e.JSON(wireChoice(choice))
	}
	lost, forced := e.out.fit(e.client, e.refusals)
	for _, field := range lost {
		e.Drop(field)
	}
	if e.urged = forced; forced {
		e.Ask("tool_choice")
	}
}

// withoutTools is for an upstream that has none. They can be left out where
// none is to be called.
func (e *encoding) withoutTools(choice *llm.ToolChoice) {
	switch {
	case len(e.in.Tools) == 0:
	case choice.Mode == llm.ToolsNone:
		e.Drop("tools")
	default:
		e.unsupported("tools", "tools are not supported with this model")
	}
}

// urge asks for a call where the upstream cannot be told that there must be one.
func (e *encoding) urge() string {
	if only := e.in.ToolChoice.Only; len(only) == 1 {
		return "You must answer by calling the tool " + only[0] + "."
	}
	return "You must answer by calling one of the tools."
}

// wireChoice is a mode, a function or a list of them.
func wireChoice(c *llm.ToolChoice) any {
	mode := cmp.Or(c.Mode, llm.ToolsAuto)
	switch {
	case len(c.Only) == 0 || mode == llm.ToolsNone:
		return mode
	case len(c.Only) == 1 && mode == llm.ToolsRequired:
		return wireName(c.Only[0])
	}
	allowed := &allowedTools{Mode: string(mode)}
	for _, name := range c.Only {
		allowed.Tools = append(allowed.Tools, wireName(name))
	}
	return toolChoice{Type: "allowed_tools", AllowedTools: allowed}
}

func wireName(name string) toolChoice {
	return toolChoice{Type: "function", Function: &toolName{Name: name}}
}
