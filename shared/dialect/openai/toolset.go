package openai

import (
	"encoding/json"
	"slices"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// What tool_choice can say besides the words auto, none and required: a
// function that must be called, or a list of those that may.
const (
	chooseWord     = "word"
	chooseFunction = "function"
)

// Fields of a [Refusal] that are more than a name.
const (
	refusesStrict = "tools.strict"
	refusesForced = "tool_choice" // one that forces a call; auto and none are taken
)

// fit makes a toolset one that the upstream takes: where tool_choice cannot say
// which tools may be called, only those are offered. Forced reports that the
// model would be forced to call one, and cannot be; lost are the fields that
// were left out.
func (t *toolset) fit(c Client, refused []string) (lost []string, forced bool) {
	if slices.Contains(refused, refusesStrict) && t.loosen() {
		lost = append(lost, refusesStrict)
	}
	mode, only := t.chosen()
	if mode == "" {
		return lost, false
	}
	forced = mode == string(llm.ToolsRequired) && slices.Contains(refused, refusesForced)
	if forced {
		mode = string(llm.ToolsAuto)
	}
	narrow := only != nil && (forced || !c.says(mode, only))
	if narrow {
		t.Tools = slices.DeleteFunc(slices.Clone(t.Tools), func(raw json.RawMessage) bool {
			var offered toolChoice // has its name in the same places
			return json.Unmarshal(raw, &offered) == nil && !slices.Contains(only, offered.name())
		})
	}
	if narrow || forced {
		t.ToolChoice = rawjson.String(mode)
	}
	return lost, forced
}

// chosen returns what tool_choice says; no mode where it says nothing that is
// known.
func (t *toolset) chosen() (mode string, only []string) {
	if json.Unmarshal(t.ToolChoice, &mode) == nil {
		return mode, nil
	}
	var c toolChoice
	if json.Unmarshal(t.ToolChoice, &c) != nil {
		return "", nil
	}
	if name := c.name(); name != "" {
		return string(llm.ToolsRequired), []string{name}
	}
	if c.AllowedTools == nil {
		return "", nil
	}
	for _, allowed := range c.AllowedTools.Tools {
		only = append(only, allowed.name())
	}
	return c.AllowedTools.Mode, only
}

// says reports whether tool_choice can say that just these tools may be called.
func (c Client) says(mode string, only []string) bool {
	switch c.ToolChoice {
	case chooseWord:
		return false
	case chooseFunction:
		return mode == string(llm.ToolsRequired) && len(only) == 1
	}
	return true
}

// loosen takes strict from the functions, and reports whether one was.
func (t *toolset) loosen() (was bool) {
	t.Tools = slices.Clone(t.Tools)
	for i, raw := range t.Tools {
		var f struct {
			Function json.RawMessage `json:"function"`
		}
		if json.Unmarshal(raw, &f) != nil || !rawjson.IsObject(f.Function) {
			continue
		}
		bare := []byte{'{'}
		for field := range rawjson.Fields(f.Function) {
			if field.Key == "strict" {
				was = was || string(field.Value) == "true"
				continue
			}
			bare = appendField(bare, field.Key, field.Value)
		}
		t.Tools[i] = rawjson.Set(raw, "function", append(bare, '}'))
	}
	return was
}

// appendField adds a field to an object that is not closed yet.
func appendField(object []byte, key string, value json.RawMessage) []byte {
	if len(object) > len("{") {
		object = append(object, ',')
	}
	return append(append(append(object, rawjson.String(key)...), ':'), value...)
}
