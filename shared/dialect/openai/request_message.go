package openai

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func (in *request) readMessages(out *llm.Request) error {
	switch {
	case in.Model == "":
		return invalid("model", "you must provide a model parameter")
	case in.Messages == nil:
		return invalid("messages", "Missing required parameter: 'messages'.")
	case len(in.Messages) == 0:
		return invalid("messages", "[] is too short - 'messages'")
	}
	for i, m := range in.Messages {
		path := fmt.Sprintf("messages[%d]", i)
		read, ok := roles[m.Role]
		if !ok {
			return invalid(path+".role", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", m.Role)
		}
		message, err := read(m, path)
		if err != nil {
			return err
		}
		if message.Role == llm.RoleSystem && len(out.Messages) == 0 {
			out.System = append(out.System, message.Content...)
			continue
		}
		out.Messages = append(out.Messages, message)
	}
	return nil
}

var roles = map[string]func(m message, path string) (llm.Message, error){
	"system":    readSystem,
	"developer": readSystem,
	"user":      readUser,
	"assistant": readAssistant,
	"tool":      readResult,
	"function":  readResult,
}

func readSystem(m message, path string) (llm.Message, error) {
	return spoken(llm.RoleSystem, m, path)
}

func readUser(m message, path string) (llm.Message, error) {
	return spoken(llm.RoleUser, m, path)
}

func spoken(role llm.Role, m message, path string) (llm.Message, error) {
	if isNull(m.Content) {
		return llm.Message{}, invalid(path+".content", "Invalid value for 'content': expected a string, got null.")
	}
	blocks, err := readContent(m.Content, path+".content")
	return llm.Message{Role: role, Name: m.Name, Content: blocks}, err
}

func readAssistant(m message, path string) (llm.Message, error) {
	content, err := readContent(m.Content, path+".content")
	if err != nil {
		return llm.Message{}, err
	}
	blocks := append(thoughts(m), content...)
	if refusal := new(joiner).add(m.Refusal); refusal != "" {
		blocks = append(blocks, llm.Text{Text: refusal, Refusal: true})
	}
	calls := m.ToolCalls
	if m.FunctionCall != nil && len(calls) == 0 {
		calls = []toolCall{{Function: m.FunctionCall}}
	}
	for i, c := range calls {
		call, err := readCall(c, fmt.Sprintf("%s.tool_calls[%d]", path, i))
		if err != nil {
			return llm.Message{}, err
		}
		blocks = append(blocks, call)
	}
	return llm.Message{Role: llm.RoleAssistant, Name: m.Name, Content: blocks}, nil
}

func readCall(c toolCall, path string) (llm.Block, error) {
	if c.Custom != nil && c.Custom.Name != "" { // its input is plain text
		args := append(append([]byte(`{"input":`), rawjson.String(c.Custom.Input)...), '}')
		return llm.ToolCall{ID: c.ID, Name: c.Custom.Name, Arguments: string(args)}, nil
	}
	if c.Function == nil || c.Function.Name == "" {
		return nil, invalid(path+".function", "Missing required parameter: '%s.function'.", path)
	}
	args := new(joiner).arguments(c.Function.Arguments)
	if !strings.HasPrefix(strings.TrimLeft(args, " \t\r\n"), "{") && json.Valid([]byte(args)) {
		return nil, invalid(path+".function.arguments", "tool call arguments must be a JSON object")
	}
	if strings.TrimSpace(args) == "" {
		args = ""
	}
	return llm.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: args}, nil
}

// thoughts are the blocks in which an assistant's message thinks.
func thoughts(m message) llm.Blocks {
	if joined(m.ReasoningDetails) {
		m.ReasoningDetails = nil
	}
	var b blocks
	b.think(&m)
	b.close()
	r, err := fold(slices.Concat([]llm.Event{llm.Start{}}, b.take(), []llm.Event{llm.Finish{}}))
	if err != nil {
		return nil
	}
	return r.Content
}

// joined reports whether there are signatures of several thoughts whose texts
// cannot be told apart any more: no provider would accept them.
func joined(details []detail) bool {
	bare := 0
	for _, d := range details {
		if d.Signature != "" && isNull(d.Text) {
			bare++
		}
	}
	return bare > 1
}

func readResult(m message, path string) (llm.Message, error) {
	if m.ToolCallID == "" && m.Name == "" {
		return llm.Message{}, invalid(path+".tool_call_id", "Missing required parameter: '%s.tool_call_id'.", path)
	}
	content, err := readContent(m.Content, path+".content")
	result := llm.ToolResult{CallID: m.ToolCallID, Name: m.Name, Content: content}
	return llm.Message{Role: llm.RoleUser, Content: llm.Blocks{result}}, err
}

// readContent reads a string or a list of parts. Empty texts are left out, for
// they say nothing and are an error elsewhere.
func readContent(raw json.RawMessage, path string) (llm.Blocks, error) {
	if isNull(raw) {
		return nil, nil
	}
	if raw[0] == '"' {
		return texts(new(joiner).add(raw)), nil
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return nil, invalid(path, "Invalid type for '%s': expected a string or an array of parts.", path)
	}
	var all llm.Blocks
	for i, p := range parts {
		block, err := readPart(p, fmt.Sprintf("%s[%d]", path, i))
		if err != nil {
			return nil, err
		}
		if t, ok := block.(llm.Text); !ok || t.Text != "" {
			all = append(all, block)
		}
	}
	return all, nil
}

func texts(s string) llm.Blocks {
	if s == "" {
		return nil
	}
	return llm.Blocks{llm.Text{Text: s}}
}

func readPart(raw json.RawMessage, path string) (llm.Block, error) {
	if raw[0] == '"' {
		return llm.Text{Text: new(joiner).add(raw)}, nil
	}
	var p part
	if json.Unmarshal(raw, &p) != nil || p.Type == "" {
		return nil, invalid(path, "Invalid value for '%s': expected an object with a type.", path)
	}
	read, ok := partTypes[p.Type]
	if !ok { // of a compatible server, such as a video
		return llm.Opaque{Dialect: "openai", Kind: p.Type, JSON: slices.Clone(raw)}, nil
	}
	return read(p, path)
}
