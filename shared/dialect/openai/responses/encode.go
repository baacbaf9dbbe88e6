package responses

import (
	"cmp"
	"encoding/json"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// Encode writes a request. Nothing is to be stored, so thoughts come encrypted
// and go back with the conversation.
func (c Client) Encode(r *llm.Request) (*dialect.Encoded, error) {
	e := encoding{client: c, in: r, calls: dialect.CallIDs{Legal: shorten}}
	e.out.Model, e.out.Store = r.Model, new(false)
	e.out.Instructions = r.System.PlainText("\n\n")
	e.conversation()
	e.out.Input = e.JSON(e.items)
	e.tools()
	e.options()
	e.format()
	e.reasoning()
	e.Rest(r.Extra, func(field string) error {
		return unsupported(field, "'%s' is not supported with this model", field)
	})
	return e.Encoded(operation, e.out)
}

// An encoding is one request on its way to the wire.
type encoding struct {
	dialect.Draft
	client  Client
	in      *llm.Request
	out     request
	items   []any
	calls   dialect.CallIDs
	thought bool // the conversation has encrypted thoughts
}

func (e *encoding) unsupported(param, format string, args ...any) {
	e.Refuse(unsupported(param, format, args...))
}

func (e *encoding) tools() {
	for _, t := range e.in.Tools {
		if raw := e.tool(t); raw != nil {
			e.out.Tools = append(e.out.Tools, raw)
		}
	}
	choice := e.in.ToolChoice
	if choice == nil || len(e.out.Tools) == 0 {
		return
	}
	if choice.Serial {
		e.out.Parallel = new(false)
	}
	if len(choice.Only) > 0 || choice.Mode != "" {
		e.out.ToolChoice = e.JSON(wireChoice(choice))
	}
}

func (e *encoding) tool(t llm.Tool) json.RawMessage {
	if p := t.Provider; p != nil {
		if p.Dialect == name {
			return p.JSON
		}
		e.unsupported("tools", "tools of type '%s' are not supported with this model", p.Kind)
		return nil
	}
	parameters := t.Parameters
	if rawjson.IsNull(parameters) {
		parameters = json.RawMessage(`{"type":"object","properties":{}}`)
	}
	if !json.Valid(parameters) {
		e.Refuse(invalid("tools", "the parameters of tool '%s' are not valid JSON", t.Name))
		return nil
	}
	// The API is strict where it is not told, unlike all others.
	strict := cmp.Or(t.Strict, new(false))
	return e.JSON(tool{Type: "function", Name: t.Name, Description: t.Description, Parameters: parameters, Strict: strict})
}

// wireChoice is a mode, a function or a list of them.
func wireChoice(c *llm.ToolChoice) any {
	mode := cmp.Or(c.Mode, llm.ToolsAuto)
	switch {
	case len(c.Only) == 0 || mode == llm.ToolsNone:
		return mode
	case len(c.Only) == 1 && mode == llm.ToolsRequired:
		return toolChoice{Type: "function", Name: c.Only[0]}
	}
	allowed := toolChoice{Type: "allowed_tools", Mode: string(mode)}
	for _, name := range c.Only {
		allowed.Tools = append(allowed.Tools, toolChoice{Type: "function", Name: name})
	}
	return allowed
}

func (e *encoding) options() {
	s, l := e.in.Sampling, e.in.Limits
	e.out.Temperature, e.out.TopP = s.Temperature, s.TopP
	e.out.MaxOutputTokens, e.out.Stream = l.MaxTokens, e.in.Stream
	s.Temperature, s.TopP = nil, nil
	e.Samplers(s)
	e.DropIf(len(l.Stop) > 0, "stop")
	if n := e.in.Logprobs; n != nil {
		e.out.TopLogprobs, e.out.Include = n, append(e.out.Include, includeLogprobs)
	}
	user := dialect.ShortUser(e.in.User)
	if e.client.UserField == "safety_identifier" {
		e.out.SafetyIdentifier = user
	} else {
		e.out.User = user
	}
}

func (e *encoding) format() {
	f := e.in.Format
	switch {
	case f == nil:
	case rawjson.IsNull(f.Schema):
		e.out.Text = &textOptions{Format: &format{Type: "json_object"}}
	case !json.Valid(f.Schema):
		e.Refuse(invalid("text.format", "the schema of the response format is not valid JSON"))
	default:
		e.out.Text = &textOptions{Format: &format{
			Type: "json_schema", Name: cmp.Or(f.Name, "response"), Description: f.Description,
			Schema: f.Schema, Strict: cmp.Or(f.Strict, new(dialect.Closed(f.Schema))),
		}}
	}
}

// reasoning writes the effort. Encrypted thoughts are asked for only where the
// model is known to think: others refuse the wish.
func (e *encoding) reasoning() {
	r := e.in.Reasoning
	if r != nil {
		e.out.Reasoning = &reasoning{Effort: new(string(e.effort()))}
		if !r.Hidden && !e.client.NoSummary && r.Effort != llm.EffortNone {
			e.out.Reasoning.Summary = new("auto")
		}
	}
	if e.thought || r != nil && r.Effort != llm.EffortNone {
		e.out.Include = append(e.out.Include, includeEncrypted)
	}
}

// effort is the effort. Where only a budget is given, its share of the output
// tells it.
func (e *encoding) effort() llm.Effort {
	r, limit := e.in.Reasoning, e.in.Limits.MaxTokens
	if r.Effort == "" && r.Budget > 0 && limit > 0 {
		return dialect.Effort(r.Budget, limit)
	}
	return cmp.Or(r.Effort, llm.EffortMedium)
}
