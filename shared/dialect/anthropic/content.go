package anthropic

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// arrange brings the conversation into turns as the API takes them: without
// what it refuses, users and assistants in alternation, results behind calls.
func (w *writer) arrange() {
	messages := w.request.Messages
	for i, m := range messages {
		if m.Name != "" {
			w.drop("messages.name")
		}
		content := w.carried(m)
		switch {
		case len(content) == 0:
		case m.Role == llm.RoleSystem && !w.staysInPlace(i):
			w.moved = append(w.moved, content...)
		default:
			w.turns = join(w.turns, m.Role, content)
		}
	}
	w.turns = pair(w.turns)
	if last := len(w.turns) - 1; last >= 0 && w.turns[last].Role == llm.RoleAssistant {
		trimEnd(w.turns[last].Content)
	}
}

// staysInPlace reports whether the system message i may stay: the models that
// take one want it behind a user's turn and before an assistant's or the end.
func (w *writer) staysInPlace(i int) bool {
	last, messages := len(w.turns)-1, w.request.Messages
	return w.model.midSystem && last >= 0 && w.turns[last].Role == llm.RoleUser &&
		(i == len(messages)-1 || messages[i+1].Role == llm.RoleAssistant)
}

// carried returns the blocks of a message that go upstream.
func (w *writer) carried(m llm.Message) (content llm.Blocks) {
	for _, b := range m.Content {
		switch b := b.(type) {
		case llm.Text:
			if blank(b) {
				continue // refused by the API
			}
		case llm.Thinking:
			if b.Signature == "" || strings.HasPrefix(b.Signature, ownSignature) {
				continue // not from an Anthropic model, which would notice
			}
		case llm.Opaque:
			if m.Role == llm.RoleAssistant && b.Dialect != dialectName {
				w.drop("messages." + b.Kind)
				continue
			}
		default: // goes, or is refused when it is written
		}
		content = append(content, b)
	}
	return content
}

func blank(b llm.Block) bool {
	text, ok := b.(llm.Text)
	return ok && strings.TrimSpace(text.Text) == ""
}

// trimEnd takes the white space off the end of an answer begun by the client.
func trimEnd(content llm.Blocks) {
	last := len(content) - 1
	if text, ok := content[last].(llm.Text); ok {
		text.Text = strings.TrimRight(text.Text, " \t\r\n")
		content[last] = text
	}
}

// blocks writes a list of blocks.
func (w *writer) blocks(list llm.Blocks) (json.RawMessage, error) {
	wires := make([]any, 0, len(list))
	for _, b := range list {
		wire, err := w.block(b)
		if err != nil {
			return nil, err
		}
		wires = append(wires, wire)
	}
	raw, err := rawjson.Marshal(wires)
	if err != nil {
		return nil, fmt.Errorf("write content: %w", err)
	}
	return raw, nil
}

func (w *writer) block(b llm.Block) (any, error) {
	switch b := b.(type) {
	case llm.Image:
		return w.image(b)
	case llm.Document:
		return w.document(b)
	case llm.ToolResult:
		return w.toolResult(b)
	case llm.ToolCall:
		args := strings.TrimSpace(b.Arguments)
		if args != "" && args[0] != '{' && json.Valid([]byte(args)) {
			return nil, invalid("messages", "tool call arguments must be a JSON object")
		}
	case llm.Opaque:
		if b.Dialect != dialectName {
			return nil, unsupported("messages", "content of type "+b.Kind+" is not supported by model '"+w.request.Model+"'")
		}
	case llm.Audio:
		return nil, unsupported("messages", "audio is not supported by model '"+w.request.Model+"'")
	default: // has a form in answers too
	}
	wire, ok := writeBlock(b)
	if !ok {
		return nil, fmt.Errorf("write content: no form for %T", b)
	}
	return wire, nil
}

func (w *writer) toolResult(r llm.ToolResult) (any, error) {
	out := toolResultBlock{Type: "tool_result", ToolUseID: r.CallID, IsError: r.IsError}
	var content llm.Blocks
	for _, b := range r.Content {
		if !blank(b) {
			content = append(content, b)
		}
	}
	var err error
	switch text, single := only[llm.Text](content); {
	case single && len(text.Citations) == 0:
		out.Content = rawjson.String(text.Text)
	case len(content) > 0:
		out.Content, err = w.blocks(content)
	}
	return out, err
}

// only returns the one block in content, if there is just one and it is a T.
func only[T llm.Block](content llm.Blocks) (block T, ok bool) {
	if len(content) != 1 {
		return block, false
	}
	block, ok = content[0].(T)
	return block, ok
}

var imageTypes = map[string]string{
	"image/jpeg": "image/jpeg", "image/jpg": "image/jpeg", "image/png": "image/png",
	"image/gif": "image/gif", "image/webp": "image/webp",
}

// imageMagic are the first letters, in base64, of the formats.
var imageMagic = map[string]string{
	"/9j/": "image/jpeg", "iVBORw0KGgo": "image/png", "R0lGOD": "image/gif", "UklGR": "image/webp",
}

func (w *writer) image(b llm.Image) (any, error) {
	if b.Detail != "" && b.Detail != "auto" {
		w.drop("detail")
	}
	from, err := w.source(b.Source)
	if err != nil {
		return nil, err
	}
	if from.Type == "base64" {
		if from.MediaType = imageType(b.Source); from.MediaType == "" {
			return nil, unsupported("messages", "images must be JPEG, PNG, GIF or WebP")
		}
	}
	return mediaBlock{Type: "image", Source: from}, nil
}

func imageType(s llm.Source) string {
	if s.MediaType != "" {
		return imageTypes[strings.ToLower(s.MediaType)]
	}
	for magic, mediaType := range imageMagic {
		if strings.HasPrefix(s.Data, magic) {
			return mediaType
		}
	}
	return ""
}

func (w *writer) document(b llm.Document) (any, error) {
	from, err := w.source(b.Source)
	if err != nil {
		return nil, err
	}
	if from.Type == "base64" {
		if from, err = w.file(b.Source); err != nil {
			return nil, err
		}
	}
	out := mediaBlock{Type: "document", Source: from, Title: b.Title, Context: b.Context}
	if b.Cite {
		out.Citations = &citationsConfig{Enabled: true}
	}
	return out, nil
}

// file writes the bytes of a document: a PDF, or text, which goes as such.
func (w *writer) file(s llm.Source) (source, error) {
	const pdf = "application/pdf"
	switch {
	case s.MediaType == "" || s.MediaType == pdf:
		return source{Type: "base64", MediaType: pdf, Data: s.Data}, nil
	case strings.HasPrefix(s.MediaType, "text/"):
		text, err := base64.StdEncoding.DecodeString(s.Data)
		if err != nil {
			return source{}, invalid("messages", "the document is not valid base64")
		}
		return source{Type: "text", MediaType: "text/plain", Data: string(text)}, nil
	default:
		return source{}, unsupported("messages", "documents must be PDF or plain text, not "+s.MediaType)
	}
}

func (w *writer) source(s llm.Source) (source, error) {
	switch {
	case s.Data != "":
		return source{Type: "base64", Data: s.Data}, nil
	case s.Text != "":
		return source{Type: "text", MediaType: "text/plain", Data: s.Text}, nil
	case s.FileID != "":
		return source{Type: "file", FileID: s.FileID}, nil
	case strings.HasPrefix(strings.ToLower(s.URL), "https://"):
		return source{Type: "url", URL: s.URL}, nil
	case s.URL != "":
		return source{}, unsupported("messages", "only https URLs are supported by model '"+w.request.Model+"'")
	default:
		return source{}, invalid("messages", "an image or document is empty")
	}
}
