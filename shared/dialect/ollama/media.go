package ollama

import (
	"encoding/base64"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A signature tells a kind of media by its first bytes.
type signature struct {
	offset int
	magic  string
	media  string
	format string // of sound
}

var signatures = []signature{
	{0, "\xff\xd8\xff", "image/jpeg", ""},
	{0, "\x89PNG", "image/png", ""},
	{0, "GIF8", "image/gif", ""},
	{8, "WEBP", "image/webp", ""},
	{0, "BM", "image/bmp", ""},
	{4, "ftypavif", "image/avif", ""},
	{8, "WAVE", "audio/wav", "wav"},
	{0, "ID3", "audio/mpeg", "mp3"},
	{0, "\xff\xfb", "audio/mpeg", "mp3"},
	{0, "\xff\xf3", "audio/mpeg", "mp3"},
	{0, "fLaC", "audio/flac", "flac"},
	{0, "OggS", "audio/ogg", "ogg"},
}

// readMedia reads entries of images, which name no type and, by convention,
// hold sound as well.
func readMedia(entries []string) (llm.Blocks, error) {
	var blocks llm.Blocks
	for _, entry := range entries {
		data, err := base64.StdEncoding.DecodeString(entry)
		if err != nil {
			return nil, invalid("images", err.Error())
		}
		if strings.ContainsAny(entry, "\r\n") {
			entry = base64.StdEncoding.EncodeToString(data)
		}
		blocks = append(blocks, mediaBlock(entry, sniff(data)))
	}
	return blocks, nil
}

func mediaBlock(entry string, kind signature) llm.Block {
	source := llm.Source{MediaType: kind.media, Data: entry}
	if kind.format != "" {
		return llm.Audio{Source: source, Format: kind.format}
	}
	return llm.Image{Source: source}
}

// sniff returns the zero signature for data of an unknown kind.
func sniff(data []byte) signature {
	for _, s := range signatures {
		if end := s.offset + len(s.magic); len(data) >= end && string(data[s.offset:end]) == s.magic {
			return s
		}
	}
	return signature{}
}
