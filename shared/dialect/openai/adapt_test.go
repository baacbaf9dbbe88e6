package openai

import (
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func TestAdapt(t *testing.T) {
	dropped := func(fields ...string) (w []llm.Warning) {
		for _, f := range fields {
			w = append(w, llm.Warning{Policy: llm.Dropped, Field: f})
		}
		return w
	}
	strict := Client{Adapts: true, NoStreamOptions: true, Refused: []Refusal{{Models: "g", Thinking: true, Fields: []string{"logprobs", "seed"}}}}
	tests := []struct {
		name       string
		client     Client
		body, want string
		warnings   []llm.Warning
	}{
		{"nothing is in the way", Client{Adapts: true}, ` {"model" :"m", "max_tokens":1, "x":1e400} `, ` {"model" :"m", "max_tokens":1, "x":1e400} `, nil},
		{"nothing is changed where it is not to be", Client{}, `{"max_completion_tokens":1,"messages":[{"role":"developer"}]}`, `{"max_completion_tokens":1,"messages":[{"role":"developer"}]}`, nil},
		{"the limit", Client{Adapts: true}, `{"a": 1e400, "max_completion_tokens":7,"b":{"c": [1, 2]}}`, `{"a":1e400,"max_tokens":7,"b":{"c": [1, 2]}}`, nil},
		{"the limit by its newer name", Client{Adapts: true, MaxTokensField: "max_completion_tokens"}, `{"max_tokens":7}`, `{"max_completion_tokens":7}`, nil},
		{"the limit twice: the newer name counts", Client{Adapts: true}, `{"max_completion_tokens":7,"a":1,"max_tokens":8}`, `{"max_tokens":7,"a":1}`, nil},
		{"the limit twice, the other way round", Client{Adapts: true}, `{"max_tokens":8,"max_completion_tokens":7}`, `{"max_tokens":7}`, nil},
		{"the limit twice, where the newer name is known", Client{Adapts: true, MaxTokensField: "max_completion_tokens"},
			`{"max_tokens":8,"max_completion_tokens":7}`, `{"max_completion_tokens":7}`, nil},
		{"the limit as nothing", Client{Adapts: true}, `{"max_completion_tokens":null,"a":1}`, `{"a":1}`, nil},
		{"the limit twice, once as nothing", Client{Adapts: true}, `{"max_tokens":null,"max_completion_tokens":7}`, `{"max_tokens":7}`, nil},
		{"the role", Client{Adapts: true}, `{"messages":[{"role":"developer","content":"é"}, {"role":"user","content":"developer"}]}`,
			`{"messages":[{"role":"system","content":"é"},{"role":"user","content":"developer"}]}`, nil},
		{"no messages", Client{Adapts: true}, `{"messages":"x"}`, `{"messages":"x"}`, nil},
		{"what is refused", strict, `{"model":"g1","stream_options":{"include_usage":true},"logprobs":true,"top_logprobs":null,"seed":5}`, `{"model":"g1"}`,
			dropped("stream_options", "logprobs", "seed")},
		{"what is refused only while it thinks", strict, `{"model":"g1","seed":5,"reasoning_effort":"none"}`, `{"model":"g1","seed":5,"reasoning_effort":"none"}`, nil},
		{"what another model refuses", strict, `{"model":"h","seed":5}`, `{"model":"h","seed":5}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, warnings := tt.client.Adapt(chatCompletions, []byte(tt.body))
			if string(got) != tt.want || !slices.Equal(warnings, tt.warnings) {
				t.Errorf("got  %s %v\nwant %s %v", got, warnings, tt.want, tt.warnings)
			}
		})
	}
	const other = `{"max_completion_tokens":1}`
	if got, _ := (Client{Adapts: true}).Adapt("embeddings", []byte(other)); string(got) != other {
		t.Errorf("another operation: got %s want it untouched", got)
	}
}

func FuzzAdapt(f *testing.F) {
	f.Add([]byte(`{"model":"m","max_completion_tokens":1,"messages":[{"role":"developer"}],"seed":1}`))
	f.Add([]byte(`{"messages":[null,{"role":"developer","role":"user"}],"max_tokens":1,"max_completion_tokens":null}`))
	f.Add([]byte(`{"tools":[{"type":"function","function":{"name":"f","strict":true}},{}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"function":{"name":"f"}}]}}}`))
	c := Client{Adapts: true, NoStreamOptions: true, ToolChoice: "word", Refused: []Refusal{{Fields: []string{"seed", "logprobs", "tools.strict", "tool_choice"}}}}
	f.Fuzz(func(t *testing.T, body []byte) {
		if rawjson.Check(body) != nil {
			return
		}
		got, _ := c.Adapt(chatCompletions, body)
		if err := rawjson.Check(got); err != nil {
			t.Fatalf("%s became %s: %v", body, got, err)
		}
		again, _ := c.Adapt(chatCompletions, got)
		if string(again) != string(got) {
			t.Errorf("%s became %s and then %s", body, got, again)
		}
	})
}
