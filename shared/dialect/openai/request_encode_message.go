package openai

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func (e *encoding) messages() error {
	if len(e.in.System) > 0 {
		e.instruct(llm.Message{Content: e.in.System})
	}
	for _, m := range e.in.Messages {
		var err error
		switch m.Role {
		case llm.RoleSystem:
			e.flush()
			e.instruct(m)
		case llm.RoleAssistant:
			e.flush()
			err = e.assistant(m)
		case llm.RoleUser:
			err = e.user(m)
		default:
			err = invalid("messages", "unknown role '%s'", m.Role)
		}
		if err != nil {
			return err
		}
	}
	e.flush()
	return nil
}

func (e *encoding) add(m message) { e.out.Messages = append(e.out.Messages, m) }

func (e *encoding) instruct(m llm.Message) {
	role := "system"
	if e.client.DeveloperRole {
		role = "developer"
	}
	e.add(message{Role: role, Name: m.Name, Content: rawjson.String(m.Content.PlainText("\n\n"))})
}

// user writes the results of tools first: they must follow the calls at once.
func (e *encoding) user(m llm.Message) error {
	var parts []json.RawMessage
	for _, b := range m.Content {
		if result, ok := b.(llm.ToolResult); ok {
			if err := e.result(result); err != nil {
				return err
			}
			continue
		}
		raw, err := e.part(b)
		if err != nil {
			return err
		}
		if raw != nil {
			parts = append(parts, raw)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	e.flush()
	content, err := wireContent(m.Content, parts)
	e.add(message{Role: "user", Name: m.Name, Content: content})
	return err
}

// wireContent is a string where it can be: simple servers know no parts.
func wireContent(blocks llm.Blocks, parts []json.RawMessage) (json.RawMessage, error) {
	if len(parts) == 1 {
		for _, b := range blocks {
			if t, ok := b.(llm.Text); ok && t.Text != "" {
				return rawjson.String(t.Text), nil
			}
		}
	}
	return rawjson.Marshal(parts)
}

// flush shows the pictures and files of the tool results so far, in a message
// of their own.
func (e *encoding) flush() {
	if len(e.pending) == 0 {
		return
	}
	content, err := rawjson.Marshal(e.pending)
	if err != nil {
		panic("internal error: " + err.Error()) // there are only strings in it
	}
	e.pending = nil
	e.add(message{Role: "user", Content: content})
}

func (e *encoding) result(r llm.ToolResult) error {
	id := e.ids.answer(r)
	var shown []part
	var said llm.Blocks
	for _, b := range r.Content {
		if t, ok := b.(llm.Text); ok {
			said = append(said, t)
			continue
		}
		p, err := e.attachment(b)
		if err != nil {
			return err
		}
		shown = append(shown, p)
	}
	text := said.PlainText("\n")
	if len(shown) > 0 {
		text = strings.TrimPrefix(text+"\n(see the attachment in the next message)", "\n")
		e.pending = append(e.pending, part{Type: "text", Text: "Attachment to the result of tool call " + cmp.Or(id, r.Name) + ":"})
		e.pending = append(e.pending, shown...)
	}
	if r.IsError && !strings.HasPrefix(text, "Error: ") {
		text = "Error: " + text
	}
	if id == "" { // the call was trimmed from the history
		e.pending = append(e.pending, part{Type: "text", Text: "[tool result " + r.Name + "] " + text})
		return nil
	}
	e.add(message{Role: "tool", ToolCallID: id, Content: rawjson.String(text)})
	return nil
}

func (e *encoding) assistant(m llm.Message) error {
	out := message{Role: "assistant", Name: m.Name}
	var text, refusal, thought strings.Builder
	e.ids.turn()
	for _, b := range m.Content {
		switch b := b.(type) {
		case llm.Text:
			if b.Refusal {
				refusal.WriteString(b.Text)
			} else {
				text.WriteString(b.Text)
			}
		case llm.Thinking:
			thought.WriteString(b.Text)
		case llm.RedactedThinking:
			e.drop("redacted_thinking")
		case llm.ToolCall:
			call := wireCall(b)
			call.ID = e.ids.call(b)
			out.ToolCalls = append(out.ToolCalls, call)
		case llm.Opaque:
			return unsupported("messages", "content of type '%s' is not supported with this model", b.Kind)
		default:
			return unsupported("messages", "an assistant's message may hold text and tool calls only")
		}
	}
	if text.Len() > 0 {
		out.Content = rawjson.String(text.String())
	}
	if refusal.Len() > 0 {
		out.Refusal = rawjson.String(refusal.String())
	}
	if text.Len() > 0 || refusal.Len() > 0 || len(out.ToolCalls) > 0 {
		e.think(&out, thought.String())
		e.add(out)
	}
	return nil
}

// think shows the model its own thoughts of earlier turns.
func (e *encoding) think(m *message, thought string) {
	if thought == "" {
		return
	}
	switch cmp.Or(e.client.ReasoningField, "reasoning_content") {
	case "reasoning_content":
		m.ReasoningContent = rawjson.String(thought)
	case "reasoning":
		m.Reasoning = rawjson.String(thought)
	default:
		e.drop("reasoning_content")
	}
}
