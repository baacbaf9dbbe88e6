package dialecttest

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
)

// A Going is a stream that goes on with a text.
type Going struct {
	Before string // frames, a line each
	Frame  string // the frame that comes again and again; has @ for the piece of the text
	Pieces string // as they stand in JSON, a line each
}

// usual are pieces that most dialects say one like the other.
const usual = "a\nb\n \\\"quoted\\\"\\n\n\nc\n\\u00e9\\ud83d\\ude00\n{\n}\né\nd"

// FuzzRepeats sees to it that a decoder says the same whether frames are read,
// or known by their likeness to the one before. Some of the seeds, each with
// the usual pieces, must have such frames.
func FuzzRepeats(f *testing.F, fresh func() dialect.Repeater, seeds ...Going) {
	for _, s := range seeds {
		if s.Pieces == "" {
			s.Pieces = usual
		}
		read := &counted{Repeater: fresh()}
		run(dialect.Repeating(read), s)
		if read.again == 0 && s.Pieces == usual {
			f.Errorf("none of %s were known by their likeness", s.Frame)
		}
		f.Add(s.Before, s.Frame, s.Pieces)
	}
	f.Fuzz(func(t *testing.T, before, frame, pieces string) {
		g, plain := Going{before, frame, pieces}, fresh()
		want, failed := run(plain, g)
		got, err := run(dialect.Repeating(fresh()), g)
		if a, b := written(t, got), written(t, want); a != b || (err == nil) != (failed == nil) {
			t.Errorf("got\n%s%v\nwant\n%s%v", a, err, b, failed)
		}
	})
}

// counted counts the frames that were not read.
type counted struct {
	dialect.Repeater
	again int
}

func (c *counted) Again(text string) {
	c.again++
	c.Repeater.Again(text)
}

// run returns what a decoder says, up to an error. Behind the frames that go on
// come those from before again.
func run(d dialect.Decoder, g Going) (events []llm.Event, err error) {
	before := bytes.Split([]byte(g.Before), []byte("\n"))
	frames := before
	for piece := range bytes.SplitSeq([]byte(g.Pieces), []byte("\n")) {
		frames = append(frames, bytes.ReplaceAll([]byte(g.Frame), []byte("@"), piece))
	}
	for _, data := range append(frames, before...) {
		said, err := d.Step(frame.Frame{Data: data})
		if events = append(events, said...); err != nil {
			return events, err
		}
	}
	said, err := d.End()
	return append(events, said...), err
}

var madeUp = regexp.MustCompile(`"id":"call_[^"]*"`)

// written is what is said, but for the ids of calls, which may be made up.
func written(tb testing.TB, events []llm.Event) string {
	return string(blot([]byte(llmtest.Text(tb, events))))
}
