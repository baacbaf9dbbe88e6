package dialect

import (
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A Repeater is a [Decoder] that can say what frames like the last one do.
type Repeater interface {
	Decoder

	// Fields names the fields in one of which the last frame had its piece of a
	// text, where any frame that differs in that piece only says its own and
	// does nothing else. It returns nil where such a frame may do more. It is
	// called after a step that has returned one piece of a text and no more.
	Fields() []string

	// Again takes note of a frame of which Fields has told, and which was not
	// read: it says another piece of the same text, in whole runes.
	Again(text string)
}

// Repeating returns a decoder that does what d does. It does not read again what
// frames have in common with the one before, as most of a stream have all but a
// piece of a text.
func Repeating(d Repeater) Decoder { return &repeating{Repeater: d} }

type repeating struct {
	Repeater
	like likeness
	said [1]llm.Event // what the last step has returned, if the frame was known
}

// Step takes the next frame.
func (r *repeating) Step(f frame.Frame) ([]llm.Event, error) {
	if text, ok := r.like.read(f); ok {
		r.Again(text)
		r.said[0] = llm.Delta{Text: text}
		return r.said[:], nil
	}
	events, err := r.Repeater.Step(f)
	switch d := piece(events); {
	case err != nil || d == "":
		if len(f.Data) > 0 {
			r.like.forget()
		}
	default:
		r.like.learn(f, r.Fields(), d)
	}
	return events, err
}

// piece returns the text of the only event, if it says nothing else.
func piece(events []llm.Event) string {
	if len(events) != 1 {
		return ""
	}
	if d, ok := events[0].(llm.Delta); ok && d.Citation == nil && len(d.Logprobs) == 0 {
		return d.Text
	}
	return ""
}
