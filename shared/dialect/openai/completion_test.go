package openai

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func TestDecodeCompletion(t *testing.T) {
	tests := []struct {
		name, body string
		want       llm.Request // but for the model and the message
	}{
		{"a text", `{"model":"m","prompt":"Hi"}`, llm.Request{Limits: llm.Limits{MaxTokens: 16}}},
		{"a list of one text", `{"model":"m","prompt":["Hi"],"max_tokens":5,"stop":"."}`, llm.Request{Limits: llm.Limits{MaxTokens: 5, Stop: []string{"."}}}},
		{"no limit", `{"model":"m","prompt":"Hi","max_tokens":-1,"n":1,"best_of":1,"echo":false,"suffix":null}`, llm.Request{}},
		{"options", `{"model":"m","prompt":"Hi","max_tokens":5,"temperature":0.5,"seed":7,"logprobs":2,"user":"u","stream":true,"logit_bias":{"5":1}}`,
			llm.Request{
				Limits: llm.Limits{MaxTokens: 5}, Sampling: llm.Sampling{Temperature: new(0.5), Seed: new(int64(7))}, Logprobs: new(2),
				User: "u", Stream: true, Extra: map[string]json.RawMessage{"logit_bias": json.RawMessage(`{"5":1}`)},
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call, err := Server{}.Decode(completions, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			want.Model, want.Messages = "m", []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "Hi"}}}}
			if !reflect.DeepEqual(call.Request, &want) {
				t.Errorf("got  %+v\nwant %+v", call.Request, &want)
			}
		})
	}
}

func TestDecodeCompletionRefuses(t *testing.T) {
	tests := []struct {
		body, param string
		code        llm.Code
	}{
		{`{}`, "prompt", llm.CodeInvalid},
		{`{"prompt":5}`, "prompt", llm.CodeInvalid},
		{`{"prompt":[]}`, "prompt", llm.CodeInvalid},
		{`{"prompt":["a","b"]}`, "prompt", llm.CodeUnsupported},
		{`{"prompt":[1,2]}`, "prompt", llm.CodeUnsupported},
		{`{"prompt":[[1],[2]]}`, "prompt", llm.CodeUnsupported},
		{`{"prompt":"a","suffix":"b"}`, "suffix", llm.CodeUnsupported},
		{`{"prompt":"a","echo":true}`, "echo", llm.CodeUnsupported},
		{`{"prompt":"a","n":2}`, "n", llm.CodeUnsupported},
		{`{"prompt":"a","best_of":2}`, "best_of", llm.CodeUnsupported},
		{`{"prompt":"a","max_tokens":0}`, "max_tokens", llm.CodeInvalid},
		{`{"prompt":"a","stop":5}`, "stop", llm.CodeInvalid},
		{`{"prompt":"a","temperature":"hot"}`, "temperature", llm.CodeInvalid},
	}
	for _, tt := range tests {
		_, err := Server{}.Decode(completions, []byte(tt.body))
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != tt.code || e.Param != tt.param {
			t.Errorf("%s: got %v want %s for %s", tt.body, err, tt.code, tt.param)
		}
	}
}

func TestCompletionEncoder(t *testing.T) {
	token := func(s string) llm.Logprob {
		return llm.Logprob{Token: s, Logprob: -1, Top: []llm.Logprob{{Token: s, Logprob: -1}}}
	}
	answer := &llm.Response{ID: "chatcmpl-a", Model: "up", Created: created, Content: llm.Blocks{
		llm.Thinking{Text: "hm"}, llm.Text{Text: "Hé!", Logprobs: []llm.Logprob{token("Hé"), token("!")}},
	}, Finish: llm.Finish{Reason: llm.FinishLength, Usage: &llm.Usage{Input: 2, Output: 3}}}
	const logprobs = `{"tokens":["Hé","!"],"token_logprobs":[-1,-1],"top_logprobs":[{"Hé":-1},{"!":-1}],"text_offset":[0,2]}`
	const head = `{"id":"cmpl-a","object":"text_completion","created":1700000000,"model":"alias","choices":[`
	const usage = `{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}`
	tests := []struct {
		name, body, stream, whole string
	}{
		{"a text", `{"model":"alias","prompt":"x"}`,
			"data: " + head + `{"text":"Hé!","index":0,"logprobs":null,"finish_reason":null}]}` + "\n\n" +
				"data: " + head + `{"text":"","index":0,"logprobs":null,"finish_reason":"length"}]}` + "\n\ndata: [DONE]\n\n",
			head + `{"text":"Hé!","index":0,"logprobs":null,"finish_reason":"length"}],"usage":` + usage + `}`},
		{"usage and log probabilities", `{"model":"alias","prompt":"x","logprobs":1,"stream_options":{"include_usage":true}}`,
			"data: " + head + `{"text":"Hé!","index":0,"logprobs":` + logprobs + `,"finish_reason":null}],"usage":null}` + "\n\n" +
				"data: " + head + `{"text":"","index":0,"logprobs":null,"finish_reason":"length"}],"usage":null}` + "\n\n" +
				"data: " + head + `],"usage":` + usage + "}\n\ndata: [DONE]\n\n",
			head + `{"text":"Hé!","index":0,"logprobs":` + logprobs + `,"finish_reason":"length"}],"usage":` + usage + `}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call, err := Server{}.Decode(completions, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := encodeAll(t, call.Encoder, answer); got != tt.stream {
				t.Errorf("stream: got\n%s\nwant\n%s", got, tt.stream)
			}
			if got := encodeAll(t, call.Encoder.Restart(), answer); got != tt.stream {
				t.Errorf("started over: got\n%s\nwant\n%s", got, tt.stream)
			}
			whole, err := call.Encoder.Whole(answer)
			if err != nil || string(whole) != tt.whole {
				t.Errorf("whole: got\n%s, %v\nwant\n%s", whole, err, tt.whole)
			}
		})
	}
}

// TestCompletionsAreUnderstood is about what passes through: its end and its
// usage are found.
func TestCompletionsAreUnderstood(t *testing.T) {
	const stream = `data: {"id":"cmpl-1","object":"text_completion","choices":[{"text":"Hel","index":0,"logprobs":null,"finish_reason":null}]}

data: {"id":"cmpl-1","object":"text_completion","choices":[{"text":"lo","index":0,"logprobs":{"tokens":["lo"]},"finish_reason":null}]}

data: {"id":"cmpl-1","object":"text_completion","choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"length"}]}

data: {"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3}}

data: [DONE]

`
	const want = `start(cmpl-1 ) text("Hel""lo") finish(length length {Input:2 CacheRead:0 CacheWrite:0 Output:3 Reasoning:0})`
	var events []llm.Event
	for e, err := range dialect.Events(frame.SSE(strings.NewReader(stream)), Client{}.Decoder(completions)) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	if got := describe(events); got != want {
		t.Errorf("stream: got  %s\nwant %s", got, want)
	}
	whole, err := Client{}.Whole(completions, []byte(`{"id":"cmpl-1","choices":[{"text":"Hello","index":0,"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":3}}`))
	if err != nil || len(whole.Content) != 1 || whole.Content[0].(llm.Text).Text != "Hello" || whole.Finish.Usage.Output != 3 {
		t.Errorf("whole: got %+v, %v", whole, err)
	}
	if _, err := (Client{}).Whole(completions, []byte(`{"error":{"message":"x"}}`)); err == nil {
		t.Error("an error in place of a completion was taken for one")
	}
}

func FuzzDecodeCompletion(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","prompt":"Hi"}`, `{"prompt":["a"],"stop":["x"],"max_tokens":1}`, `{"prompt":[[1]],"logprobs":5}`, `{"prompt":"\ud83d","stop":"\n"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if rawjson.Check(body) != nil {
			return
		}
		call, err := Server{}.Decode(completions, body)
		if _, ok := errors.AsType[*llm.Error](err); err != nil && !ok || err == nil && call.Request == nil {
			t.Errorf("got %+v, %v", call, err)
		}
	})
}
