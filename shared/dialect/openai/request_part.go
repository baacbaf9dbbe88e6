package openai

import (
	"encoding/json"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

var partTypes = map[string]func(p part, path string) (llm.Block, error){
	"text":        func(p part, _ string) (llm.Block, error) { return llm.Text{Text: p.Text}, nil },
	"refusal":     func(p part, _ string) (llm.Block, error) { return llm.Text{Text: p.Refusal, Refusal: true}, nil },
	"thinking":    func(p part, _ string) (llm.Block, error) { return llm.Thinking{Text: inner(p.Thinking)}, nil },
	"image_url":   readImage,
	"input_audio": readAudio,
	"file":        readFile,
}

func readImage(p part, path string) (llm.Block, error) {
	if p.ImageURL == nil || p.ImageURL.URL == "" {
		return nil, invalid(path+".image_url", "Missing required parameter: '%s.image_url.url'.", path)
	}
	source, err := readURL(p.ImageURL.URL, path+".image_url.url")
	return llm.Image{Source: source, Detail: p.ImageURL.Detail}, err
}

func readAudio(p part, path string) (llm.Block, error) {
	if p.InputAudio == nil {
		return nil, invalid(path+".input_audio", "Missing required parameter: '%s.input_audio'.", path)
	}
	source := llm.Source{Data: p.InputAudio.Data}
	if strings.HasPrefix(source.Data, "data:") {
		var err error
		if source, err = readURL(source.Data, path+".input_audio.data"); err != nil {
			return nil, err
		}
	}
	var ok bool
	if source.Data, ok = standardBase64(source.Data); !ok || source.Data == "" {
		return nil, invalid(path+".input_audio.data", "Invalid value for '%s.input_audio.data': expected base64.", path)
	}
	if source.MediaType == "" && p.InputAudio.Format != "" {
		source.MediaType = "audio/" + p.InputAudio.Format
	}
	return llm.Audio{Source: source, Format: p.InputAudio.Format}, nil
}

func readFile(p part, path string) (llm.Block, error) {
	switch f := p.File; {
	case f != nil && f.FileID != "":
		return llm.Document{Source: llm.Source{FileID: f.FileID}, Title: f.Filename}, nil
	case f != nil && f.FileData != "":
		source, err := readURL(f.FileData, path+".file.file_data")
		return llm.Document{Source: source, Title: f.Filename}, err
	}
	return nil, invalid(path+".file", "Missing required parameter: '%s.file.file_data'.", path)
}

// readURL splits a data URL into its media type and its bytes; any other URL
// stays as it is.
func readURL(url, path string) (llm.Source, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	if !strings.EqualFold(scheme, "data") {
		return llm.Source{URL: url}, nil
	}
	kind, data, _ := strings.Cut(rest, ",")
	media, params, _ := strings.Cut(kind, ";")
	data, ok := standardBase64(data)
	if !ok || data == "" || !strings.HasSuffix(";"+params, ";base64") {
		return llm.Source{}, invalid(path, "Invalid value for '%s': expected a base64-encoded data URL.", path)
	}
	return llm.Source{MediaType: strings.ToLower(media), Data: data}, nil
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
