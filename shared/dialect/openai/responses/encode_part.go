package responses

import (
	"cmp"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// parts writes the content of a message.
func (e *encoding) parts(role string, blocks llm.Blocks) []any {
	list := []any{}
	for _, b := range blocks {
		switch b := b.(type) {
		case llm.Text:
			e.DropIf(len(b.Citations) > 0, "citations")
			list = append(list, wireText(role, b))
		case llm.Image:
			list = append(list, e.image(b))
		case llm.Document:
			list = append(list, e.document(b))
		case llm.Opaque:
			if b.Dialect == name {
				list = append(list, b.JSON)
				continue
			}
			e.unsupported("messages", "content of type '%s' is not supported with this model", b.Kind)
		default:
			e.unsupported("messages", "a message may hold text, images and files only")
		}
	}
	return list
}

func wireText(role string, b llm.Text) part {
	switch {
	case b.Refusal && role == "assistant":
		return part{Type: "refusal", Refusal: &b.Text}
	case role == "assistant":
		return part{Type: "output_text", Text: &b.Text}
	}
	return part{Type: "input_text", Text: &b.Text}
}

func (e *encoding) image(b llm.Image) part {
	url := b.URL
	if b.Data != "" {
		url = dataURL(cmp.Or(b.MediaType, dialect.MediaType(b.Data), "image/jpeg"), b.Data)
	}
	return part{Type: "input_image", ImageURL: url, Detail: b.Detail, file: file{FileID: b.FileID}}
}

// document writes plain text as text, for the dialect has no files of it.
func (e *encoding) document(b llm.Document) part {
	e.DropIf(b.Cite, "citations")
	if b.Text != "" {
		about := strings.Trim(b.Title+"\n"+b.Context, "\n")
		return part{Type: "input_text", Text: new(strings.TrimPrefix(about+"\n\n"+b.Text, "\n\n"))}
	}
	e.DropIf(b.Context != "", "context")
	out := part{Type: "input_file", file: file{Filename: b.Title, FileURL: b.URL, FileID: b.FileID}}
	if b.Data != "" {
		out.Filename = cmp.Or(b.Title, "document.pdf")
		out.FileData = dataURL(cmp.Or(b.MediaType, "application/pdf"), b.Data)
	}
	return out
}

func dataURL(media, data string) string { return "data:" + media + ";base64," + data }
