package dialect

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A Joiner reads a text that arrives as JSON strings, piece by piece. Some
// servers cut inside a rune, or between escaped surrogates: what a rune lacks
// is kept until the next string brings the rest. The zero value is ready; it is
// not safe for concurrent use.
type Joiner struct {
	tail []byte // as it stands in JSON
}

// Add returns what the next string says; nothing when raw is no string.
func (j *Joiner) Add(raw json.RawMessage) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if !j.Waits() {
		if text, ok := rawjson.Text(raw); ok { // nothing is broken in it
			return text
		}
	}
	body := raw[1 : len(raw)-1]
	if len(j.tail) > 0 {
		body = slices.Concat(j.tail, body)
	}
	cut := len(body) - unfinished(body)
	j.tail = bytes.Clone(body[cut:])
	var text string
	// Both parts were valid JSON, and so is their sum; a rune that is broken
	// for good reads as U+FFFD.
	_ = json.Unmarshal(slices.Concat([]byte{'"'}, body[:cut], []byte{'"'}), &text)
	return text
}

// Waits reports whether a rune has begun that is not complete.
func (j *Joiner) Waits() bool { return len(j.tail) > 0 }

// Rest returns what is left at the end of the text: a rune that never came.
func (j *Joiner) Rest() string {
	if !j.Waits() {
		return ""
	}
	j.tail = nil
	return string(utf8.RuneError)
}

// unfinished returns the length of the end of body that begins a rune only.
func unfinished(body []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(body); i++ {
		if end := body[len(body)-i:]; utf8.RuneStart(end[0]) {
			if !utf8.FullRune(end) {
				return i
			}
			break
		}
	}
	const escape = len(`\ud83d`)
	if len(body) < escape || !highSurrogate(body[len(body)-escape:]) {
		return 0
	}
	before := body[:len(body)-escape]
	slashes := len(before) - len(bytes.TrimRight(before, `\`))
	if slashes%2 == 1 { // the backslash is itself escaped
		return 0
	}
	return escape
}

func highSurrogate(e []byte) bool {
	return e[0] == '\\' && e[1] == 'u' && e[2]|0x20 == 'd' && bytes.IndexByte([]byte("89abAB"), e[3]) >= 0
}
