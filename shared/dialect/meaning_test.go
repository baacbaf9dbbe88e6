package dialect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A meaning is what an answer says in whatever dialect.
type meaning struct {
	text, thinking string
	calls          []string // name and arguments
	reason         llm.FinishReason
	usage          string // totals
}

func (m meaning) String() string {
	return fmt.Sprintf("text %q\nthinking %q\ncalls %q\nreason %s\nusage %s", m.text, m.thinking, m.calls, m.reason, m.usage)
}

// meaningOf leaves aside how the answer is cut into blocks, and what only its
// own dialect can say.
func meaningOf(r *llm.Response) meaning {
	m := meaning{reason: r.Finish.Reason}
	for _, b := range r.Content {
		switch b := b.(type) {
		case llm.Text:
			m.text += b.Text
		case llm.Thinking:
			m.thinking += b.Text
		case llm.ToolCall:
			m.calls = append(m.calls, b.Name+" "+sameArguments(b.Arguments))
		default: // only its own dialect can say it
		}
	}
	if r.Finish.Usage != nil {
		m.usage = fmt.Sprintf("%d+%d", r.Finish.Usage.Prompt(), r.Finish.Usage.Output)
	}
	return m
}

// sameArguments is one text for all that mean the same JSON object. What is no
// object, as when a limit cut it off, not every dialect can carry: it is {}.
func sameArguments(arguments string) string {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(arguments), &object) != nil || object == nil {
		return "{}"
	}
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(arguments)); err != nil {
		return "{}"
	}
	return out.String()
}

// shows says for what a recording is known to show whether an answer says it.
// It was tagged by other means than by reading it with the code under test.
var shows = map[string]func(*llm.Response, meaning) bool{
	"plain-text":          func(_ *llm.Response, m meaning) bool { return m.text != "" },
	"reasoning-content":   func(_ *llm.Response, m meaning) bool { return m.thinking != "" },
	"tool-call":           func(_ *llm.Response, m meaning) bool { return len(m.calls) > 0 },
	"parallel-tool-calls": func(_ *llm.Response, m meaning) bool { return len(m.calls) > 1 },
	"max-tokens-hit":      func(_ *llm.Response, m meaning) bool { return m.reason == llm.FinishLength },
	"content-filter":      func(_ *llm.Response, m meaning) bool { return m.reason == llm.FinishContentFilter },
	"usage-in-stream":     func(_ *llm.Response, m meaning) bool { return m.usage != "" },
	"cache-read-usage":    func(r *llm.Response, _ meaning) bool { return r.Finish.Usage != nil && r.Finish.Usage.CacheRead > 0 },
	"cache-write-usage":   func(r *llm.Response, _ meaning) bool { return r.Finish.Usage != nil && r.Finish.Usage.CacheWrite > 0 },
	"stop-sequence-hit":   func(r *llm.Response, _ meaning) bool { return r.Finish.StopSequence != "" },
	"logprobs":            has(func(b llm.Text) bool { return len(b.Logprobs) > 0 }),
	"citations":           has(func(b llm.Text) bool { return len(b.Citations) > 0 }),
	"thinking-signature":  has(func(b llm.Thinking) bool { return b.Signature != "" }),
	"redacted-thinking":   has(func(llm.RedactedThinking) bool { return true }),
	"server-tool-use":     has(func(llm.Opaque) bool { return true }),
}

func has[B llm.Block](is func(B) bool) func(*llm.Response, meaning) bool {
	return func(r *llm.Response, _ meaning) bool {
		return slices.ContainsFunc(r.Content, func(b llm.Block) bool {
			one, ok := b.(B)
			return ok && is(one)
		})
	}
}

// poorer are the reasons that a dialect has no word for, with what it says
// instead.
var poorer = map[string]map[llm.FinishReason]llm.FinishReason{
	"openai":    {llm.FinishPause: llm.FinishStop},
	"responses": {llm.FinishPause: llm.FinishStop},
	"ollama":    {llm.FinishPause: llm.FinishStop, llm.FinishContentFilter: llm.FinishStop},
}

// expected is the meaning that is left in a dialect.
func (m meaning) expected(to dialecttest.Suite, got meaning) meaning {
	if reason, ok := poorer[to.Server.Name()][m.reason]; ok {
		m.reason = reason
		if len(m.calls) > 0 {
			m.reason = llm.FinishToolCalls
		}
	}
	if m.usage == "" || strings.HasSuffix(m.usage, "+0") {
		m.usage = got.usage // unknown: dialects that must say something estimate it
	}
	return m
}

// read reads a recorded answer.
func read(s dialecttest.Suite, r recorded) (*llm.Response, error) {
	if !r.stream {
		return s.Client.Whole(s.Operation, r.body)
	}
	return llm.Collect(dialect.Events(s.Frames(bytes.NewReader(r.body)), s.Client.Decoder(s.Operation)))
}

// checkMeaning writes an answer in every dialect, both ways, and compares the
// meaning. It returns the number of comparisons.
func checkMeaning(t *testing.T, said *llm.Response, from dialecttest.Suite) int {
	t.Helper()
	want, count := meaningOf(said), 0
	for _, to := range suites() {
		for _, stream := range []bool{true, false} {
			r, wire := again(t, said, to, stream)
			if r == nil {
				continue
			}
			count++
			got := meaningOf(r)
			if want := want.expected(to, got); got.String() != want.String() {
				t.Errorf("%s as %s, stream %v: got\n%s\nwant\n%s\nby\n%.3000s", from.Server.Name(), to.Server.Name(), stream, got, want, wire)
			}
		}
	}
	return count
}

// again writes an answer in a dialect and reads it back; nil where that failed.
func again(t *testing.T, said *llm.Response, to dialecttest.Suite, stream bool) (*llm.Response, []byte) {
	t.Helper()
	enc := callOf(t, to, stream).Encoder
	var wire []byte
	if stream {
		var events []llm.Event
		for e := range said.Events() {
			events = append(events, e)
		}
		wire = encoded(t, enc, events)
	} else {
		var err error
		if wire, err = enc.Whole(said); err != nil {
			t.Errorf("write as %s: %v", to.Server.Name(), err)
			return nil, nil
		}
	}
	r, err := read(to, recorded{stream: stream, body: wire})
	if err != nil {
		t.Errorf("read as %s, stream %v: %v\nby\n%.3000s", to.Server.Name(), stream, err, wire)
		return nil, nil
	}
	return r, wire
}
