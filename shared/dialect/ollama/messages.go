package ollama

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

const urlText = "image URLs are not currently supported, please use base64 encoded data instead"

// messages writes the conversation, with the hint among the instructions.
func (w *writer) messages(r *llm.Request, hint string) ([]message, error) {
	list := []message{}
	system, err := w.content(r.System, "\n\n")
	if err != nil {
		return nil, err
	}
	system.Content = joined("\n\n", system.Content, hint)
	if system.Content != "" {
		system.Role = "system"
		list = append(list, system)
	}
	for _, m := range r.Messages {
		if m.Name != "" {
			w.warn(llm.Dropped, "name")
		}
		turn, err := w.turn(m)
		if err != nil {
			return nil, err
		}
		list = append(list, turn...)
	}
	return list, nil
}

// turn writes one message: the tool results in it, a message each, and then
// the rest of it.
func (w *writer) turn(m llm.Message) ([]message, error) {
	var list []message
	var rest llm.Blocks
	for _, b := range m.Content {
		result, ok := b.(llm.ToolResult)
		if !ok {
			rest = append(rest, b)
			continue
		}
		one, err := w.result(result)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	if len(rest) == 0 && len(list) > 0 {
		return list, nil
	}
	separator := "\n"
	if m.Role == llm.RoleAssistant {
		separator = "" // its texts are one, parted only by citations and the like
	}
	said, err := w.content(rest, separator)
	if err != nil {
		return nil, err
	}
	said.Role = string(m.Role)
	return append(list, said), nil
}

func (w *writer) result(r llm.ToolResult) (message, error) {
	m, err := w.content(r.Content, "\n")
	if err != nil {
		return message{}, err
	}
	if r.IsError && !strings.HasPrefix(m.Content, "Error: ") {
		m.Content = "Error: " + m.Content
	}
	m.Role, m.ToolCallID, m.ToolName = "tool", r.CallID, cmp.Or(r.Name, w.names[r.CallID])
	return m, nil
}

// content writes blocks as a message without a role. Texts are joined with
// separator; where they stood among the images is lost.
func (w *writer) content(blocks llm.Blocks, separator string) (message, error) {
	var m message
	var texts []string
	for _, b := range blocks {
		var err error
		switch b := b.(type) {
		case llm.Text:
			texts = append(texts, b.Text)
		case llm.Document:
			var text string
			text, err = w.document(b)
			texts = append(texts, text)
		default:
			err = w.attach(&m, b)
		}
		if err != nil {
			return message{}, err
		}
	}
	m.Content = strings.Join(texts, separator)
	return m, nil
}

// attach writes a block that has a field of its own in a message.
func (w *writer) attach(m *message, b llm.Block) error {
	switch b := b.(type) {
	case llm.Image:
		if b.Detail != "" {
			w.warn(llm.Dropped, "detail")
		}
		return w.media(m, b.Source, "images")
	case llm.Audio:
		return w.media(m, b.Source, "audio")
	case llm.Thinking:
		m.Thinking += b.Text
	case llm.RedactedThinking:
		w.warn(llm.Dropped, "redacted_thinking")
	case llm.ToolCall:
		return w.call(m, b)
	case llm.Opaque:
		w.warn(llm.Dropped, b.Kind)
	}
	return nil
}

func (w *writer) media(m *message, s llm.Source, what string) error {
	switch {
	case s.Data != "":
		m.Images = append(m.Images, s.Data)
		return nil
	case s.URL != "" && what == "images":
		return &llm.Error{Code: llm.CodeUnsupported, Message: urlText, Param: what}
	default:
		return unsupported(what, w.model, "media by reference")
	}
}

func (w *writer) call(m *message, c llm.ToolCall) error {
	w.names[c.ID] = c.Name
	arguments := json.RawMessage(c.Arguments)
	if c.Arguments == "" {
		arguments = json.RawMessage("{}")
	}
	if !json.Valid(arguments) || !isObject(arguments) {
		return invalid("messages", "tool call arguments must be a JSON object")
	}
	m.ToolCalls = append(m.ToolCalls, toolCall{
		ID:       c.ID,
		Function: function{Index: len(m.ToolCalls), Name: c.Name, Arguments: arguments},
	})
	return nil
}

// document returns the text of a file that is text; others are refused.
func (w *writer) document(d llm.Document) (string, error) {
	if d.Cite {
		w.warn(llm.Dropped, "citations")
	}
	text := d.Text
	if strings.HasPrefix(d.MediaType, "text/") && d.Data != "" {
		data, err := base64.StdEncoding.DecodeString(d.Data)
		if err != nil {
			return "", invalid("messages", "document: "+err.Error())
		}
		text = string(data)
	}
	if text == "" && (d.Data != "" || d.URL != "" || d.FileID != "") {
		return "", unsupported("messages", w.model, cmp.Or(d.MediaType, "a document that is not text"))
	}
	return joined("\n", d.Title, d.Context, text), nil
}

// joined joins the texts that are not empty.
func joined(separator string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(t string) bool { return t == "" }), separator)
}
