// Package llmtest helps tests to look at streams of package llm: it says
// where one is not well formed, and makes small ones.
package llmtest

import (
	"errors"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

// Check ranges over s to its end and returns the events. It ends the test
// where the stream is not well formed or yields an error.
func Check(tb testing.TB, s llm.Stream) []llm.Event {
	tb.Helper()
	events, err := Prefix(tb, s)
	if err != nil {
		tb.Fatalf("after %d events the stream failed: %v", len(events), err)
	}
	return events
}

// Prefix ranges over s and returns the events before its error, and the error;
// nil after a whole answer. It ends the test where the events are out of place,
// where anything follows the error, and where neither an error nor the end of
// the answer comes.
func Prefix(tb testing.TB, s llm.Stream) ([]llm.Event, error) {
	tb.Helper()
	var c llm.Checker
	var events []llm.Event
	var failed error
	for e, err := range s {
		switch {
		case failed != nil:
			tb.Fatalf("the stream goes on after its error %q with %T, %v", failed, e, err)
		case err != nil && e != nil:
			tb.Fatalf("the stream yields %T and the error %q at once", e, err)
		case err != nil:
			failed = err
			continue
		}
		if err := c.Check(e); err != nil {
			tb.Fatalf("event %d: %v", len(events), err)
		}
		events = append(events, e)
	}
	if failed == nil && c.End() != nil {
		tb.Fatalf("after %d events the stream ends, without Finish and without an error", len(events))
	}
	return events, failed
}

// Finished says whether a [llm.Finish] is among the events.
func Finished(events []llm.Event) bool {
	for _, e := range events {
		if _, ok := e.(llm.Finish); ok {
			return true
		}
	}
	return false
}

// Of returns a stream of the events.
func Of(events ...llm.Event) llm.Stream { return Broken(nil, events...) }

// Broken returns a stream of the events that then fails with err, unless err
// is nil.
func Broken(err error, events ...llm.Event) llm.Stream {
	return func(yield func(llm.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// Fold is [llm.Collect] of the events, which must be a whole answer.
func Fold(tb testing.TB, events []llm.Event) *llm.Response {
	tb.Helper()
	r, err := llm.Collect(Of(events...))
	if err != nil {
		tb.Fatalf("fold %d events: %v", len(events), err)
	}
	return r
}

// Text writes the events as lines of JSON, for comparing and for showing what
// differs.
func Text(tb testing.TB, events []llm.Event) string {
	tb.Helper()
	var out []byte
	var problems error
	for _, e := range events {
		var err error
		out, err = llm.AppendEvent(out, e)
		problems = errors.Join(problems, err)
	}
	if problems != nil {
		tb.Fatalf("write events: %v", problems)
	}
	return string(out)
}
