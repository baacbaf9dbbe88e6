package upstream

import (
	"bytes"

	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A likeness knows the last frame that did nothing but go on with a text. One
// that differs from it in that text only, and in what decoders read once or not
// at all, does no more either, and need not be decoded: most frames of most
// streams are of this sort. The zero value knows none.
type likeness struct {
	event string
	parts [][]byte // of the frame's data, as JSON: between them are the values that may differ
	texts []bool   // which of these are texts; the others are numbers
	vain  int      // how often it has learnt for nothing
}

// maxVain is how often it is tried to learn what the frames of a stream are
// like, when each is another.
const maxVain = 8

// mayDiffer are the fields whose values may be others, wherever they are. A
// decoder whose stream is read on the side must not count what is in them.
var mayDiffer = map[string]bool{
	"content": true, "text": true, "response": true, // texts
	"thinking": true, "reasoning": true, "reasoning_content": true,
	"obfuscation": true, "created_at": true, "created": true,
}

// learn takes note of a frame and of what it said.
func (l *likeness) learn(f frame.Frame, events []llm.Event) {
	l.parts, l.texts = l.parts[:0], l.texts[:0]
	if len(events) != 1 || l.vain == maxVain {
		return
	}
	d, ok := events[0].(llm.Delta)
	if !ok || d.Text == "" || d.Citation != nil || len(d.Logprobs) > 0 {
		return
	}
	l.vain++
	data := bytes.Clone(f.Data)
	said, from := 0, 0 // how many values are the text; the end of the last value
	for key, at := range rawjson.Values(data) {
		value := data[at.Start:at.End]
		isText := value[0] == '"'
		if !mayDiffer[string(key)] || isText && plainText(value) != len(value) || !isText && rawjson.WholeLen(value) != len(value) {
			continue
		}
		if text, _ := rawjson.Text(value); isText && text == d.Text {
			said++
		}
		l.parts, l.texts = append(l.parts, data[from:at.Start]), append(l.texts, isText)
		from = at.End
	}
	l.event, l.parts = f.Event, append(l.parts, data[from:])
	if said != 1 {
		l.parts = l.parts[:0]
	}
}

// fits reports whether a frame is like the one that was learnt.
func (l *likeness) fits(f frame.Frame) bool {
	if len(l.parts) == 0 || f.Event != l.event {
		return false
	}
	rest := f.Data
	for i, isText := range l.texts {
		var ok bool
		if rest, ok = bytes.CutPrefix(rest, l.parts[i]); !ok {
			return false
		}
		n := 0
		if isText {
			n = plainText(rest)
		} else {
			n = rawjson.WholeLen(rest)
		}
		if n == 0 {
			return false
		}
		rest = rest[n:]
	}
	if !bytes.Equal(rest, l.parts[len(l.texts)]) {
		return false
	}
	l.vain = 0
	return true
}

// plainText returns the length of the JSON text at the beginning of data: zero
// where there is none, where it is empty, and where it may have escapes that need
// a closer look.
func plainText(data []byte) int {
	n := rawjson.TextLen(data)
	if n <= len(`""`) || bytes.Contains(data[:n], []byte(`\u`)) {
		return 0
	}
	return n
}
