package llmtest_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
)

// A witness is a test that is expected to fail.
type witness struct {
	testing.TB
	said string
}

type stopped struct{}

func (w *witness) Helper() {}

func (w *witness) Fatalf(format string, args ...any) {
	w.said = fmt.Sprintf(format, args...)
	panic(stopped{})
}

// fails returns what the test says for which f fails; empty where it passes.
func fails(t *testing.T, f func(testing.TB)) (said string) {
	w := &witness{TB: t}
	defer func() {
		if r := recover(); r != nil && r != (stopped{}) {
			panic(r)
		}
		said = w.said
	}()
	f(w)
	return ""
}

func TestCheckFailsWhereAStreamIsBroken(t *testing.T) {
	broken := errors.New("broken")
	both := func(yield func(llm.Event, error) bool) { yield(llm.Start{}, broken) }
	goesOn := func(yield func(llm.Event, error) bool) {
		_ = yield(nil, broken) && yield(llm.Start{}, nil)
	}
	tests := []struct {
		name              string
		stream            llm.Stream
		checkOK, prefixOK bool
		prefixErr         error
		prefixEvents      int
	}{
		{name: "a whole answer", stream: llmtest.Of(llm.Start{}, llm.Finish{}), checkOK: true, prefixOK: true, prefixEvents: 2},
		{name: "an error", stream: llmtest.Broken(broken, llm.Start{}), prefixOK: true, prefixErr: broken, prefixEvents: 1},
		{name: "an error after the end", stream: llmtest.Broken(broken, llm.Start{}, llm.Finish{}), prefixOK: true, prefixErr: broken, prefixEvents: 2},
		{name: "no end", stream: llmtest.Of(llm.Start{})},
		{name: "nothing", stream: llmtest.Of()},
		{name: "an event out of place", stream: llmtest.Of(llm.Start{}, llm.Delta{}, llm.Finish{})},
		{name: "an event and an error at once", stream: both},
		{name: "an event after an error", stream: goesOn},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if said := fails(t, func(tb testing.TB) { llmtest.Check(tb, tt.stream) }); (said == "") != tt.checkOK {
				t.Errorf("Check says %q", said)
			}
			said := fails(t, func(tb testing.TB) {
				events, err := llmtest.Prefix(tb, tt.stream)
				if len(events) != tt.prefixEvents || !errors.Is(err, tt.prefixErr) {
					t.Errorf("Prefix = %d events, %v want %d, %v", len(events), err, tt.prefixEvents, tt.prefixErr)
				}
			})
			if (said == "") != tt.prefixOK {
				t.Errorf("Prefix says %q", said)
			}
		})
	}
}

func TestFinishedLooksForTheEnd(t *testing.T) {
	if llmtest.Finished([]llm.Event{llm.Start{}}) || !llmtest.Finished([]llm.Event{llm.Start{}, llm.Finish{}}) {
		t.Error("Finished is wrong about a stream with an end, or about one without")
	}
}
