package ollama

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

const urlText = "image URLs are not currently supported, please use base64 encoded data instead"

// messages writes the conversation, with the hint among the instructions.
func (w *writer) messages(r *llm.Request, hint string) []message {
	list := []message{}
	system := w.content(r.System, "\n\n")
	system.Content = joined("\n\n", system.Content, hint)
	if system.Content != "" {
		system.Role = "system"
		list = append(list, system)
	}
	for _, m := range r.Messages {
		w.DropIf(m.Name != "", "name")
		list = append(list, w.turn(m)...)
	}
	return list
}

// turn writes one message: the tool results in it, a message each, and then
// the rest of it.
func (w *writer) turn(m llm.Message) []message {
	var list []message
	var rest llm.Blocks
	for _, b := range m.Content {
		if result, ok := b.(llm.ToolResult); ok {
			list = append(list, w.result(result))
			continue
		}
		if foreign, ok := b.(llm.Opaque); ok && m.Role == llm.RoleAssistant {
			b = llm.Text{Text: w.Foreign(foreign)}
		}
		rest = append(rest, b)
	}
	if len(rest) == 0 && len(list) > 0 {
		return list
	}
	separator := "\n"
	if m.Role == llm.RoleAssistant {
		separator = "" // its texts are one, parted only by citations and the like
	}
	said := w.content(rest, separator)
	said.Role = string(m.Role)
	return append(list, said)
}

func (w *writer) result(r llm.ToolResult) message {
	m := w.content(r.Content, "\n")
	if r.IsError && !strings.HasPrefix(m.Content, "Error: ") {
		m.Content = "Error: " + m.Content
	}
	m.Role, m.ToolCallID, m.ToolName = "tool", r.CallID, cmp.Or(r.Name, w.names[r.CallID])
	return m
}

// content writes blocks as a message without a role. Texts are joined with
// separator; where they stood among the images is lost.
func (w *writer) content(blocks llm.Blocks, separator string) message {
	var m message
	var texts []string
	for _, b := range blocks {
		switch b := b.(type) {
		case llm.Text:
			w.DropIf(len(b.Citations) > 0, "citations")
			texts = append(texts, b.Text)
		case llm.Document:
			texts = append(texts, w.document(b))
		default:
			w.attach(&m, b)
		}
	}
	m.Content = strings.Join(texts, separator)
	return m
}

// attach writes a block that has a field of its own in a message.
func (w *writer) attach(m *message, b llm.Block) {
	switch b := b.(type) {
	case llm.Image:
		w.DropIf(b.Detail != "" && b.Detail != "auto", "detail")
		w.media(m, b.Source, "images")
	case llm.Audio:
		w.media(m, b.Source, "audio")
	case llm.Thinking:
		m.Thinking += b.Text
	case llm.RedactedThinking:
		w.Forget("redacted_thinking")
	case llm.ToolCall:
		w.call(m, b)
	case llm.Opaque:
		w.unsupported("messages", "content of type "+b.Kind)
	}
}

func (w *writer) media(m *message, s llm.Source, what string) {
	switch {
	case s.Data != "":
		m.Images = append(m.Images, s.Data)
	case s.URL != "" && what == "images":
		w.Refuse(&llm.Error{Code: llm.CodeUnsupported, Message: urlText, Param: what})
	default:
		w.unsupported(what, "media by reference")
	}
}

func (w *writer) call(m *message, c llm.ToolCall) {
	w.names[c.ID] = c.Name
	arguments := json.RawMessage(cmp.Or(c.Arguments, "{}"))
	if !json.Valid(arguments) || !rawjson.IsObject(arguments) {
		w.Refuse(invalid("messages", "tool call arguments must be a JSON object"))
	}
	m.ToolCalls = append(m.ToolCalls, toolCall{
		ID:       c.ID,
		Function: function{Index: len(m.ToolCalls), Name: c.Name, Arguments: arguments},
	})
}

// document returns the text of a file that is text; others are refused.
func (w *writer) document(d llm.Document) string {
	w.DropIf(d.Cite, "citations")
	text := d.Text
	if strings.HasPrefix(d.MediaType, "text/") && d.Data != "" {
		data, err := base64.StdEncoding.DecodeString(d.Data)
		if err != nil {
			w.Refuse(invalid("messages", "document: "+err.Error()))
		}
		text = string(data)
	}
	if text == "" && (d.Data != "" || d.URL != "" || d.FileID != "") {
		w.unsupported("messages", cmp.Or(d.MediaType, "a document that is not text"))
	}
	return joined("\n", d.Title, d.Context, text)
}

// joined joins the texts that are not empty.
func joined(separator string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(t string) bool { return t == "" }), separator)
}
