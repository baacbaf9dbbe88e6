package dialect_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A spelling decodes lines that name their events: s for Start, f for Finish,
// x for an event and an error at once. What it holds back it says at the end.
type spelling struct {
	held []llm.Event
	end  error
}

var errLine = errors.New("a bad line")

func (s spelling) Step(f frame.Frame) ([]llm.Event, error) {
	switch string(f.Data) {
	case "s":
		return []llm.Event{llm.Start{}}, nil
	case "sf":
		return []llm.Event{llm.Start{}, llm.Finish{}}, nil
	case "x":
		return []llm.Event{llm.Start{}}, errLine
	default:
		return nil, nil
	}
}

func (s spelling) End() ([]llm.Event, error) { return s.held, s.end }

func TestEventsEndWithTheFirstError(t *testing.T) {
	broken := errors.New("connection reset")
	tests := []struct {
		name    string
		input   io.Reader
		decoder spelling
		events  int
		err     error
	}{
		{"a whole answer", strings.NewReader("s\n\nother\n"), spelling{held: []llm.Event{llm.Finish{}}}, 2, nil},
		{"several events of one frame", strings.NewReader("sf\n"), spelling{}, 2, nil},
		{"nothing", strings.NewReader(""), spelling{end: llm.ErrTruncated}, 0, llm.ErrTruncated},
		{"an end too soon", strings.NewReader("s\n"), spelling{end: llm.ErrTruncated}, 1, llm.ErrTruncated},
		{"events before the error of a frame", strings.NewReader("x\ns\n"), spelling{}, 1, errLine},
		{"events before the error of the end", strings.NewReader("s\n"), spelling{held: []llm.Event{llm.Finish{}}, end: errLine}, 2, errLine},
		{
			"a broken connection, which is not the end", io.MultiReader(strings.NewReader("s\n"), iotest.ErrReader(broken)),
			spelling{held: []llm.Event{llm.Finish{}}}, 1, broken,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			events, failed := 0, error(nil)
			for e, err := range dialect.Events(frame.NDJSON(tt.input), tt.decoder) {
				if failed != nil {
					t.Fatalf("the stream goes on after its error with %T, %v", e, err)
				}
				if failed = err; err == nil {
					events++
				}
			}
			if events != tt.events || !errors.Is(failed, tt.err) {
				t.Errorf("got %d events, %v want %d, %v", events, failed, tt.events, tt.err)
			}
		})
	}
}
