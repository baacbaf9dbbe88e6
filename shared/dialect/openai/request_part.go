package openai

import (
	"cmp"
	"encoding/json"
	"strings"

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
	if source.Data, ok = standardBase64(source.Data); !ok || source.Data == "" {
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

// url splits a data URL into its media type and its bytes; any other URL stays
// as it is.
func (r *reading) url(url, path string) llm.Source {
	scheme, rest, _ := strings.Cut(url, ":")
	if !strings.EqualFold(scheme, "data") {
		return llm.Source{URL: url}
	}
	kind, data, _ := strings.Cut(rest, ",")
	media, params, _ := strings.Cut(kind, ";")
	data, ok := standardBase64(data)
	if !ok || data == "" || !strings.HasSuffix(";"+params, ";base64") {
		r.invalid(path, "Invalid value for '%s': expected a base64-encoded data URL.", path)
	}
	return llm.Source{MediaType: strings.ToLower(media), Data: data}
}

var urlSafe = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "")

// standardBase64 brings base64 of any alphabet into the standard form with
// padding; it reports whether it is base64 at all.
func standardBase64(s string) (string, bool) {
	if strings.ContainsAny(s, "-_\r\n") {
		s = urlSafe.Replace(s)
	}
	bare := strings.TrimRight(s, "=")
	for _, c := range []byte(bare) {
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/') {
			return "", false
		}
	}
	if len(bare)%4 == 1 {
		return "", false
	}
	if pad := (4 - len(bare)%4) % 4; len(s) != len(bare)+pad {
		s = bare + "=="[:pad]
	}
	return s, true
}

// inner returns the text of a string or of a list of parts.
func inner(raw json.RawMessage) string {
	var parts []part
	if json.Unmarshal(raw, &parts) != nil {
		return new(joiner).add(raw)
	}
	var all strings.Builder
	for _, p := range parts {
		all.WriteString(p.Text)
	}
	return all.String()
}
