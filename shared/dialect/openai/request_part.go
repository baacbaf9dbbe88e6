package openai

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

var partTypes = map[string]func(r *reading, p part, path string) llm.Block{
	"text":        func(_ *reading, p part, _ string) llm.Block { return llm.Text{Text: p.Text} },
	"refusal":     func(_ *reading, p part, _ string) llm.Block { return llm.Text{Text: p.Refusal, Refusal: true} },
	"thinking":    func(_ *reading, p part, _ string) llm.Block { return llm.Thinking{Text: inner(p.Thinking)} },
	"image_url":   (*reading).image,
	"input_audio": (*reading).audio,
	"file":        (*reading).file,
}

func (r *reading) image(p part, path string) llm.Block {
	if p.ImageURL == nil || p.ImageURL.URL == "" {
		r.missing(path + ".image_url.url")
		return llm.Image{}
	}
	return llm.Image{Source: r.url(p.ImageURL.URL, path+".image_url.url"), Detail: p.ImageURL.Detail}
}

func (r *reading) audio(p part, path string) llm.Block {
	in := cmp.Or(p.InputAudio, &inputAudio{})
	source := llm.Source{Data: in.Data}
	if strings.HasPrefix(in.Data, "data:") {
		source = r.url(in.Data, path+".input_audio.data")
	}
	var ok bool
	if source.Data, ok = dialect.Base64(source.Data); !ok || source.Data == "" {
		r.invalid(path+".input_audio.data", "Invalid value for '%s.input_audio.data': expected base64.", path)
	}
	if source.MediaType == "" && in.Format != "" {
		source.MediaType = "audio/" + in.Format
	}
	return llm.Audio{Source: source, Format: in.Format}
}

func (r *reading) file(p part, path string) llm.Block {
	f := cmp.Or(p.File, &file{})
	out := llm.Document{Source: llm.Source{FileID: f.FileID}, Title: f.Filename}
	switch {
	case f.FileID != "":
	case f.FileData != "":
		out.Source = r.url(f.FileData, path+".file.file_data")
	default:
		r.invalid(path+".file", "Missing required parameter: '%s.file.file_data'.", path)
	}
	return out
}

func (r *reading) url(url, path string) llm.Source {
	source, ok := dialect.Source(url)
	if !ok {
		r.invalid(path, "Invalid value for '%s': expected a base64-encoded data URL.", path)
	}
	return source
}

// inner returns the text of a string or of a list of parts.
func inner(raw json.RawMessage) string {
	var parts []part
	if json.Unmarshal(raw, &parts) != nil {
		return new(dialect.Joiner).Add(raw)
	}
	var all strings.Builder
	for _, p := range parts {
		all.WriteString(p.Text)
	}
	return all.String()
}
