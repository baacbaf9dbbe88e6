package ollama

import (
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// stream decodes what r holds, as far as it goes.
func stream(t *testing.T, r io.Reader) ([]llm.Event, error) {
	t.Helper()
	var list []llm.Event
	var check llm.Checker
	for e, err := range dialect.Events(frame.NDJSON(r), Client{}.Decoder("chat")) {
		if err != nil {
			return list, err
		}
		if err := check.Check(e); err != nil {
			t.Fatalf("the stream is not well formed: %v", err)
		}
		list = append(list, e)
	}
	if err := check.End(); err != nil {
		t.Fatalf("the stream ended without an error after %d events: %v", len(list), err)
	}
	return list, nil
}

// chatLines is an answer with all that one may hold.
var chatLines = lines(
	`{"model":"m","created_at":"2026-01-02T03:04:05Z","message":{"role":"assistant","content":"","thinking":"Let"},"done":false}`,
	`{"model":"m","created_at":"2026-01-02T03:04:05Z","message":{"role":"assistant","content":"H€","thinking":" me"},"done":false,"logprobs":[{"token":"H€","logprob":-1,"top_logprobs":[{"token":"Ho","logprob":-2}]}]}`,
	``,
	`{"model":"m","created_at":"2026-01-02T03:04:05Z","message":{"role":"assistant","content":"i","tool_calls":[{"id":"c1","function":{"index":5,"name":"f","arguments":{"z": 1, "a": {}}}},{"id":"c2","function":{"index":5,"name":"g"}}]},"done":false}`,
	`{"model":"m","created_at":"2026-01-02T03:04:05Z","message":{"role":"assistant","content":"!"},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":4}`,
)

const chatEvents = `[{"start":{"model":"m","created":"2026-01-02T03:04:05Z"}},` +
	`{"block_start":{"thinking":{"text":""}}},{"delta":{"text":"Let"}},{"delta":{"text":" me"}},{"block_end":{}},` +
	`{"block_start":{"text":{"text":""}}},{"delta":{"text":"H€","logprobs":[{"token":"H€","logprob":-1,"top":[{"token":"Ho","logprob":-2}]}]}},{"delta":{"text":"i"}},{"block_end":{}},` +
	`{"block_start":{"tool_call":{"id":"c1","name":"f"}}},{"delta":{"text":"{\"z\":1,\"a\":{}}"}},{"block_end":{}},` +
	`{"block_start":{"tool_call":{"id":"c2","name":"g"}}},{"block_end":{}},` +
	`{"block_start":{"text":{"text":""}}},{"delta":{"text":"!"}},{"block_end":{}},` +
	`{"finish":{"reason":"tool_calls","raw":"stop","usage":{"input":3,"output":4}}}]`

func asJSON(t *testing.T, list []llm.Event) string {
	t.Helper()
	var out []string
	for _, e := range list {
		line, err := llm.AppendEvent(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimSuffix(string(line), "\n"))
	}
	return "[" + strings.Join(out, ",") + "]"
}

func TestDecodeStream(t *testing.T) {
	const start = `[{"start":{"model":"m"}},`
	const hi = `{"block_start":{"text":{"text":""}}},{"delta":{"text":"hi"}},{"block_end":{}},`
	tests := []struct{ name, in, want string }{
		{"all that a chat may hold", chatLines, chatEvents},
		{"without the last newline", strings.TrimSuffix(chatLines, "\n"), chatEvents},
		{"and nothing after the end", chatLines + "{\"error\":\"x\"}\nnot JSON\n", chatEvents},
		{
			"generate", lines(`{"model":"m","response":"","thinking":"t","done":false}`, `{"model":"m","response":"hi","done":true,"done_reason":"length","context":[1],"eval_count":1}`),
			start + `{"block_start":{"thinking":{"text":""}}},{"delta":{"text":"t"}},{"block_end":{}},` + hi + `{"finish":{"reason":"length","raw":"length","usage":{"input":0,"output":1}}}]`,
		},
		{
			"a call that a limit has cut off stays cut off", lines(`{"model":"m","message":{"content":"","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":1}"}}]},"done":true,"done_reason":"length"}`),
			start + `{"block_start":{"tool_call":{"id":"c","name":"f"}}},{"delta":{"text":"{\"a\":1}"}},{"block_end":{}},{"finish":{"reason":"length","raw":"length"}}]`,
		},
		{
			"arguments that are no object", lines(`{"model":"m","message":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":[1]}}]}}`, `{"done":true}`),
			start + `{"block_start":{"tool_call":{"id":"c","name":"f"}}},{"delta":{"text":"{}"}},{"block_end":{}},{"finish":{"reason":"tool_calls"}}]`,
		},
		{"a model that is loaded", lines(`{"model":"m","created_at":"never","message":{"role":"assistant","content":""},"done_reason":"load","done":true,"error":""}`), start + `{"finish":{"reason":"stop","raw":"load"}}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := stream(t, strings.NewReader(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if got := asJSON(t, list); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestDecodeStreamFails(t *testing.T) {
	const first = `{"model":"m","message":{"content":"hi"},"done":false}`
	tests := []struct {
		name, in string
		code     llm.Code
		want     string
	}{
		{"at once", lines(`{"error":"server busy, please try again.  maximum pending requests exceeded"}`), llm.CodeOverloaded, busyText},
		{"in the middle", lines(first, `{"error":"an error was encountered while running the model: unexpected EOF"}`), llm.CodeUpstream, "an error was encountered while running the model: unexpected EOF"},
		{"with an object", lines(first, `{"error":{"message":"x"}}`), llm.CodeUpstream, "x"},
		{"with an end in the same line", lines(first, `{"done":true,"error":"x"}`), llm.CodeUpstream, "x"},
		{"with something else", lines(first, `{"error":true}`), llm.CodeUpstream, "the upstream answered with status 500"},
		{"with a line that is no JSON", lines(first, `<html>`), llm.CodeUpstream, "the upstream's answer could not be read"},
		{"with half a line", first + "\n" + first[:20], llm.CodeUpstream, "the upstream's answer could not be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := stream(t, strings.NewReader(tt.in))
			e, ok := errors.AsType[*llm.Error](err)
			if !ok || e.Code != tt.code || e.Message != tt.want {
				t.Errorf("got  %v\nwant %s: %s", err, tt.code, tt.want)
			}
		})
	}
	if _, err := stream(t, strings.NewReader(first)); !errors.Is(err, llm.ErrTruncated) {
		t.Errorf("got %v for a stream without its last line, want %v", err, llm.ErrTruncated)
	}
}

func TestDecodeGivesCallsAnID(t *testing.T) {
	list, err := stream(t, strings.NewReader(`{"message":{"tool_calls":[{"function":{"name":"f"}},{"function":{"name":"f"}}]},"done":true}`))
	if err != nil {
		t.Fatal(err)
	}
	ids := regexp.MustCompile(`"id":"call_[a-z0-9]{8}"`).FindAllString(asJSON(t, list), -1)
	if len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("got ids %v, want two different ones", ids)
	}
}

func TestDecodeWhole(t *testing.T) {
	tests := []struct{ name, operation, body, want string }{
		{
			"chat", "chat", `{"model":"m","message":{"content":"hi","thinking":"t","tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a":1}}}]},"done":true,"done_reason":"stop","eval_count":2}`,
			`{"ID":"","Model":"m","Created":"0001-01-01T00:00:00Z","Content":[{"thinking":{"text":"t"}},{"text":{"text":"hi"}},{"tool_call":{"id":"c","name":"f","arguments":"{\"a\":1}"}}],"Finish":{"reason":"tool_calls","raw":"stop","usage":{"input":0,"output":2}}}`,
		},
		{
			"generate", "generate", ` { "model": "m", "response": "hi", "done": true, "done_reason": "" } `,
			`{"ID":"","Model":"m","Created":"0001-01-01T00:00:00Z","Content":[{"text":{"text":"hi"}}],"Finish":{"reason":"stop"}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Client{}.Whole(tt.operation, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := rawjson.Marshal(r); string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	if r, err := (Client{}).Whole("chat", []byte(`{"message":{"content":"hi"},"done":false}`)); !errors.Is(err, llm.ErrTruncated) {
		t.Errorf("got %v, %v for an answer that is not done; want %v", r, err, llm.ErrTruncated)
	}
	if r, err := (Client{}).Whole("chat", []byte(`{"message":{"content":"hi"}}`)); llm.AsError(err) == nil || llm.AsError(err).Code != llm.CodeUpstream {
		t.Errorf("got %v, %v for what may be no answer at all; want it not to be read", r, err)
	}
	_, err := Client{}.Whole("chat", []byte(`{"error":"model 'm' not found"}`))
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Message != "model 'm' not found" {
		t.Errorf("got %v for an error with status 200, want it as an error", err)
	}
}

// pieces reads a text in pieces of random sizes.
type pieces struct {
	text string
	rand *rand.Rand
}

func (p *pieces) Read(buf []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(buf, p.text[:min(1+p.rand.IntN(9), len(p.text))])
	p.text = p.text[n:]
	return n, nil
}

func TestSplitsOfTheStreamDoNotMatter(t *testing.T) {
	want, err := stream(t, strings.NewReader(chatLines))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(200) {
		got, err := stream(t, &pieces{text: chatLines, rand: rand.New(rand.NewPCG(seed, 0))})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: got %s, %v\nwant %s", seed, asJSON(t, got), err, asJSON(t, want))
		}
	}
}

func TestABrokenConnectionNeverFinishes(t *testing.T) {
	broken := errors.New("connection reset")
	for n := range len(chatLines) {
		in := io.MultiReader(strings.NewReader(chatLines[:n]), iotest.ErrReader(broken))
		list, err := stream(t, in)
		if !errors.Is(err, broken) {
			t.Fatalf("cut at %d: got %v, want %v", n, err, broken)
		}
		if got := asJSON(t, list); strings.Contains(got, "finish") {
			t.Fatalf("cut at %d: got %s, want no finish", n, got)
		}
	}
}

func TestACutStreamNeverFinishes(t *testing.T) {
	last := len(chatLines) - 1 // only the newline may be missing
	for n := range last {
		if list, err := stream(t, strings.NewReader(chatLines[:n])); err == nil {
			t.Fatalf("cut at %d: got %s, want an error", n, asJSON(t, list))
		}
	}
}
