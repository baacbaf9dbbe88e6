package llm_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
)

func TestCheckerFindsWhatIsOutOfPlace(t *testing.T) {
	var (
		start  = llm.Start{}
		text   = llm.BlockStart{Block: llm.Text{}}
		image  = llm.BlockStart{Block: llm.Image{}}
		delta  = llm.Delta{Text: "a"}
		end    = llm.BlockEnd{}
		finish = llm.Finish{}
	)
	tests := []struct {
		name   string
		events []llm.Event
		wrong  int // the index of the event that is refused; -1: none
	}{
		{"an empty answer", []llm.Event{start, finish}, -1},
		{"two blocks", []llm.Event{start, text, delta, delta, end, image, end, finish}, -1},
		{"an empty block", []llm.Event{start, text, end, finish}, -1},
		{"a call", []llm.Event{start, llm.BlockStart{Block: llm.ToolCall{}}, delta, end, finish}, -1},
		{"a thought", []llm.Event{start, llm.BlockStart{Block: llm.Thinking{}}, delta, end, finish}, -1},
		{"a block before Start", []llm.Event{text}, 0},
		{"a delta before Start", []llm.Event{delta}, 0},
		{"a block's end before Start", []llm.Event{end}, 0},
		{"Finish before Start", []llm.Event{finish}, 0},
		{"two Starts", []llm.Event{start, start}, 1},
		{"a delta without a block", []llm.Event{start, delta}, 1},
		{"a block's end without a block", []llm.Event{start, end}, 1},
		{"two open blocks", []llm.Event{start, text, text}, 2},
		{"Start in a block", []llm.Event{start, text, start}, 2},
		{"Finish in a block", []llm.Event{start, text, finish}, 2},
		{"a delta in a whole block", []llm.Event{start, image, delta}, 2},
		{"a delta after a block", []llm.Event{start, text, end, delta}, 3},
		{"a block without its kind", []llm.Event{start, llm.BlockStart{}}, 1},
		{"two Finishes", []llm.Event{start, finish, finish}, 2},
		{"a block after Finish", []llm.Event{start, finish, text}, 2},
		{"a delta after Finish", []llm.Event{start, text, end, finish, delta}, 4},
		{"a nil event", []llm.Event{start, nil}, 1},
		{"a pointer to an event", []llm.Event{&start}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c llm.Checker
			for i, e := range tt.events {
				if err := c.Check(e); (err != nil) != (i == tt.wrong) {
					t.Fatalf("event %d, %T: error %v", i, e, err)
				}
			}
			if err := c.End(); tt.wrong < 0 && err != nil {
				t.Errorf("End() = %v", err)
			}
		})
	}
}

func TestOnlyFinishEndsAStream(t *testing.T) {
	var c llm.Checker
	for _, e := range []llm.Event{llm.Start{}, llm.BlockStart{Block: llm.Text{}}, llm.BlockEnd{}, llm.Finish{}} {
		if err := c.End(); !errors.Is(err, llm.ErrTruncated) {
			t.Errorf("before %T: End() = %v want ErrTruncated", e, err)
		}
		if err := c.Check(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.End(); err != nil {
		t.Errorf("after Finish: End() = %v", err)
	}
}

func TestBlockWriterPutsBordersBetweenKinds(t *testing.T) {
	delta := func(s string) llm.Delta { return llm.Delta{Text: s} }
	var w llm.BlockWriter
	got := []llm.Event{llm.Start{}}
	add := func(events []llm.Event) { got = append(got, events...) }
	add(w.Close())
	add(w.Text(llm.Thinking{}, delta("a")))
	add(w.Text(llm.Thinking{}, delta("b")))
	add(w.Text(llm.Text{}, delta("c")))
	add(w.Text(llm.Text{}, delta("d")))
	add(w.Text(llm.Text{Refusal: true}, delta("e")))
	add(w.Open(llm.ToolCall{ID: "1"}))
	add(w.Open(llm.ToolCall{ID: "1"}))
	add(w.Text(llm.Text{}, delta("f")))
	add(w.Close())
	add(w.Close())
	add(w.Text(llm.Text{}, delta("g")))
	add(w.Close())
	got = append(got, llm.Finish{})

	r := llmtest.Fold(t, llmtest.Check(t, llmtest.Of(got...)))
	want := llm.Blocks{
		llm.Thinking{Text: "ab"}, llm.Text{Text: "cd"}, llm.Text{Text: "e", Refusal: true},
		llm.ToolCall{ID: "1"}, llm.ToolCall{ID: "1"}, llm.Text{Text: "f"}, llm.Text{Text: "g"},
	}
	if !reflect.DeepEqual(r.Content, want) {
		t.Errorf("got %#v want %#v", r.Content, want)
	}
}

func TestAsErrorFindsTheErrorOrHidesTheCause(t *testing.T) {
	known := &llm.Error{Code: llm.CodeTimeout, Message: "slow", Err: errors.New("10.0.0.1: i/o timeout")}
	secret := errors.New("secret")
	if got := llm.AsError(nil); got != nil {
		t.Errorf("AsError(nil) = %v want nil", got)
	}
	if got := llm.AsError(fmt.Errorf("call: %w", known)); got != known {
		t.Errorf("AsError of a wrapped error = %v want the one inside", got)
	}
	got := llm.AsError(secret)
	if got.Code != llm.CodeInternal || got.Message == "" || got.Message == secret.Error() || !errors.Is(got, secret) {
		t.Errorf("AsError(%v) = %#v, want an internal error that keeps the cause to itself", secret, got)
	}
}

func TestErrorShowsItsCauseToTheOperator(t *testing.T) {
	cause := errors.New("cause")
	tests := []struct {
		err  *llm.Error
		want string
	}{
		{&llm.Error{Message: "m"}, "m"},
		{&llm.Error{Message: "m", Err: cause}, "m: cause"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("Error() = %q want %q", got, tt.want)
		}
		if got := errors.Unwrap(tt.err); got != tt.err.Err {
			t.Errorf("Unwrap() = %v want %v", got, tt.err.Err)
		}
	}
}
