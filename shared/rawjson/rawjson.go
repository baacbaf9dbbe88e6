// Package rawjson reads and changes single fields of a JSON object without
// touching the bytes of the others: their order, spacing, numbers and
// duplicates stay as they are.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
)

// A Field is one field at the top level of an object.
type Field struct {
	Key        string
	Value      json.RawMessage
	start, end int // of the value, in the object
}

// ErrNotObject is the error for JSON that is no object.
var ErrNotObject = errors.New("the body must be a JSON object")

// Check says whether body is a JSON object, in the words of encoding/json, and
// [ErrNotObject] for any other valid JSON. Nesting over 10,000 levels is
// refused.
func Check(body []byte) error {
	if valid(body) {
		if IsObject(body) {
			return nil
		}
		return ErrNotObject
	}
	var object struct{}
	return json.Unmarshal(body, &object) // which knows what is wrong
}

// Fields yields the fields at the top level of object, in order. The object
// must have passed [Check].
func Fields(object []byte) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		i := bytes.IndexByte(object, '{') + 1
		for {
			i = skipTo(object, i)
			if i >= len(object) || object[i] != '"' {
				return
			}
			keyEnd := skipValue(object, i)
			name, ok := key(object[i:keyEnd])
			if !ok {
				return
			}
			start := skipTo(object, keyEnd)
			end := skipValue(object, start)
			if !yield(Field{Key: name, Value: object[start:end], start: start, end: end}) {
				return
			}
			i = end
		}
	}
}

// Set returns a copy of object in which the field key has the given value, a
// JSON text. Where the key occurs more than once, the last one is set, for
// that is the one that readers go by; where it does not occur, it is added in
// front. The object must have passed [Check].
func Set(object []byte, key string, value []byte) []byte {
	f, _ := last(object, key)
	return f.set(object, key, value)
}

// last returns the field of that name that readers go by.
func last(object []byte, key string) (found Field, ok bool) {
	for f := range Fields(object) {
		if f.Key == key {
			found, ok = f, true
		}
	}
	return found, ok
}

// set puts value in the place of the field; of none, in front as the field key.
func (f Field) set(object []byte, key string, value []byte) []byte {
	if f.end > 0 {
		return splice(object, f.start, f.end, value)
	}
	open := bytes.IndexByte(object, '{') + 1
	name, _ := json.Marshal(key)
	member := append(append(name, ':'), value...)
	if next := skipTo(object, open); next < len(object) && object[next] != '}' {
		member = append(member, ',')
	}
	return splice(object, open, open, member)
}

// String returns s as a JSON text, the way encoding/json writes one, but for <,
// > and &, which stay as they are.
func String(s string) []byte { return AppendString(make([]byte, 0, len(s)+len(`""`)), s) }

// IsNull reports whether a field is absent or null, which mean the same in
// these APIs.
func IsNull(value json.RawMessage) bool { return len(value) == 0 || string(value) == "null" }

// IsObject reports whether a valid JSON text is an object.
func IsObject(valid []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(valid, " \t\r\n"), []byte("{"))
}

// Compact takes the white space out of a JSON text and keeps all else, such as
// the order of keys. What is not valid stays as it is.
func Compact(value []byte) string {
	var out bytes.Buffer
	if json.Compact(&out, value) != nil {
		return string(value)
	}
	return out.String()
}

// Object returns a text that a model wrote, where it is a JSON object; it
// returns {} where not, for a model may write anything, and a limit may cut it
// off.
func Object(text string) json.RawMessage {
	if raw := json.RawMessage(text); IsObject(raw) && json.Valid(raw) {
		return raw
	}
	return json.RawMessage("{}")
}

func splice(b []byte, start, end int, with []byte) []byte {
	out := make([]byte, 0, len(b)-(end-start)+len(with))
	return append(append(append(out, b[:start]...), with...), b[end:]...)
}

// skipTo returns the place of the next token after white space, commas and
// colons.
func skipTo(b []byte, i int) int {
	for i < len(b) && (b[i] == ',' || b[i] == ':' || b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue returns the end of the value that begins at i, in valid JSON.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipString(b, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		default:
			i = skipPlain(b, i)
		}
		if depth <= 0 {
			return i
		}
	}
	return i
}

// skipString returns the end of the text at i: the first quote that no backslash
// stands before, but for one that is escaped itself.
func skipString(b []byte, i int) int {
	for from := i + 1; ; {
		n := bytes.IndexByte(b[from:], '"')
		if n < 0 {
			return len(b)
		}
		end := from + n
		before := end
		for b[before-1] == '\\' {
			before--
		}
		if from = end + 1; (end-before)%2 == 0 {
			return from
		}
	}
}

// skipPlain skips numbers, literals, and what stands between values.
func skipPlain(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"', '{', '[', '}', ']', ',', ':', ' ', '\t', '\r', '\n':
			return i
		}
	}
	return i
}
