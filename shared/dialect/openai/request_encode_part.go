package openai

import (
	"cmp"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// attachment writes a block that is no text.
func (e *encoding) attachment(b llm.Block) any {
	switch b := b.(type) {
	case llm.Image:
		return e.image(b)
	case llm.Document:
		return e.document(b)
	case llm.Audio:
		return e.audio(b)
	case llm.Opaque:
		if b.Dialect == name {
			return b.JSON
		}
		e.unsupported("messages", "content of type '%s' is not supported with this model", b.Kind)
	default:
		e.unsupported("messages", "a user's message may hold text, images, audio and files only")
	}
	return nil
}

func (e *encoding) image(b llm.Image) part {
	url := b.URL
	if b.Data != "" {
		url = dataURL(cmp.Or(b.MediaType, dialect.MediaType(b.Data), "image/jpeg"), b.Data)
	}
	if url == "" {
		e.unsupported("messages", "images by file id are not supported with this model")
	}
	return part{Type: "image_url", ImageURL: &imageURL{URL: url, Detail: b.Detail}}
}

// document writes plain text as text, for the dialect has no files of it.
func (e *encoding) document(b llm.Document) part {
	e.DropIf(b.Cite, "citations")
	if b.Text != "" {
		about := strings.TrimPrefix(strings.TrimSuffix(b.Title+"\n"+b.Context, "\n"), "\n")
		return part{Type: "text", Text: strings.TrimPrefix(about+"\n\n"+b.Text, "\n\n")}
	}
	e.DropIf(b.Context != "", "context")
	if b.Data == "" {
		e.unsupported("messages", "documents by URL or file id are not supported with this model")
	}
	data := dataURL(cmp.Or(b.MediaType, "application/pdf"), b.Data)
	return part{Type: "file", File: &file{FileData: data, Filename: cmp.Or(b.Title, "document.pdf")}}
}

func (e *encoding) audio(b llm.Audio) part {
	if b.Data == "" {
		e.unsupported("messages", "audio must be sent as base64 to this model")
	}
	format := cmp.Or(b.Format, dialect.AudioFormat(b.MediaType), "wav")
	return part{Type: "input_audio", InputAudio: &inputAudio{Data: b.Data, Format: format}}
}

func dataURL(media, data string) string { return "data:" + media + ";base64," + data }
