package openai

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

// describe spells events in short: start(id model) text("a" "b") finish(stop).
func describe(events []llm.Event) string {
	var out strings.Builder
	for _, e := range events {
		switch e := e.(type) {
		case llm.Start:
			fmt.Fprintf(&out, "start(%s %s)", e.ID, e.Model)
		case llm.BlockStart:
			out.WriteString(" " + describeBlock(e.Block) + "(")
		case llm.Delta:
			fmt.Fprintf(&out, "%q", e.Text)
			for _, p := range e.Logprobs {
				fmt.Fprintf(&out, "[%s %g]", p.Token, p.Logprob)
			}
		case llm.BlockEnd:
			out.WriteString(e.Signature + ")")
		case llm.Finish:
			fmt.Fprintf(&out, " finish(%s %s", e.Reason, e.Raw)
			if e.Usage != nil {
				fmt.Fprintf(&out, " %+v", *e.Usage)
			}
			out.WriteString(")")
		}
	}
	return generated.ReplaceAllString(out.String(), "call_NEW")
}

var generated = regexp.MustCompile(`call_[A-Z2-7]{26}`)

func describeBlock(b llm.Block) string {
	switch b := b.(type) {
	case llm.Text:
		if b.Refusal {
			return "refusal"
		}
		return "text"
	case llm.Thinking:
		return "thinking"
	case llm.ToolCall:
		return "call:" + b.ID + ":" + b.Name
	default:
		return fmt.Sprintf("%+v", b)
	}
}

// read decodes a stream to its end or to its error.
func read(r io.Reader) ([]llm.Event, error) {
	var events []llm.Event
	for e, err := range dialect.Events(frame.SSE(r), Client{}.Decoder(chatCompletions)) {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

// check fails the test when events are not a well-formed answer.
func check(t *testing.T, events []llm.Event) {
	t.Helper()
	var c llm.Checker
	for i, e := range events {
		if err := c.Check(e); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	if err := c.End(); err != nil {
		t.Fatal(err)
	}
}

// recorded returns the folders of the recorded exchanges, which lie beside the
// project.
func recorded(t testing.TB) []string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, miss := os.Stat(filepath.Join(dir, "go.work")); miss == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Skip("no go.work above this folder, so no recorded exchanges either")
		}
		dir = filepath.Dir(dir)
	}
	root := filepath.Join(dir, "..", "shared", "fixtures", "openai-chat")
	var cases []string
	for _, pattern := range []string{"*", "errors/*"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern, "meta.json"))
		for _, meta := range found {
			cases = append(cases, filepath.Dir(meta))
		}
	}
	if len(cases) == 0 {
		t.Skip("the recorded exchanges are not there: ", root)
	}
	return cases
}

// sse frames each payload as an event.
func sse(payloads ...string) io.Reader {
	var out bytes.Buffer
	for _, p := range payloads {
		fmt.Fprintf(&out, "data: %s\n\n", p)
	}
	return &out
}

// deltas makes chunks of the given deltas, then a finish and the end.
func deltas(list ...string) []string {
	var out []string
	for _, d := range list {
		out = append(out, `{"id":"c1","model":"m","choices":[{"index":0,"delta":`+d+`,"finish_reason":null}]}`)
	}
	return append(out, `{"id":"c1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, "[DONE]")
}
