package openai

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// Encode writes a chat completion.
func (c Client) Encode(r *llm.Request) (*dialect.Encoded, error) {
	e := encoding{client: c, in: r}
	e.out.Model, e.out.Messages = r.Model, []message{}
	for _, write := range []func() error{e.messages, e.tools, e.sampling, e.limits, e.format} {
		if err := write(); err != nil {
			return nil, err
		}
	}
	e.reasoning()
	e.caller()
	e.extra()
	body, err := rawjson.Marshal(e.out)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return &dialect.Encoded{Operation: chatCompletions, Body: body, Warnings: e.warnings}, nil
}

// An encoding is one request on its way to the wire.
type encoding struct {
	client   Client
	in       *llm.Request
	out      request
	ids      callIDs
	pending  []part // of tool results, which can be shown in a user's message only
	warnings []llm.Warning
}

// drop tells the client what is left out; once is enough.
func (e *encoding) drop(field string) {
	w := llm.Warning{Policy: llm.Dropped, Field: field}
	if !slices.Contains(e.warnings, w) {
		e.warnings = append(e.warnings, w)
	}
}

func (e *encoding) dropIf(is bool, field string) {
	if is {
		e.drop(field)
	}
}

func (e *encoding) tools() error {
	for _, t := range e.in.Tools {
		if t.Provider != nil {
			return unsupported("tools", "tools of type '%s' are not supported with this model", t.Provider.Kind)
		}
		f := &function{Name: t.Name, Description: t.Description, Parameters: t.Parameters, Strict: t.Strict}
		raw, err := rawjson.Marshal(tool{Type: "function", Function: f})
		if err != nil {
			return invalid("tools", "the parameters of tool '%s' are not valid JSON", t.Name)
		}
		e.out.Tools = append(e.out.Tools, raw)
	}
	if choice := e.in.ToolChoice; choice != nil && len(e.out.Tools) > 0 {
		if choice.Serial {
			e.out.Parallel = new(false)
		}
		raw, err := wireChoice(choice)
		e.out.ToolChoice = raw
		return err
	}
	return nil
}

func wireChoice(c *llm.ToolChoice) (json.RawMessage, error) {
	mode := cmp.Or(c.Mode, llm.ToolsAuto)
	switch {
	case len(c.Only) == 0 && c.Mode == "":
		return nil, nil
	case len(c.Only) == 0 || mode == llm.ToolsNone:
		return rawjson.Marshal(mode)
	case len(c.Only) == 1 && mode == llm.ToolsRequired:
		return rawjson.Marshal(wireName(c.Only[0]))
	}
	allowed := &allowedTools{Mode: string(mode)}
	for _, name := range c.Only {
		allowed.Tools = append(allowed.Tools, wireName(name))
	}
	return rawjson.Marshal(toolChoice{Type: "allowed_tools", AllowedTools: allowed})
}

func wireName(name string) toolChoice {
	return toolChoice{Type: "function", Function: &toolName{Name: name}}
}

func (e *encoding) sampling() error {
	s := e.in.Sampling
	e.out.sampling = sampling{
		Temperature:      s.Temperature,
		TopP:             s.TopP,
		Seed:             s.Seed,
		FrequencyPenalty: s.FrequencyPenalty,
		PresencePenalty:  s.PresencePenalty,
	}
	e.dropIf(s.TopK != nil, "top_k")
	e.dropIf(s.MinP != nil, "min_p")
	e.dropIf(s.RepeatPenalty != nil, "repeat_penalty")
	if n := e.in.Logprobs; n != nil {
		e.out.Logprobs, e.out.TopLogprobs = true, *n
	}
	return nil
}

func (e *encoding) limits() error {
	l := e.in.Limits
	if e.client.MaxTokensField == "max_completion_tokens" {
		e.out.MaxCompletionTokens = l.MaxTokens
	} else {
		e.out.MaxTokens = l.MaxTokens
	}
	const most = 4
	if len(l.Stop) > most {
		e.drop("stop")
		l.Stop = l.Stop[:most]
	}
	if len(l.Stop) == 0 {
		return nil
	}
	raw, err := rawjson.Marshal(l.Stop)
	e.out.Stop = raw
	return err
}

func (e *encoding) format() error {
	f := e.in.Format
	switch {
	case f == nil:
	case isNull(f.Schema):
		e.out.ResponseFormat = &responseFormat{Type: "json_object"}
	case !json.Valid(f.Schema):
		return invalid("response_format", "the schema of the response format is not valid JSON")
	default:
		e.out.ResponseFormat = &responseFormat{Type: "json_schema", JSONSchema: &jsonSchema{
			Name: cmp.Or(f.Name, "response"), Description: f.Description, Schema: f.Schema, Strict: f.Strict,
		}}
	}
	return nil
}

// reasoning writes the effort. Where only a budget is given, its share of the
// output tells the effort.
func (e *encoding) reasoning() {
	r := e.in.Reasoning
	if r == nil {
		return
	}
	effort := cmp.Or(r.Effort, llm.EffortMedium)
	if limit := e.in.Limits.MaxTokens; r.Effort == "" && r.Budget > 0 && limit > 0 {
		switch share := float64(r.Budget) / float64(limit); {
		case share < 0.25:
			effort = llm.EffortLow
		case share >= 0.6:
			effort = llm.EffortHigh
		}
	}
	e.out.ReasoningEffort = string(effort)
}

func (e *encoding) caller() {
	if e.client.UserField == "safety_identifier" {
		e.out.SafetyIdentifier = e.in.User
	} else {
		e.out.User = e.in.User
	}
	e.out.Stream = e.in.Stream
	if e.in.Stream && !e.client.NoStreamOptions {
		e.out.StreamOptions = &streamOptions{IncludeUsage: true}
	}
}

// extra drops what the caller's dialect has and this one has not.
func (e *encoding) extra() {
	for _, name := range slices.Sorted(maps.Keys(e.in.Extra)) {
		e.dropIf(!isNull(e.in.Extra[name]), name)
	}
}
