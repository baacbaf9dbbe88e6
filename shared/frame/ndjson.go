package frame

import (
	"bytes"
	"io"
)

// NDJSON splits a stream of newline-delimited JSON. Blank lines are yielded
// with nil Data.
func NDJSON(r io.Reader) Frames { return split(r, ndjson{}) }

type ndjson struct{}

func (ndjson) ends([]byte) bool { return true }

func (ndjson) frame(raw []byte) Frame {
	f := Frame{Raw: raw}
	if data := bytes.TrimSpace(raw); len(data) > 0 {
		f.Data = data
	}
	return f
}
