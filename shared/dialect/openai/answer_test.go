package openai

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

var created = time.Unix(1700000000, 0).UTC()

func frameOf(data string) frame.Frame { return frame.Frame{Data: []byte(data)} }

func encodeAll(t *testing.T, e dialect.Encoder, r *llm.Response) string {
	t.Helper()
	var out []byte
	for event, err := range r.Events() {
		if err == nil {
			out, err = e.Event(out, event)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return string(out)
}

func TestWholeWrites(t *testing.T) {
	const head = `{"id":"chatcmpl-a1","object":"chat.completion","created":1700000000,"model":"alias","choices":[{"index":0,"message":`
	const tail = `}],"usage":{"prompt_tokens":11,"completion_tokens":9,"total_tokens":20,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}`
	tests := []struct {
		name   string
		legacy bool
		blocks llm.Blocks
		reason llm.FinishReason
		want   string
	}{
		{"text", false, llm.Blocks{text("a"), text("b")}, llm.FinishStop,
			`{"role":"assistant","content":"ab","refusal":null},"logprobs":null,"finish_reason":"stop"`},
		{"nothing", false, nil, llm.FinishLength, `{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":"length"`},
		{"calls only", false, llm.Blocks{llm.ToolCall{ID: "call_1", Name: "f", Arguments: `{"a":"<b>"}`}, llm.ToolCall{ID: "call_2", Name: "g"}}, llm.FinishStop,
			`{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":\"<b>\"}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls"`},
		{"thoughts", false, llm.Blocks{llm.Thinking{Text: "Hm", Signature: "S"}, llm.RedactedThinking{Data: "D"}, text("Hi")}, llm.FinishStop,
			`{"role":"assistant","content":"Hi","refusal":null,"reasoning_content":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm","signature":"S","index":0},{"type":"reasoning.encrypted","data":"D","index":1}]},"logprobs":null,"finish_reason":"stop"`},
		{"a refusal with log probabilities", false, llm.Blocks{llm.Text{Text: "No", Refusal: true, Logprobs: []llm.Logprob{{Token: "No", Bytes: []int{78, 111}}}}}, llm.FinishStop,
			`{"role":"assistant","content":null,"refusal":"No"},"logprobs":{"content":null,"refusal":[{"token":"No","logprob":0,"bytes":[78,111],"top_logprobs":[]}]},"finish_reason":"stop"`},
		{"the old form of a call", true, llm.Blocks{llm.ToolCall{ID: "x", Name: "f", Arguments: "{}"}}, llm.FinishToolCalls,
			`{"role":"assistant","content":null,"refusal":null,"function_call":{"name":"f","arguments":"{}"}},"logprobs":null,"finish_reason":"function_call"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &chatEncoder{chatAnswer: chatAnswer{model: "alias", legacy: tt.legacy}}
			got, err := e.Whole(&llm.Response{ID: "chatcmpl-a1", Model: "up", Created: created, Content: tt.blocks,
				Finish: llm.Finish{Reason: tt.reason, Usage: &llm.Usage{Input: 7, CacheRead: 4, Output: 9}}})
			if err != nil {
				t.Fatal(err)
			}
			if want := head + tt.want + tail; string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestWholeReads(t *testing.T) {
	body := ` {"id":"c1","created":1700000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a","reasoning":"r","refusal":null,
		"tool_calls":[{"id":"x","function":{"name":"f","arguments":""}},{"id":"x","function":{"name":"f","arguments":""}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`
	r, err := Client{}.Whole(chatCompletions, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(r)
	want := `{"ID":"c1","Model":"m","Created":"2023-11-14T22:13:20Z","Content":[{"thinking":{"text":"r"}},{"text":{"text":"a"}},{"tool_call":{"id":"x","name":"f"}},{"tool_call":{"id":"x","name":"f"}}],"Finish":{"reason":"tool_calls","raw":"stop","usage":{"input":3,"output":2}}}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestWholeFails(t *testing.T) {
	tests := []struct {
		name, body string
		want       llm.Code // empty: the answer ends too soon
	}{
		{"on an error", `{"error":{"message":"m","code":"context_length_exceeded"}}`, llm.CodeContextLength},
		{"on an error of a status", `{"error":{"message":"m","code":429},"choices":[]}`, llm.CodeRateLimited},
		{"on an error without message", `{"error":{}}`, llm.CodeUpstream},
		{"on an error within a choice", `{"choices":[{"message":{"content":""},"error":{"code":502,"message":"m"}}]}`, llm.CodeUpstream},
		{"without choices", `{"id":"x"}`, llm.CodeUpstream},
		{"without a finish reason", `{"choices":[{"message":{"content":"a"}}]}`, ""},
		{"without the first choice", `{"choices":[{"index":1,"message":{"content":"a"},"finish_reason":"stop"}]}`, llm.CodeUpstream},
		{"on a page", `<html>`, llm.CodeUpstream},
		{"on nothing", ``, llm.CodeUpstream},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Client{}.Whole(chatCompletions, []byte(tt.body))
			if err == nil {
				t.Fatalf("got %v, want an error", r)
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
}
