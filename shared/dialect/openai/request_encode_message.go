package openai

import (
	"cmp"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func (e *encoding) messages() {
	system := e.in.System
	if e.emulated() {
		system = append(slices.Clip(system), llm.Text{Text: schemaPrompt + string(e.in.Format.Schema)})
	}
	if e.urged {
		system = append(slices.Clip(system), llm.Text{Text: e.urge()})
	}
	if len(system) > 0 {
		e.instruct(llm.Message{Content: system})
	}
	e.ids.Turn()
	last := llm.RoleUser
	for i, m := range e.in.Messages {
		switch {
		case m.Role == llm.RoleSystem:
			e.instruct(m)
		case m.Role == llm.RoleAssistant:
			if last != llm.RoleAssistant {
				e.ids.Turn()
			}
			e.assistant(m)
		default:
			if last != llm.RoleUser || i == 0 {
				e.results(turn(e.in.Messages[i:]))
			}
			e.user(m)
		}
		last = m.Role
	}
	e.settle()
}

// turn returns the messages of one role that a conversation begins with.
func turn(messages []llm.Message) []llm.Message {
	n := slices.IndexFunc(messages, func(m llm.Message) bool { return m.Role != messages[0].Role })
	if n < 0 {
		return messages
	}
	return messages[:n]
}

func (e *encoding) add(m message) { e.out.Messages = append(e.out.Messages, m) }

func (e *encoding) instruct(m llm.Message) {
	role := "system"
	if e.client.DeveloperRole {
		role = "developer"
	}
	e.add(message{Role: role, Name: m.Name, Content: rawjson.String(m.Content.PlainText("\n\n"))})
}

// results writes what tools returned, wherever it is in a user's turn: it must
// follow the calls at once, with a result for each. Pictures and files of it are
// shown behind it, in a message of their own.
func (e *encoding) results(turn []llm.Message) {
	for _, m := range turn {
		for _, b := range m.Content {
			if r, ok := b.(llm.ToolResult); ok {
				e.result(r)
			}
		}
	}
	e.settle()
	if len(e.pending) > 0 {
		e.add(message{Role: "user", Content: e.JSON(e.pending)})
		e.pending = nil
	}
}

// settle answers the calls whose results were lost with a part of the history.
func (e *encoding) settle() {
	for _, id := range e.ids.Open() {
		e.add(message{Role: "tool", ToolCallID: id, Content: rawjson.String("[no result]")})
	}
	e.ids.Turn()
}

// user writes all but the results. A turn in which nothing is said is still one.
func (e *encoding) user(m llm.Message) {
	var parts []any
	results := false
	for _, b := range m.Content {
		switch b := b.(type) {
		case llm.ToolResult:
			results = true
		case llm.Text:
			if b.Text != "" {
				parts = append(parts, part{Type: "text", Text: b.Text})
			}
		default:
			parts = append(parts, e.attachment(b))
		}
	}
	if len(parts) == 0 {
		if results {
			return
		}
		parts = []any{part{Type: "text"}}
	}
	out := message{Role: "user", Name: m.Name}
	if p, ok := parts[0].(part); ok && len(parts) == 1 && p.Type == "text" {
		out.Content = rawjson.String(p.Text) // simple servers know no parts
	} else {
		out.Content = e.JSON(parts)
	}
	e.add(out)
}

func (e *encoding) result(r llm.ToolResult) {
	about := cmp.Or(r.Name, r.CallID)
	n := e.ids.Answer(r)
	if n >= 0 {
		about = e.ids.Calls()[n]
	}
	var shown []any
	var said llm.Blocks
	for _, b := range r.Content {
		if t, ok := b.(llm.Text); ok {
			said = append(said, t)
			continue
		}
		a := e.attachment(b)
		if p, ok := a.(part); ok && p.Type == "text" { // a document of plain text
			said = append(said, llm.Text{Text: p.Text})
			continue
		}
		shown = append(shown, a)
	}
	text := said.PlainText("\n")
	if len(shown) > 0 {
		text = strings.TrimPrefix(text+"\n(see the attachment in the next message)", "\n")
		e.pending = append(e.pending, part{Type: "text", Text: "Attachment to the result of tool call " + about + ":"})
		e.pending = append(e.pending, shown...)
	}
	if r.IsError && !strings.HasPrefix(text, "Error: ") {
		text = "Error: " + text
	}
	if n < 0 { // the call was trimmed from the history
		e.pending = append(e.pending, part{Type: "text", Text: "[tool result " + about + "] " + text})
		return
	}
	e.add(message{Role: "tool", ToolCallID: about, Content: rawjson.String(text)})
}

func (e *encoding) assistant(m llm.Message) {
	out := message{Role: "assistant", Name: m.Name}
	var text, refusal strings.Builder
	var thoughts llm.Blocks
	for _, b := range m.Content {
		switch b := b.(type) {
		case llm.Text:
			e.DropIf(len(b.Citations) > 0, "citations")
			if b.Refusal {
				refusal.WriteString(b.Text)
			} else {
				text.WriteString(b.Text)
			}
		case llm.Thinking, llm.RedactedThinking:
			thoughts = append(thoughts, b)
		case llm.ToolCall:
			call := wireCall(b)
			call.ID = e.ids.Call(b)
			out.ToolCalls = append(out.ToolCalls, call)
		case llm.Opaque:
			text.WriteString(e.Foreign(b))
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
		e.think(&out, thoughts)
		e.add(out)
	}
}

// shorten keeps to the API's limit for ids, which is 40 characters.
var shorten = dialect.ShortID(40)
