package ollama

import (
	"regexp"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

const (
	chatBody     = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`
	generateBody = `{"model":"m","prompt":"hi"}`
)

// encode writes r as a stream, an event at a time.
func encode(t *testing.T, operation string, events ...llm.Event) string {
	t.Helper()
	body := map[string]string{"chat": chatBody, "generate": generateBody}[operation]
	x := decode(t, operation, body).Encoder
	var out []byte
	for _, e := range events {
		var err error
		if out, err = x.Event(out, e); err != nil {
			t.Fatal(err)
		}
	}
	return string(out)
}

func events(t *testing.T, r *llm.Response) []llm.Event {
	t.Helper()
	var list []llm.Event
	for e, err := range r.Events() {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func lines(list ...string) string { return strings.Join(list, "\n") + "\n" }

func TestEncodeStream(t *testing.T) {
	full := &llm.Response{
		Content: llm.Blocks{
			llm.Thinking{Text: "Let me", Signature: "s"},
			llm.Text{Text: "<Hi>"},
			llm.ToolCall{ID: "call_1", Name: "f", Arguments: `{"b":1, "a":2}`},
			llm.ToolCall{ID: "call_2", Name: "g"},
		},
		Finish: llm.Finish{Reason: llm.FinishToolCalls, Usage: &llm.Usage{Input: 3, CacheRead: 2, Output: 4}},
	}
	tests := []struct {
		name, operation string
		events          []llm.Event
		want            string
	}{
		{
			"chat", "chat", events(t, full), lines(
				`{"model":"m","created_at":"2026-01-02T03:04:05.2Z","message":{"role":"assistant","content":"","thinking":"Let me"},"done":false}`,
				`{"model":"m","created_at":"2026-01-02T03:04:05.3Z","message":{"role":"assistant","content":"<Hi>"},"done":false}`,
				`{"model":"m","created_at":"2026-01-02T03:04:05.4Z","message":{"role":"assistant","content":"","tool_calls":[{"id":"call_1","function":{"index":0,"name":"f","arguments":{"b":1,"a":2}}}]},"done":false}`,
				`{"model":"m","created_at":"2026-01-02T03:04:05.5Z","message":{"role":"assistant","content":"","tool_calls":[{"id":"call_2","function":{"index":1,"name":"g","arguments":{}}}]},"done":false}`,
				`{"model":"m","created_at":"2026-01-02T03:04:05.7Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":500000000,"load_duration":1,"prompt_eval_count":5,"prompt_eval_duration":100000000,"eval_count":4,"eval_duration":400000000}`),
		},
		{
			"generate", "generate", events(t, full), lines(
				`{"model":"m","created_at":"2026-01-02T03:04:05.2Z","response":"","thinking":"Let me","done":false}`,
				`{"model":"m","created_at":"2026-01-02T03:04:05.3Z","response":"<Hi>","done":false}`,
				`{"model":"m","created_at":"2026-01-02T03:04:05.4Z","response":"","done":false,"tool_calls":[{"id":"call_1","function":{"index":0,"name":"f","arguments":{"b":1,"a":2}}}]}`,
				`{"model":"m","created_at":"2026-01-02T03:04:05.5Z","response":"","done":false,"tool_calls":[{"id":"call_2","function":{"index":1,"name":"g","arguments":{}}}]}`,
				`{"model":"m","created_at":"2026-01-02T03:04:05.7Z","response":"","done":true,"done_reason":"stop","total_duration":500000000,"load_duration":1,"prompt_eval_count":5,"prompt_eval_duration":100000000,"eval_count":4,"eval_duration":400000000}`),
		},
		{
			"a call that a limit has cut off", "generate",
			[]llm.Event{
				llm.Start{Usage: &llm.Usage{Input: 8}},
				llm.BlockStart{Block: llm.ToolCall{ID: "c", Name: "f"}},
				llm.Delta{Text: `{"a":`}, llm.Delta{Text: `"x`}, llm.BlockEnd{},
				llm.Finish{Reason: llm.FinishLength},
			}, lines(
				`{"model":"m","created_at":"2026-01-02T03:04:05.2Z","response":"","done":false,"tool_calls":[{"id":"c","function":{"index":0,"name":"f","arguments":{}}}]}`,
				`{"model":"m","created_at":"2026-01-02T03:04:05.4Z","response":"","done":true,"done_reason":"length","total_duration":200000000,"load_duration":1,"prompt_eval_count":8,"prompt_eval_duration":100000000,"eval_duration":100000000}`),
		},
		{
			"probabilities, and a count where none is known", "generate",
			[]llm.Event{
				llm.Start{}, llm.BlockStart{Block: llm.Text{}},
				llm.Delta{Text: "Hi", Logprobs: []llm.Logprob{{Token: "Hi", Logprob: -0.5, Bytes: []int{72, 105}, Top: []llm.Logprob{{Token: "Ho", Logprob: -1}}}}},
				llm.Delta{Citation: &llm.Citation{Dialect: "anthropic"}}, llm.Delta{},
				llm.BlockEnd{}, llm.BlockStart{Block: llm.Thinking{}}, llm.Delta{}, llm.BlockEnd{},
				llm.BlockStart{Block: llm.RedactedThinking{Data: "x"}}, llm.BlockEnd{},
				llm.Finish{Reason: llm.FinishContentFilter},
			}, lines(
				`{"model":"m","created_at":"2026-01-02T03:04:05.2Z","response":"Hi","done":false,"logprobs":[{"token":"Hi","logprob":-0.5,"bytes":[72,105],"top_logprobs":[{"token":"Ho","logprob":-1}]}]}`,
				`{"model":"m","created_at":"2026-01-02T03:04:05.4Z","response":"","done":true,"done_reason":"stop","total_duration":200000000,"load_duration":1,"prompt_eval_duration":100000000,"eval_count":1,"eval_duration":100000000}`),
		},
		{
			"an empty answer", "chat", events(t, &llm.Response{Finish: llm.Finish{Reason: llm.FinishStop}}), lines(
				`{"model":"m","created_at":"2026-01-02T03:04:05.3Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":100000000,"load_duration":1,"prompt_eval_duration":1,"eval_duration":100000000}`),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := encode(t, tt.operation, tt.events...); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestEncodeWhole(t *testing.T) {
	r := &llm.Response{
		Content: llm.Blocks{
			llm.Thinking{Text: "Let me "}, llm.Thinking{Text: "see"},
			llm.Text{Text: "Hel", Logprobs: []llm.Logprob{{Token: "Hel"}}}, llm.Text{Text: "lo", Logprobs: []llm.Logprob{{Token: "lo"}}},
			llm.ToolCall{ID: "c", Name: "f", Arguments: `[1]`},
		},
		Finish: llm.Finish{Reason: llm.FinishStop, Usage: &llm.Usage{Input: 3, Output: 4}},
	}
	const (
		head    = `{"model":"m","created_at":"2026-01-02T03:04:05.3Z",`
		calls   = `"tool_calls":[{"id":"c","function":{"index":0,"name":"f","arguments":{}}}]`
		probs   = `"logprobs":[{"token":"Hel","logprob":0},{"token":"lo","logprob":0}],`
		metrics = `"total_duration":100000000,"load_duration":1,"prompt_eval_count":3,"prompt_eval_duration":1,"eval_count":4,"eval_duration":100000000}`
	)
	tests := []struct{ operation, body, want string }{
		{"chat", chatBody, head + `"message":{"role":"assistant","content":"Hello","thinking":"Let me see",` + calls + `},"done":true,"done_reason":"stop",` + probs + metrics},
		{"generate", generateBody, head + `"response":"Hello","thinking":"Let me see","done":true,"done_reason":"stop",` + calls + `,` + probs + metrics},
	}
	for _, tt := range tests {
		t.Run(tt.operation, func(t *testing.T) {
			got, err := decode(t, tt.operation, tt.body).Encoder.Whole(r)
			if err != nil || string(got) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

func TestEncodeGivesCallsAnID(t *testing.T) {
	got := encode(t, "chat", llm.BlockStart{Block: llm.ToolCall{Name: "f"}}, llm.BlockEnd{})
	if !regexp.MustCompile(`"id":"call_[a-z0-9]{8}"`).MatchString(got) {
		t.Errorf("got %s, want an id", got)
	}
}

func TestRestartForgetsTheFirstAttempt(t *testing.T) {
	x := decode(t, "chat", chatBody).Encoder
	call := []llm.Event{llm.Start{Usage: &llm.Usage{Input: 9}}, llm.BlockStart{Block: llm.ToolCall{ID: "c", Name: "f"}}, llm.Delta{Text: `{"x":1}`}}
	for _, e := range append(call, llm.BlockEnd{}) {
		if _, err := x.Event(nil, e); err != nil {
			t.Fatal(err)
		}
	}
	x = x.Restart()
	var out []byte
	for _, e := range []llm.Event{llm.BlockStart{Block: llm.ToolCall{ID: "d", Name: "g"}}, llm.BlockEnd{}, llm.Finish{}} {
		out, _ = x.Event(out, e)
	}
	if !strings.Contains(string(out), `{"id":"d","function":{"index":0,"name":"g","arguments":{}}}`) || strings.Contains(string(out), "prompt_eval_count") {
		t.Errorf("got %s, want a call with index 0 and no count from before", out)
	}
}

func TestFraming(t *testing.T) {
	f := (Server{}).Framing("chat")
	if f.ContentType != "application/x-ndjson" || len(f.KeepAlive) != 0 {
		t.Errorf("got %+v, want lines of JSON and no keep-alive", f)
	}
	got := string(f.Error(&llm.Error{Code: llm.CodeInterrupted, Message: `it "broke"`}))
	if want := `{"error":"it \"broke\""}` + "\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
