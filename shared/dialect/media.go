package dialect

import (
	"cmp"
	"encoding/base64"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

// signatures tell the kinds of media by their first bytes.
var signatures = []struct {
	offset int
	magic  string
	media  string
}{
	{0, "\xff\xd8\xff", "image/jpeg"},
	{0, "\x89PNG", "image/png"},
	{0, "GIF8", "image/gif"},
	{8, "WEBP", "image/webp"},
	{0, "BM", "image/bmp"},
	{4, "ftypavif", "image/avif"},
	{8, "WAVE", "audio/wav"},
	{0, "ID3", "audio/mpeg"},
	{0, "\xff\xfb", "audio/mpeg"},
	{0, "\xff\xf3", "audio/mpeg"},
	{0, "fLaC", "audio/flac"},
	{0, "OggS", "audio/ogg"},
}

// MediaType tells a picture's or a sound's type from how its base64 begins. It
// returns "" for what it does not know.
func MediaType(data string) string {
	head := data[:min(len(data), 24)&^3]
	first, _ := base64.StdEncoding.DecodeString(head) // as far as it is base64
	for _, s := range signatures {
		if len(first) >= s.offset && strings.HasPrefix(string(first[s.offset:]), s.magic) {
			return s.media
		}
	}
	return ""
}

// audioFormats are the subtypes of audio that are not called by their format.
var audioFormats = map[string]string{"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}

// AudioFormat returns the short name of an audio type, such as mp3; "" for
// other types.
func AudioFormat(mediaType string) string {
	kind, ok := strings.CutPrefix(mediaType, "audio/")
	if !ok {
		return ""
	}
	return cmp.Or(audioFormats[kind], kind)
}

// Source reads an URL: a data URL into its media type and its bytes, any other
// as it stands. Ok is false for a data URL that is broken or empty.
func Source(url string) (s llm.Source, ok bool) {
	scheme, rest, _ := strings.Cut(url, ":")
	if !strings.EqualFold(scheme, "data") {
		return llm.Source{URL: url}, true
	}
	kind, data, _ := strings.Cut(rest, ",")
	media, params, _ := strings.Cut(kind, ";")
	data, ok = Base64(data)
	return llm.Source{MediaType: strings.ToLower(media), Data: data}, ok && data != "" && strings.HasSuffix(";"+params, ";base64")
}

var urlSafe = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "")

// Base64 brings base64 of any alphabet into the standard form with
// padding; it reports whether it is base64 at all.
func Base64(s string) (string, bool) {
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
