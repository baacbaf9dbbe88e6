package dialect

import (
	"bytes"
	"slices"

	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A likeness knows a frame that did nothing but go on with a text, and reads
// those that differ from it in that text only, and in what decoders read once
// or not at all. The zero value knows none.
type likeness struct {
	event string
	parts [][]byte // of the frame's data: between them are the values that may differ
	holes []hole   // what these are
	vain  int      // how often it has learnt for nothing
}

// A hole is what may be in a frame in the place of a value.
type hole int

const (
	holeText   hole = iota // what is said
	holeWords              // a text that does not matter
	holeNumber             // a whole number that does not matter
)

// maxVain is how often it is tried to learn what the frames of a stream are
// like, when each is another.
const maxVain = 8

// passing are the fields whose values differ from frame to frame, wherever they
// are, and do not matter in one that goes on with a text.
var passing = []string{"created", "created_at", "obfuscation", "sequence_number"}

func (l *likeness) forget() { l.parts, l.holes = l.parts[:0], l.holes[:0] }

// learn takes note of a frame and of what it said, in one of the fields.
func (l *likeness) learn(f frame.Frame, fields []string, said string) {
	l.forget()
	if len(fields) == 0 || l.vain == maxVain {
		return
	}
	l.vain++
	data, from, found := bytes.Clone(f.Data), 0, false
	for key, at := range rawjson.Values(data) {
		value := data[at.Start:at.End]
		h, ok := holeFor(string(key), value, fields, said)
		switch text, _ := rawjson.Text(value); {
		case ok:
			found = found || h == holeText
			l.parts, l.holes = append(l.parts, data[from:at.Start]), append(l.holes, h)
			from = at.End
		case text == said: // perhaps the same field, spelled in another way: which one is read?
			l.forget()
			return
		}
	}
	if l.event, l.parts = f.Event, append(l.parts, data[from:]); !found {
		l.forget()
	}
}

// holeFor returns what may be in the place of the value of a field, if not just
// that.
func holeFor(key string, value []byte, fields []string, said string) (hole, bool) {
	if value[0] != '"' {
		return holeNumber, slices.Contains(passing, key) && rawjson.WholeLen(value) == len(value)
	}
	if slices.Contains(fields, key) {
		text, ok := rawjson.Text(value)
		return holeText, ok && text == said
	}
	return holeWords, slices.Contains(passing, key)
}

// read returns what a frame says that is like the one that was learnt.
func (l *likeness) read(f frame.Frame) (said string, ok bool) {
	if len(l.parts) == 0 || f.Event != l.event {
		return "", false
	}
	var text []byte // all texts are the same one
	rest := f.Data
	for i, h := range l.holes {
		if rest, ok = bytes.CutPrefix(rest, l.parts[i]); !ok {
			return "", false
		}
		n := h.fill(rest)
		if h == holeText && text == nil {
			text = rest[:n]
		}
		if n == 0 || h == holeText && !bytes.Equal(rest[:n], text) {
			return "", false
		}
		rest = rest[n:]
	}
	if !bytes.Equal(rest, l.parts[len(l.holes)]) {
		return "", false
	}
	if said, ok = rawjson.Text(text); said == "" {
		return "", false
	}
	l.vain = 0
	return said, ok
}

// fill returns the length of what fills the hole at the beginning of data; 0
// where nothing does.
func (h hole) fill(data []byte) int {
	if h == holeNumber {
		return rawjson.WholeLen(data)
	}
	return rawjson.TextLen(data)
}
