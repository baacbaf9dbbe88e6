package anthropic

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// arrange brings the conversation into turns as the API takes them: without
// what it refuses, users and assistants in alternation, results behind calls.
func (w *writer) arrange() {
	messages := w.request.Messages
	for i, m := range messages {
		w.DropIf(m.Name != "", "messages.name")
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
		if messages[len(messages)-1].Role == llm.RoleUser { // the model would go on with its own words
			w.Refuse(invalid("messages", "the last message must have content"))
		}
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
			if !Signed(b) {
				w.Forget("messages.thinking")
				continue // not from an Anthropic model, which would notice
			}
		case llm.RedactedThinking:
			if strings.HasPrefix(b.Data, ownSignature) {
				w.Forget("redacted_thinking")
				continue // nor is this
			}
		case llm.Opaque:
			if m.Role == llm.RoleAssistant && b.Dialect != dialectName {
				w.Drop("messages." + b.Kind)
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
func (w *writer) blocks(list llm.Blocks) json.RawMessage {
	wires := make([]any, 0, len(list))
	for _, b := range list {
		wires = append(wires, w.block(b))
	}
	return w.JSON(wires)
}

func (w *writer) block(b llm.Block) any {
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
			w.Refuse(invalid("messages", "tool call arguments must be a JSON object"))
		}
	case llm.Opaque:
		if b.Dialect != dialectName {
			w.unsupported("messages", "content of type "+b.Kind+" is")
		}
	case llm.Audio:
		w.unsupported("messages", "audio is")
	default: // has a form in answers too
	}
	wire, _ := writeBlock(b)
	return wire
}

func (w *writer) toolResult(r llm.ToolResult) any {
	out := toolResultBlock{Type: "tool_result", ToolUseID: r.CallID, IsError: r.IsError}
	var content llm.Blocks
	for _, b := range r.Content {
		if !blank(b) {
			content = append(content, b)
		}
	}
	switch text, single := only[llm.Text](content); {
	case single && len(text.Citations) == 0:
		out.Content = rawjson.String(text.Text)
	case len(content) > 0:
		out.Content = w.blocks(content)
	}
	return out
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

func (w *writer) image(b llm.Image) any {
	w.DropIf(b.Detail != "" && b.Detail != "auto", "detail")
	from := w.source(b.Source)
	if from.Type == "base64" {
		from.MediaType = imageTypes[strings.ToLower(cmp.Or(b.MediaType, dialect.MediaType(b.Data)))]
		if from.MediaType == "" {
			w.unsupported("messages", "images other than JPEG, PNG, GIF and WebP are")
		}
	}
	return mediaBlock{Type: "image", Source: from}
}

func (w *writer) document(b llm.Document) any {
	from := w.source(b.Source)
	if from.Type == "base64" {
		from = w.file(b.Source)
	}
	out := mediaBlock{Type: "document", Source: from, Title: b.Title, Context: b.Context}
	if b.Cite {
		out.Citations = &citationsConfig{Enabled: true}
	}
	return out
}

// file writes the bytes of a document: a PDF, or text, which goes as such.
func (w *writer) file(s llm.Source) source {
	const pdf = "application/pdf"
	if strings.HasPrefix(s.MediaType, "text/") {
		text, err := base64.StdEncoding.DecodeString(s.Data)
		if err != nil {
			w.Refuse(invalid("messages", "the document is not valid base64"))
		}
		return source{Type: "text", MediaType: "text/plain", Data: string(text)}
	}
	if s.MediaType != "" && s.MediaType != pdf {
		w.unsupported("messages", "documents of type "+s.MediaType+" are")
	}
	return source{Type: "base64", MediaType: pdf, Data: s.Data}
}

func (w *writer) source(s llm.Source) source {
	switch {
	case s.Data != "":
		return source{Type: "base64", Data: s.Data}
	case s.Text != "":
		return source{Type: "text", MediaType: "text/plain", Data: s.Text}
	case s.FileID != "": // of another provider, for one's own clients are passed on
		w.unsupported("messages", "files by id are")
	case s.URL == "":
		w.Refuse(invalid("messages", "an image or document is empty"))
	case !strings.HasPrefix(strings.ToLower(s.URL), "https://"):
		w.unsupported("messages", "URLs other than https are")
	}
	return source{Type: "url", URL: s.URL}
}
