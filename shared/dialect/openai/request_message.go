package openai

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func (r *reading) messages() {
	out := r.out
	switch {
	case r.Model == "":
		r.invalid("model", "you must provide a model parameter")
	case r.Messages == nil:
		r.missing("messages")
	case len(r.Messages) == 0:
		r.invalid("messages", "[] is too short - 'messages'")
	}
	for i, m := range r.Messages {
		path := fmt.Sprintf("messages[%d]", i)
		read, ok := roles[m.Role]
		if !ok {
			r.invalid(path+".role", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", m.Role)
			return
		}
		message := read(r, m, path)
		if message.Role == llm.RoleSystem && len(out.Messages) == 0 {
			out.System = append(out.System, message.Content...)
			continue
		}
		out.Messages = append(out.Messages, message)
	}
}

var roles = map[string]func(r *reading, m message, path string) llm.Message{
	"system":    (*reading).system,
	"developer": (*reading).system,
	"user":      (*reading).user,
	"assistant": (*reading).assistant,
	"tool":      (*reading).result,
	"function":  (*reading).result,
}

func (r *reading) system(m message, path string) llm.Message {
	m.Role = string(llm.RoleSystem)
	return r.user(m, path)
}

func (r *reading) user(m message, path string) llm.Message {
	if rawjson.IsNull(m.Content) {
		r.invalid(path+".content", "Invalid value for 'content': expected a string, got null.")
	}
	return llm.Message{Role: llm.Role(m.Role), Name: m.Name, Content: r.content(m.Content, path+".content")}
}

func (r *reading) assistant(m message, path string) llm.Message {
	r.note("messages.annotations", m.Annotations)
	r.note("messages.audio", m.Audio)
	blocks := append(thoughts(m), r.content(m.Content, path+".content")...)
	if refusal := new(dialect.Joiner).Add(m.Refusal); refusal != "" {
		blocks = append(blocks, llm.Text{Text: refusal, Refusal: true})
	}
	calls := m.ToolCalls
	if m.FunctionCall != nil && len(calls) == 0 {
		calls = []toolCall{{Function: m.FunctionCall}}
	}
	for i, c := range calls {
		blocks = append(blocks, r.call(c, fmt.Sprintf("%s.tool_calls[%d]", path, i)))
	}
	return llm.Message{Role: llm.RoleAssistant, Name: m.Name, Content: blocks}
}

// note says that a message has a field that the canonical form has no word for.
func (r *reading) note(field string, value json.RawMessage) {
	if rawjson.IsNull(value) || string(value) == "[]" {
		return
	}
	if r.out.Extra == nil {
		r.out.Extra = map[string]json.RawMessage{}
	}
	r.out.Extra[field] = value
}

func (r *reading) call(c toolCall, path string) llm.Block {
	if c.Custom != nil && c.Custom.Name != "" {
		input := new(dialect.Joiner).Add(c.Custom.Input)
		return llm.ToolCall{ID: c.ID, Name: c.Custom.Name, Arguments: dialect.FreeFormArguments(input)}
	}
	f := cmp.Or(c.Function, &functionCall{})
	if f.Name == "" {
		r.missing(path + ".function")
	}
	args := arguments(new(dialect.Joiner), f.Arguments)
	if !strings.HasPrefix(strings.TrimLeft(args, " \t\r\n"), "{") && json.Valid([]byte(args)) {
		r.invalid(path+".function.arguments", "tool call arguments must be a JSON object")
	}
	if strings.TrimSpace(args) == "" {
		args = ""
	}
	return llm.ToolCall{ID: c.ID, Name: f.Name, Arguments: args}
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
		if d.Signature != "" && rawjson.IsNull(d.Text) {
			bare++
		}
	}
	return bare > 1
}

func (r *reading) result(m message, path string) llm.Message {
	if m.ToolCallID == "" && m.Name == "" {
		r.missing(path + ".tool_call_id")
	}
	result := llm.ToolResult{CallID: m.ToolCallID, Name: m.Name, Content: r.content(m.Content, path+".content")}
	return llm.Message{Role: llm.RoleUser, Content: llm.Blocks{result}}
}

// content reads a string or a list of parts. Empty texts are left out, for they
// say nothing and are an error elsewhere.
func (r *reading) content(raw json.RawMessage, path string) (all llm.Blocks) {
	if rawjson.IsNull(raw) {
		return nil
	}
	parts := rawjson.Elements(raw)
	switch raw[0] {
	case '[':
	case '"':
		parts = slices.Values([]json.RawMessage{raw})
	default:
		r.invalid(path, "Invalid type for '%s': expected a string or an array of parts.", path)
		return nil
	}
	n := -1
	for p := range parts {
		n++
		block := r.part(p, fmt.Sprintf("%s[%d]", path, n))
		if t, ok := block.(llm.Text); !ok || t.Text != "" {
			all = append(all, block)
		}
	}
	return all
}

func (r *reading) part(raw json.RawMessage, path string) llm.Block {
	if raw[0] == '"' {
		return llm.Text{Text: new(dialect.Joiner).Add(raw)}
	}
	p, err := readPart(raw)
	if err != nil || p.Type == "" {
		r.invalid(path, "Invalid value for '%s': expected an object with a type.", path)
	}
	read, ok := partTypes[p.Type]
	if !ok { // of a compatible server, such as a video
		return llm.Opaque{Dialect: name, Kind: p.Type, JSON: slices.Clone(raw)}
	}
	return read(r, p, path)
}
