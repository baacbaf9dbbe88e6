package openai

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// Adapt makes a call that is passed on fit an upstream that is not quite
// OpenAI's: the limit gets the name that it has there, instructions its role,
// and what is refused is left out. It does so where [Client].Adapts says so, and
// changes no byte where nothing is in the way.
func (c Client) Adapt(operation string, body []byte) ([]byte, []llm.Warning) {
	if !c.Adapts || operation != chatCompletions {
		return body, nil
	}
	a := adapting{client: c, limit: cmp.Or(c.MaxTokensField, "max_tokens"), out: []byte{'{'}}
	var model, effort string
	var tools toolset
	for f := range rawjson.Fields(body) {
		switch f.Key {
		case "model":
			_ = json.Unmarshal(f.Value, &model) // whoever reads the call will complain
		case "reasoning_effort":
			_ = json.Unmarshal(f.Value, &effort)
		case "thinking":
			if thinksNot(f.Value) {
				effort = string(llm.EffortNone)
			}
		case "tools":
			_ = json.Unmarshal(f.Value, &tools.Tools)
		case "tool_choice":
			tools.ToolChoice = f.Value
		case "max_tokens", "max_completion_tokens":
			a.limits(f)
		}
	}
	a.refused = c.refusedOf(model, effort)
	a.narrow(tools)
	for f := range rawjson.Fields(body) {
		a.field(f)
	}
	if !a.changed {
		return body, nil
	}
	return append(a.out, '}'), a.warnings
}

// adapting is a call that is being adapted.
type adapting struct {
	client   Client
	limit    string          // the name of the limit
	limited  json.RawMessage // what it is; nil: it is not there
	renamed  bool            // it is there by its other name
	refused  []string
	narrowed map[string]json.RawMessage // what has become of tools and tool_choice
	out      []byte                     // the object, without its end
	changed  bool
	warnings []llm.Warning
}

// limits takes note of the limit, for which the newer name counts more.
func (a *adapting) limits(f rawjson.Field) {
	a.renamed = a.renamed || f.Key != a.limit
	if !rawjson.IsNull(f.Value) && (a.limited == nil || f.Key == "max_completion_tokens") {
		a.limited = f.Value
	}
}

func (a *adapting) field(f rawjson.Field) {
	key, value := f.Key, f.Value
	switch {
	case key == "messages" && !a.client.DeveloperRole:
		value = a.messages(value)
	case a.renamed && (key == "max_tokens" || key == "max_completion_tokens"):
		if a.changed = true; a.limited == nil {
			return
		}
		key, value, a.limited = a.limit, a.limited, nil // once
	case a.isRefused(key):
		a.changed = true
		if !dialect.Idle(key, value) {
			a.warnings = append(a.warnings, llm.Warning{Policy: llm.Dropped, Field: key})
		}
		return
	}
	if fit, ok := a.narrowed[key]; ok {
		value, a.changed = fit, true
	}
	a.out = appendField(a.out, key, value)
}

// narrow makes tools and tool_choice fit.
func (a *adapting) narrow(t toolset) {
	fit := t
	lost, forced := fit.fit(a.client, a.refused)
	if forced {
		lost = append(lost, refusesForced)
	}
	for _, field := range lost {
		a.warnings = append(a.warnings, llm.Warning{Policy: llm.Dropped, Field: field})
	}
	a.narrowed = map[string]json.RawMessage{}
	if string(fit.ToolChoice) != string(t.ToolChoice) {
		a.narrowed["tool_choice"] = fit.ToolChoice
	}
	if !slices.EqualFunc(fit.Tools, t.Tools, func(x, y json.RawMessage) bool { return string(x) == string(y) }) {
		a.narrowed["tools"] = list(fit.Tools)
	}
}

// thinksNot reads DeepSeek's way to switch thinking off.
func thinksNot(raw json.RawMessage) bool {
	var thinking struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(raw, &thinking) == nil && thinking.Type == "disabled"
}

func (a *adapting) isRefused(key string) bool {
	if key == "stream_options" {
		return a.client.NoStreamOptions
	}
	switch key {
	case "top_logprobs":
		key = "logprobs"
	case refusesForced: // it has been made to fit
		return false
	}
	return slices.Contains(a.refused, key)
}

// messages gives developers' instructions the role that they have elsewhere.
func (a *adapting) messages(value json.RawMessage) json.RawMessage {
	var all []json.RawMessage
	if json.Unmarshal(value, &all) != nil {
		return value
	}
	changed := false
	for i, m := range all {
		var said struct {
			Role string `json:"role"`
		}
		if json.Unmarshal(m, &said) == nil && said.Role == "developer" {
			all[i], changed = rawjson.Set(m, "role", []byte(`"system"`)), true
		}
	}
	if !changed {
		return value
	}
	a.changed = true
	return list(all)
}

func list(of []json.RawMessage) json.RawMessage {
	out := []byte{'['}
	for i, text := range of {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, text...)
	}
	return append(out, ']')
}
