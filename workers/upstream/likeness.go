package upstream

import (
	"bytes"
	"encoding/json"

	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
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
	for v := range fieldValues(data) {
		value := data[v.start:v.end]
		isText := value[0] == '"'
		if !mayDiffer[v.key] || isText && plainText(value) != len(value) || !isText && digits(value) != len(value) {
			continue
		}
		if isText && saysOnly(value, d.Text) {
			said++
		}
		l.parts, l.texts = append(l.parts, data[from:v.start]), append(l.texts, isText)
		from = v.end
	}
	l.event, l.parts = f.Event, append(l.parts, data[from:])
	if said != 1 {
		l.parts = l.parts[:0]
	}
}

// saysOnly reports whether a JSON text is said.
func saysOnly(value []byte, said string) bool {
	var text string
	return json.Unmarshal(value, &text) == nil && text == said
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
			n = digits(rest)
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
// where there is none, where it is empty, and where it has escapes that need a
// closer look.
func plainText(data []byte) int {
	if len(data) == 0 || data[0] != '"' {
		return 0
	}
	for i := 1; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			if i == 1 {
				return 0
			}
			return i + 1
		case c < ' ':
			return 0
		case c == '\\':
			if i++; i == len(data) || bytes.IndexByte([]byte(`"\/bfnrt`), data[i]) < 0 {
				return 0
			}
		}
	}
	return 0
}

// digits returns the length of the whole number at the beginning of data.
func digits(data []byte) int {
	n := 0
	for n < len(data) && data[n] >= '0' && data[n] <= '9' {
		n++
	}
	if n > 1 && data[0] == '0' {
		return 0
	}
	return n
}

// A fieldValue is where the value of a field is.
type fieldValue struct {
	key        string
	start, end int
}

// fieldValues yields the fields of all objects in data, which is valid JSON,
// that are a text or begin with a digit.
func fieldValues(data []byte) func(yield func(fieldValue) bool) {
	return func(yield func(fieldValue) bool) {
		for i := 0; i < len(data); i++ {
			if data[i] != '"' {
				continue
			}
			end := textEnd(data, i)
			key := data[i+1 : max(i+1, end-1)]
			i = end - 1
			next := skipSpace(data, end)
			if next == len(data) || data[next] != ':' {
				continue // it is a value
			}
			start := skipSpace(data, next+1)
			switch {
			case start == len(data):
				return
			case data[start] == '"':
				end = textEnd(data, start)
			case data[start] >= '0' && data[start] <= '9':
				end = numberEnd(data, start)
			default:
				continue
			}
			if !yield(fieldValue{string(key), start, end}) {
				return
			}
			i = end - 1
		}
	}
}

func textEnd(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

func numberEnd(data []byte, i int) int {
	for i < len(data) && bytes.IndexByte([]byte("0123456789.eE+-"), data[i]) >= 0 {
		i++
	}
	return i
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}
