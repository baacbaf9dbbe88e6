package frame

import (
	"bytes"
	"io"
)

// NDJSON splits a stream of newline-delimited JSON. Blank lines are yielded
// with nil Data.
func NDJSON(r io.Reader) Frames {
	return func(yield func(Frame, error) bool) {
		in := newLines(r)
		var raw []byte
		for {
			var err error
			raw, err = in.next(raw[:0])
			if err != nil && ended(err) != nil {
				yield(Frame{}, ended(err))
				return
			}
			if len(raw) > 0 && !yield(lineFrame(raw), nil) || err != nil {
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
