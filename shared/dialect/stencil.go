package dialect

import (
	"bytes"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// Hole is the text to write in the frame that a [Stencil] is cut from, in the
// place of each text that may differ.
const Hole = "\x00hole\x00"

// A Stencil writes frames that are like one another but for some texts, as are
// those of a streamed text: it copies what is the same, which costs a fraction
// of writing it anew. It is nil before it is cut, and empty where it cannot be
// used.
type Stencil [][]byte

// Cut makes a stencil of a frame with so many holes. It is empty where they are
// not as many: there is no frame, or something in it looks like a hole.
func Cut(frame []byte, holes int) Stencil {
	parts := bytes.Split(frame, rawjson.String(Hole))
	if len(parts) != holes+1 {
		return Stencil{}
	}
	return parts
}

// Append appends the frame with a text in each hole.
func (s Stencil) Append(dst []byte, texts ...string) []byte {
	dst = append(dst, s[0]...)
	for i, text := range texts {
		dst = append(rawjson.AppendString(dst, text), s[i+1]...)
	}
	return dst
}

// Repeat appends what write appends for a text. It learns that from write, which
// must write the same for every text but for the text itself, until the stencil
// is set to nil.
func (s *Stencil) Repeat(dst []byte, text string, write func(dst []byte, text string) []byte) []byte {
	if *s == nil {
		*s = Cut(write(nil, Hole), 1)
	}
	if len(*s) == 0 {
		return write(dst, text)
	}
	return s.Append(dst, text)
}
