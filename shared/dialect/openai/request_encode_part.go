package openai

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// part writes a block of a user's message; nil where it says nothing.
func (e *encoding) part(b llm.Block) (json.RawMessage, error) {
	switch b := b.(type) {
	case llm.Text:
		if b.Text == "" {
			return nil, nil
		}
		return rawjson.Marshal(part{Type: "text", Text: b.Text})
	case llm.Opaque:
		if b.Dialect == "openai" && json.Valid(b.JSON) {
			return b.JSON, nil
		}
	}
	p, err := e.attachment(b)
	if err != nil {
		return nil, err
	}
	return rawjson.Marshal(p)
}

// attachment writes a block that is no text.
func (e *encoding) attachment(b llm.Block) (part, error) {
	switch b := b.(type) {
	case llm.Image:
		return image(b)
	case llm.Document:
		return e.document(b)
	case llm.Audio:
		return audio(b)
	case llm.Opaque:
		return part{}, unsupported("messages", "content of type '%s' is not supported with this model", b.Kind)
	}
	return part{}, unsupported("messages", "a user's message may hold text, images, audio and files only")
}

func image(b llm.Image) (part, error) {
	url := b.URL
	switch {
	case b.Data != "":
		url = dataURL(cmp.Or(b.MediaType, sniff(b.Data)), b.Data)
	case url == "":
		return part{}, unsupported("messages", "images by file id are not supported with this model")
	}
	return part{Type: "image_url", ImageURL: &imageURL{URL: url, Detail: b.Detail}}, nil
}

// document writes plain text as text, for the dialect has no files of it.
func (e *encoding) document(b llm.Document) (part, error) {
	e.dropIf(b.Cite, "citations")
	about := strings.TrimPrefix(strings.TrimSuffix(b.Title+"\n"+b.Context, "\n"), "\n")
	switch {
	case b.Text != "":
		return part{Type: "text", Text: strings.TrimPrefix(about+"\n\n"+b.Text, "\n\n")}, nil
	case b.Data != "":
		e.dropIf(b.Context != "", "context")
		data := dataURL(cmp.Or(b.MediaType, "application/pdf"), b.Data)
		return part{Type: "file", File: &file{FileData: data, Filename: cmp.Or(b.Title, "document.pdf")}}, nil
	case b.URL != "":
		return part{}, unsupported("messages", "documents by URL are not supported with this model")
	}
	return part{}, unsupported("messages", "documents by file id are not supported with this model")
}

func audio(b llm.Audio) (part, error) {
	if b.Data == "" {
		return part{}, unsupported("messages", "audio must be sent as base64 to this model")
	}
	_, kind, _ := strings.Cut(b.MediaType, "/")
	format := cmp.Or(b.Format, audioFormats[kind], kind, "wav")
	return part{Type: "input_audio", InputAudio: &inputAudio{Data: b.Data, Format: format}}, nil
}

// audioFormats are the subtypes of audio that the dialect calls otherwise.
var audioFormats = map[string]string{"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}

func dataURL(media, data string) string { return "data:" + media + ";base64," + data }

// sniff tells the media type of a picture from how its base64 begins.
func sniff(data string) string {
	for _, kind := range []struct{ prefix, media string }{
		{"iVBORw0KGgo", "image/png"},
		{"R0lGOD", "image/gif"},
		{"UklGR", "image/webp"},
	} {
		if strings.HasPrefix(data, kind.prefix) {
			return kind.media
		}
	}
	return "image/jpeg"
}
