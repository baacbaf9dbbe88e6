package openai

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func (e *encoding) messages() {
	system := e.in.System
	if e.emulated() {
		system = append(slices.Clip(system), llm.Text{Text: schemaPrompt + string(e.in.Format.Schema)})
	}
	if len(system) > 0 {
		e.instruct(llm.Message{Content: system})
	}
	for _, m := range e.in.Messages {
		switch m.Role {
		case llm.RoleSystem:
			e.flush()
			e.instruct(m)
		case llm.RoleAssistant:
			e.flush()
			e.assistant(m)
		default:
			e.user(m)
		}
	}
	e.flush()
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
func (e *encoding) user(m llm.Message) {
	var parts []any
	for _, b := range m.Content {
		switch b := b.(type) {
		case llm.ToolResult:
			e.result(b)
		case llm.Text:
			if b.Text != "" {
				parts = append(parts, part{Type: "text", Text: b.Text})
			}
		default:
			parts = append(parts, e.attachment(b))
		}
	}
	if len(parts) == 0 {
		return
	}
	e.flush()
	out := message{Role: "user", Name: m.Name}
	if p, ok := parts[0].(part); ok && len(parts) == 1 && p.Type == "text" {
		out.Content = rawjson.String(p.Text) // simple servers know no parts
	} else {
		out.Content = e.JSON(parts)
	}
	e.add(out)
}

// flush shows the pictures and files of the tool results so far, in a message
// of their own.
func (e *encoding) flush() {
	if len(e.pending) == 0 {
		return
	}
	e.add(message{Role: "user", Content: e.JSON(e.pending)})
	e.pending = nil
}

func (e *encoding) result(r llm.ToolResult) {
	id := shorten(r.CallID)
	if n := e.ids.Answer(r); n >= 0 {
		id = e.ids.Calls()[n]
	}
	var shown []any
	var said llm.Blocks
	for _, b := range r.Content {
		if t, ok := b.(llm.Text); ok {
			said = append(said, t)
			continue
		}
		shown = append(shown, e.attachment(b))
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
		return
	}
	e.add(message{Role: "tool", ToolCallID: id, Content: rawjson.String(text)})
}

func (e *encoding) assistant(m llm.Message) {
	out := message{Role: "assistant", Name: m.Name}
	var text, refusal, thought strings.Builder
	e.ids.Turn()
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
			e.Drop("redacted_thinking")
		case llm.ToolCall:
			call := wireCall(b)
			call.ID = e.ids.Call(b)
			out.ToolCalls = append(out.ToolCalls, call)
		case llm.Opaque:
			e.unsupported("messages", "content of type '%s' is not supported with this model", b.Kind)
		default:
			e.unsupported("messages", "an assistant's message may hold text and tool calls only")
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
		e.Drop("reasoning_content")
	}
}

// shorten replaces an id of more than 40 characters, the API's limit, by one
// made from it.
func shorten(id string) string {
	if len(id) <= 40 {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "call_" + hex.EncodeToString(sum[:16])
}
