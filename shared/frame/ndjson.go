package frame

import (
	"bytes"
	"io"
)

// NDJSON splits a stream of newline-delimited JSON. Blank lines are yielded
// with nil Data.
func NDJSON(r io.Reader) Frames {
	return func(yield func(Frame, error) bool) {
		for in := newInput(r); ; in.next() {
			line, err := in.line()
			if err != nil && ended(err) != nil {
				yield(Frame{}, ended(err))
				return
			}
			if len(line) > 0 && !yield(lineFrame(in.frame()), nil) || err != nil {
				return
			}
		}
	}
}

func lineFrame(raw []byte) Frame {
	f := Frame{Raw: raw}
	if data := bytes.TrimSpace(raw); len(data) > 0 {
		f.Data = data
	}
	return f
}
