package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// recall tells what a request of any of the three dialects says: the system
// prompt, then each tool call with its result.
func recall(body []byte) string {
	var request struct {
		System   json.RawMessage // Anthropic's
		Messages []recalled
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return err.Error()
	}
	said := []string{plain(request.System)}
	var calls []recalledCall
	for _, m := range request.Messages {
		switch m.Role {
		case "system":
			said[0] += plain(m.Content)
		case "tool":
			said = append(said, result(calls, m.ToolCallID, m.ToolName)+plain(m.Content))
		default:
			calls = append(calls, m.calls()...)
			for _, b := range m.blocks() {
				if b.Type == "tool_result" {
					said = append(said, result(calls, b.ToolUseID, "")+plain(b.Content))
				}
			}
		}
	}
	return strings.Join(said, "; ")
}

type recalled struct {
	Role      string
	Content   json.RawMessage
	ToolCalls []struct {
		ID       string
		Function struct {
			Name      string
			Arguments json.RawMessage // an object, or a string with one in it
		}
	} `json:"tool_calls"`
	ToolCallID string `json:"tool_call_id"`
	ToolName   string `json:"tool_name"`
}

type recalledCall struct{ id, name, arguments string }

type recalledBlock struct {
	Type, Text, ID, Name string
	Input, Content       json.RawMessage
	ToolUseID            string `json:"tool_use_id"`
}

func (m recalled) calls() []recalledCall {
	var calls []recalledCall
	for _, c := range m.ToolCalls {
		arguments := string(c.Function.Arguments)
		if text := ""; json.Unmarshal(c.Function.Arguments, &text) == nil {
			arguments = text
		}
		calls = append(calls, recalledCall{c.ID, c.Function.Name, arguments})
	}
	for _, b := range m.blocks() {
		if b.Type == "tool_use" {
			calls = append(calls, recalledCall{b.ID, b.Name, string(b.Input)})
		}
	}
	return calls
}

func (m recalled) blocks() []recalledBlock {
	var blocks []recalledBlock
	if json.Unmarshal(m.Content, &blocks) != nil {
		return nil // it is a string
	}
	return blocks
}

// result words whose result follows: that of the call with the id, or else of
// the last one of the tool.
func result(calls []recalledCall, id, name string) string {
	found := "nobody"
	for _, c := range calls {
		if id != "" && c.id == id || id == "" && c.name == name {
			found = c.name + c.arguments
		}
	}
	return found + "="
}

// plain is the text of a content in any form.
func plain(content json.RawMessage) string {
	if text := ""; json.Unmarshal(content, &text) == nil {
		return text
	}
	text := ""
	for _, b := range (recalled{Content: content}).blocks() {
		text += b.Text
	}
	return text
}

// What every client makes the model recall in its second turn.
const (
	systemPrompt = "Be brief."
	recalledTool = systemPrompt + `; get_weather{"location":"Boston"}=sunny`
	recalledBoth = recalledTool + `; get_time{}=noon`
)

var toolResults = map[string]string{"get_weather": "sunny", "get_time": "noon"}

func TestRecall(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"openai": `{"messages":[{"role":"system","content":"Be brief."},{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"get_weather","arguments":"{\"location\":\"Boston\"}"}},{"id":"b","function":{"name":"get_time","arguments":"{}"}}]},
			{"role":"tool","tool_call_id":"a","content":"sunny"},{"role":"tool","tool_call_id":"b","content":[{"type":"text","text":"noon"}]}]}`,
		"anthropic": `{"system":[{"type":"text","text":"Be brief."}],"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"get_weather","input":{"location":"Boston"}},{"type":"tool_use","id":"b","name":"get_time","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"sunny"},{"type":"tool_result","tool_use_id":"b","content":[{"type":"text","text":"noon"}]}]}]}`,
		"ollama": `{"messages":[{"role":"system","content":"Be brief."},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"get_weather","arguments":{"location":"Boston"}}},{"function":{"name":"get_time","arguments":{}}}]},
			{"role":"tool","tool_name":"get_weather","content":"sunny"},{"role":"tool","tool_name":"get_time","content":"noon"}]}`,
	} {
		if got := recall([]byte(body)); got != recalledBoth {
			t.Errorf("%s: got %s, want %s", name, got, recalledBoth)
		}
	}
}
