package openai

import (
	"errors"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestDecoderReads(t *testing.T) {
	const done = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	tests := []struct {
		name   string
		frames []string
		want   string
	}{
		{"text, whose role is said each time", deltas(`{"role":"assistant","content":""}`, `{"role":"assistant","content":"a"}`, `{"role":"assistant","content":"b"}`),
			`start(c1 m) text("a""b") finish(stop stop)`},
		{"nothing at all, said properly", deltas(), `start(c1 m) finish(stop stop)`},
		{"thoughts under either name, or both", deltas(`{"reasoning_content":"a"}`, `{"reasoning":"b"}`, `{"reasoning_content":"c","reasoning":"c"}`, `{"content":"d"}`),
			`start(c1 m) thinking("a""b""c") text("d") finish(stop stop)`},
		{"thoughts in detail, with a signature", deltas(`{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","signature":""}]}`, `{"reasoning_details":[{"type":"reasoning.text","signature":"S"}]}`, `{"reasoning_content":"b"}`, `{"reasoning_details":[{"type":"reasoning.encrypted","data":"D"}]}`),
			`start(c1 m) thinking("a"S) thinking("b") {Data:D}() finish(stop stop)`},
		{"content in parts", deltas(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]}]}`, `{"content":[{"type":"text","text":"b"}]}`),
			`start(c1 m) thinking("a") text("b") finish(stop stop)`},
		{"a refusal apart from text", deltas(`{"content":"a"}`, `{"refusal":"b"}`), `start(c1 m) text("a") refusal("b") finish(stop stop)`},
		{"a call in pieces, though the reason is stop", deltas(`{"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":""}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}`),
			`start(c1 m) call:x:f("{\"a\""":1}") finish(tool_calls stop)`},
		{"calls without index and without ids", deltas(`{"tool_calls":[{"function":{"name":"f","arguments":"{}"}},{"function":{"name":"f","arguments":"{}"}}]}`),
			`start(c1 m) call:call_NEW:f("{}") call:call_NEW:f("{}") finish(tool_calls stop)`},
		{"calls that all have index 0", deltas(`{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}]}`, `{"tool_calls":[{"index":0,"id":"y","function":{"name":"f","arguments":"{\"a\":"}}]}`, `{"tool_calls":[{"index":0,"id":"y","function":{"arguments":"1}"}}]}`),
			`start(c1 m) call:x:f("{}") call:y:f("{\"a\":""1}") finish(tool_calls stop)`},
		{"calls that all have the same id", deltas(`{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}]}`, `{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"a\":1}"}}]}`),
			`start(c1 m) call:x:f("{}") call:x:f("{\"a\":1}") finish(tool_calls stop)`},
		{"a call whose name is repeated", deltas(`{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"a\""}}]}`, `{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":":1}"}}]}`, `{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}`),
			`start(c1 m) call:x:f("{\"a\""":1}") finish(tool_calls stop)`},
		{"arguments as an object", deltas(`{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":{"b": 1, "a": 2}}}]}`),
			`start(c1 m) call:x:f("{\"b\":1,\"a\":2}") finish(tool_calls stop)`},
		{"interleaved calls one behind the other", deltas(
			`{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"a\""}},{"index":1,"id":"y","function":{"name":"g","arguments":"{\"b\""}}]}`,
			`{"tool_calls":[{"index":1,"function":{"arguments":":2"}}]}`, `{"content":"t"}`, `{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}`, `{"tool_calls":[{"index":1,"function":{"arguments":"}"}}]}`),
			`start(c1 m) call:x:f("{\"a\""":1}") call:y:g("{\"b\""":2""}") text("t") finish(tool_calls stop)`},
		{"the old form of a call", deltas(`{"function_call":{"name":"f","arguments":""}}`, `{"function_call":{"arguments":"{}"}}`),
			`start(c1 m) call:call_NEW:f("{}") finish(tool_calls stop)`},
		{"no call where its fields are empty", deltas(`{"content":"a","function_call":{"name":"","arguments":""}}`), `start(c1 m) text("a") finish(stop stop)`},
		{"length, which no call overrides", []string{`{"choices":[{"delta":{"tool_calls":[{"id":"x","function":{"name":"f","arguments":"{\"a"}}]},"finish_reason":"length"}]}`, "[DONE]"},
			`start( ) call:x:f("{\"a") finish(length length)`},
		{"the first of several reasons", []string{`{"choices":[{"delta":{"content":"a"},"finish_reason":"length"}]}`, done, "[DONE]"}, `start( ) text("a") finish(length length)`},
		{"the last usage of many", []string{`{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}`, done, `{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":4}}}`, "[DONE]"},
			`start( ) text("a") finish(stop stop {Input:5 CacheRead:3 CacheWrite:2 Output:5 Reasoning:4})`},
		{"thoughts that are counted apart, and odd numbers", []string{done, `{"usage":{"prompt_tokens":"10","completion_tokens":5.0,"total_tokens":22,"prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":7}}}`, "[DONE]"},
			`start( ) finish(stop stop {Input:10 CacheRead:0 CacheWrite:0 Output:12 Reasoning:7})`},
		{"log probabilities", []string{`{"choices":[{"delta":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}]}}]}`, done, "[DONE]"},
			`start( ) text("a"[a -0.5]) finish(stop stop)`},
		{"the first of several answers", []string{`{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"length"},{"index":0,"delta":{"content":"a"}}]}`, done, "[DONE]"},
			`start( ) text("a") finish(stop stop)`},
		{"a start that comes late, and null", []string{`{"id":"","choices":[]}`, `{"id":"c","model":"m","choices":[{"delta":null}]}`, `{"choices":null}`, done, "[DONE]", done},
			`start(c m) finish(stop stop)`},
		{"no reason but the end", []string{`{"choices":[{"delta":{"content":"a"},"finish_reason":""}]}`, "[DONE]"}, `start( ) text("a") finish(stop )`},
		{"a reason but no [DONE]", []string{`{"choices":[{"delta":{"content":"a"},"finish_reason":"eos"}]}`}, `start( ) text("a") finish(stop eos)`},
		{"runes that are cut in two", deltas("{\"content\":\"a\xf0\x9f\"}", "{\"content\":\"\x8e\x89b\"}", `{"content":"c\ud83c"}`, `{"content":"\udf89"}`, `{"reasoning":"d\ud83c"}`),
			`start(c1 m) text("a""🎉b""c""🎉") thinking("d""�") finish(stop stop)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			events, err := read(sse(tt.frames...))
			if err != nil {
				t.Fatal(err)
			}
			check(t, events)
			if got := describe(events); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestDecoderFails(t *testing.T) {
	const begun = `{"choices":[{"delta":{"content":"a"}}]}`
	tests := []struct {
		name   string
		frames []string
		want   llm.Code // empty: the answer ends too soon
	}{
		{"on an error object", []string{begun, `{"error":{"message":"m","code":400}}`, "[DONE]"}, llm.CodeInvalid},
		{"on an error of no kind", []string{begun, `{"error":"boom"}`}, llm.CodeUpstream},
		{"on an error beside choices", []string{`{"error":{"message":"m","code":"insufficient_quota"},"choices":[{"delta":{}}]}`}, llm.CodeUpstreamBill},
		{"on an error within a choice", []string{`{"choices":[{"delta":{},"error":{"message":"m","code":429}}]}`}, llm.CodeRateLimited},
		{"on an error as finish reason", []string{begun, `{"choices":[{"delta":{},"finish_reason":"error"}]}`, "[DONE]"}, llm.CodeUpstream},
		{"on an old error of vLLM", []string{`{"object":"error","message":"m","code":400}`}, llm.CodeInvalid},
		{"on broken JSON", []string{begun, `{"choices":[{`, "[DONE]"}, llm.CodeUpstream},
		{"on an end without a reason", []string{begun}, ""},
		{"on an empty stream", []string{"[DONE]"}, ""},
		{"on no stream", nil, ""},
		{"on a call without a name", []string{`{"choices":[{"delta":{"tool_calls":[{"id":"x","function":{"arguments":"{}"}}]},"finish_reason":"stop"}]}`, "[DONE]"}, llm.CodeUpstream},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			events, err := read(sse(tt.frames...))
			if err == nil {
				t.Fatalf("got %s, want an error", describe(events))
			}
			var got llm.Code
			if e, ok := errors.AsType[*llm.Error](err); ok {
				got = e.Code
			}
			if got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
	if _, err := read(sse(begun)); !errors.Is(err, llm.ErrTruncated) {
		t.Errorf("got %v, want %v", err, llm.ErrTruncated)
	}
}

// Calls must be written through as they come, not only when all is over.
func TestDecoderDoesNotHoldBackTheOpenCall(t *testing.T) {
	d := Client{}.Decoder(chatCompletions)
	frames := deltas(`{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{"}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}`, `{"tool_calls":[{"index":1,"id":"y","function":{"name":"g","arguments":"{"}}]}`)
	want := []string{`start(c1 m) call:x:f("{"`, `"}"`, `) call:y:g("{"`}
	for i, w := range want {
		events, err := d.Step(frameOf(frames[i]))
		if got := describe(events); err != nil || got != w {
			t.Errorf("step %d: got %s, %v, want %s", i, got, err, w)
		}
	}
}

func TestEncoderWritesChunks(t *testing.T) {
	const head = `data: {"id":"chatcmpl-a1","object":"chat.completion.chunk","created":1700000000,"model":"alias","choices":[`
	usage := &llm.Usage{Input: 7, CacheRead: 4, Output: 9}
	tests := []struct {
		name   string
		answer chatAnswer
		in     llm.Response
		want   []string // deltas, then the finish reason
	}{
		{"text", chatAnswer{}, llm.Response{Content: llm.Blocks{text("Hel"), text("lo")}, Finish: llm.Finish{Reason: llm.FinishStop}},
			[]string{`{"role":"assistant","content":"","refusal":null}`, `{"content":"Hel"}`, `{"content":"lo"}`, "stop"}},
		{"two calls", chatAnswer{}, llm.Response{Content: llm.Blocks{llm.ToolCall{ID: "call_1", Name: "f", Arguments: `{"a":1}`}, llm.ToolCall{ID: "call_2", Name: "g"}}, Finish: llm.Finish{Reason: llm.FinishStop}},
			[]string{`{"role":"assistant","content":null,"refusal":null}`,
				`{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}`,
				`{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}`,
				`{"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":""}}]}`,
				`{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}`, "tool_calls"}},
		{"thoughts", chatAnswer{}, llm.Response{Content: llm.Blocks{llm.Thinking{Text: "Let me", Signature: "S"}, llm.RedactedThinking{Data: "D"}, text("Hi")}, Finish: llm.Finish{Reason: llm.FinishLength}},
			[]string{`{"role":"assistant","content":null,"refusal":null}`, `{"reasoning_content":"Let me"}`,
				`{"reasoning_details":[{"type":"reasoning.text","signature":"S","index":0}]}`, `{"reasoning_details":[{"type":"reasoning.encrypted","data":"D","index":1}]}`, `{"content":"Hi"}`, "length"}},
		{"a refusal", chatAnswer{}, llm.Response{Content: llm.Blocks{llm.Text{Text: "No", Refusal: true}}, Finish: llm.Finish{Reason: llm.FinishContentFilter}},
			[]string{`{"role":"assistant","content":"","refusal":null}`, `{"refusal":"No"}`, "content_filter"}},
		{"nothing, and what others cannot read", chatAnswer{}, llm.Response{Content: llm.Blocks{llm.Opaque{Dialect: "other"}}, Finish: llm.Finish{Reason: llm.FinishPause}},
			[]string{`{"role":"assistant","content":null,"refusal":null}`, "stop"}},
		{"the old form of a call", chatAnswer{legacy: true}, llm.Response{Content: llm.Blocks{llm.ToolCall{ID: "x", Name: "f", Arguments: "{}"}, llm.ToolCall{ID: "y", Name: "g"}}, Finish: llm.Finish{Reason: llm.FinishToolCalls}},
			[]string{`{"role":"assistant","content":null,"refusal":null}`, `{"function_call":{"name":"f","arguments":""}}`, `{"function_call":{"arguments":"{}"}}`, "function_call"}},
	}
	for _, tt := range tests {
		for _, withUsage := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				tt.answer.model, tt.answer.usage = "alias", withUsage
				tt.in.ID, tt.in.Created, tt.in.Finish.Usage = "chatcmpl-a1", created, usage
				end := "}\n\n"
				if withUsage {
					end = `,"usage":null}` + "\n\n"
				}
				var want strings.Builder
				for i, d := range tt.want {
					choice := `{"index":0,"delta":` + d + `,"logprobs":null,"finish_reason":null}]`
					if i == len(tt.want)-1 {
						choice = `{"index":0,"delta":{},"logprobs":null,"finish_reason":"` + d + `"}]`
					}
					want.WriteString(head + choice + end)
				}
				if withUsage {
					want.WriteString(head + `],"usage":{"prompt_tokens":11,"completion_tokens":9,"total_tokens":20,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":0}}}` + "\n\n")
				}
				want.WriteString("data: [DONE]\n\n")
				got := encodeAll(t, &chatEncoder{chatAnswer: tt.answer}, &tt.in)
				if got != want.String() {
					t.Errorf("got\n%s\nwant\n%s", got, want.String())
				}
			})
		}
	}
}

func TestEncoderWritesLogprobs(t *testing.T) {
	in := &llm.Response{Content: llm.Blocks{llm.Text{Text: "a", Logprobs: []llm.Logprob{{Token: "a", Logprob: -1, Top: []llm.Logprob{{Token: "b", Logprob: -2}}}, {Token: "c"}}}}}
	got := encodeAll(t, &chatEncoder{}, in)
	want := `"logprobs":{"content":[{"token":"a","logprob":-1,"bytes":null,"top_logprobs":[{"token":"b","logprob":-2,"bytes":null}]},{"token":"c","logprob":0,"bytes":null,"top_logprobs":[]}],"refusal":null}`
	if !strings.Contains(got, want) {
		t.Errorf("got %s, want it to have %s", got, want)
	}
}

func TestEncoderStartsOver(t *testing.T) {
	in := &llm.Response{ID: "x", Created: created, Content: llm.Blocks{llm.ToolCall{ID: "c", Name: "f"}}}
	e := &chatEncoder{chatAnswer: chatAnswer{model: "m"}}
	first := encodeAll(t, e, in)
	if again := encodeAll(t, e.Restart(), in); again != first {
		t.Errorf("got\n%s\nwant\n%s", again, first)
	}
}

func TestEncoderMakesUpIDs(t *testing.T) {
	first := encodeAll(t, &chatEncoder{}, &llm.Response{Content: llm.Blocks{llm.ToolCall{Name: "f"}}})
	if !strings.Contains(first, `"id":"chatcmpl-`) || !strings.Contains(first, `"id":"call_`) || strings.Contains(first, `"created":-`) {
		t.Errorf("got %s, want ids and a time", first)
	}
}
