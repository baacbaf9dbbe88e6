package llm

import (
	"bytes"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A form is what stands before and behind a text in the JSON of a value that
// says nothing else, as most do. It is written and read without reflection.
type form struct{ before, behind string }

func (f form) append(dst []byte, text string) []byte {
	return append(rawjson.AppendString(append(dst, f.before...), text), f.behind...)
}

// parse returns the text of what has just this form.
func (f form) parse(data []byte) (text string, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(f.before))
	if !ok {
		return "", false
	}
	n := rawjson.TextLen(rest)
	if n == 0 || string(rest[n:]) != f.behind {
		return "", false
	}
	return rawjson.Text(rest[:n])
}
