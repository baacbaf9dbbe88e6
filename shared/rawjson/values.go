package rawjson

import (
	"bytes"
	"iter"
)

// A Span is where a value is.
type Span struct{ Start, End int }

// Values yields the fields of all objects in data, which is valid JSON, that are
// a text or a number, by the insides of their keys: as they are spelled, and
// however deep they are.
func Values(data []byte) iter.Seq2[[]byte, Span] {
	return func(yield func([]byte, Span) bool) {
		for i := 0; i < len(data); {
			n := TextLen(data[i:])
			if n == 0 {
				i++
				continue
			}
			key, rest := data[i+1:i+n-1], bytes.TrimLeft(data[i+n:], spaces)
			if i += n; len(rest) == 0 || rest[0] != ':' {
				continue // it is a value
			}
			value := bytes.TrimLeft(rest[1:], spaces)
			n = max(TextLen(value), len(value)-len(bytes.TrimLeft(value, "0123456789.eE+-")))
			if i = len(data) - len(value); n > 0 && !yield(key, Span{i, i + n}) {
				return
			}
			i += n
		}
	}
}

const spaces = " \t\r\n"

// WholeLen returns the length of the whole number at the beginning of data; 0
// where there is none.
func WholeLen(data []byte) int {
	n := 0
	for n < len(data) && isDigit(data[n]) {
		n++
	}
	if n > 1 && data[0] == '0' {
		return 0
	}
	return n
}
