package openai

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"

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
	a := adapting{client: c, limit: cmp.Or(c.MaxTokensField, "max_tokens")}
	var model, effort string
	for f := range rawjson.Fields(body) {
		switch f.Key {
		case "model":
			_ = json.Unmarshal(f.Value, &model) // whoever reads the call will complain
		case "reasoning_effort":
			_ = json.Unmarshal(f.Value, &effort)
		case "max_tokens", "max_completion_tokens":
			a.limits(f)
		}
	}
	a.refused = c.refusedOf(model, effort)
	for f := range rawjson.Fields(body) {
		a.field(f)
	}
	if !a.changed {
		return body, nil
	}
	return append(append([]byte{'{'}, a.out...), '}'), a.warnings
}

// adapting is a call that is being adapted.
type adapting struct {
	client   Client
	limit    string          // the name of the limit
	limited  json.RawMessage // what it is; nil: it is not there
	renamed  bool            // it is there by its other name
	refused  []string
	out      []byte // the fields
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
		if !rawjson.IsNull(value) {
			a.warnings = append(a.warnings, llm.Warning{Policy: llm.Dropped, Field: key})
		}
		return
	}
	if len(a.out) > 0 {
		a.out = append(a.out, ',')
	}
	a.out = append(append(append(a.out, rawjson.String(key)...), ':'), value...)
}

func (a *adapting) isRefused(key string) bool {
	if key == "stream_options" {
		return a.client.NoStreamOptions
	}
	if key == "top_logprobs" {
		key = "logprobs"
	}
	return slices.Contains(a.refused, key)
}

// messages gives developers' instructions the role that they have elsewhere.
func (a *adapting) messages(value json.RawMessage) json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		return value
	}
	changed := false
	for i, m := range list {
		var said struct {
			Role string `json:"role"`
		}
		if json.Unmarshal(m, &said) == nil && said.Role == "developer" {
			list[i], changed = rawjson.Set(m, "role", []byte(`"system"`)), true
		}
	}
	if !changed {
		return value
	}
	a.changed = true
	return slices.Concat([]byte{'['}, bytes.Join(rawTexts(list), []byte{','}), []byte{']'})
}

func rawTexts(list []json.RawMessage) [][]byte {
	texts := make([][]byte, len(list))
	for i, text := range list {
		texts[i] = text
	}
	return texts
}
