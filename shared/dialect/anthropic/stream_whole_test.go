package anthropic

import (
	"errors"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestWhole(t *testing.T) {
	r, err := llm.Collect(func(yield func(llm.Event, error) bool) {
		for _, e := range spoken() {
			if !yield(e, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := (&encoder{model: "mine"}).Whole(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"msg_1","type":"message","role":"assistant","model":"mine","content":[` +
		`{"type":"thinking","thinking":"Let me","signature":"allama1.-9BfsD-e9Sd0CAoPzy0NqknPLTzzHy6EYO3B8hWVBMQ"},` +
		`{"type":"thinking","thinking":"","signature":"real"},{"type":"redacted_thinking","data":"d"},` +
		`{"type":"text","text":"<Hi> ✓","citations":[{"type":"x"}]},` +
		`{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{"location":"Boston"}},` +
		`{"type":"tool_use","id":"toolu_2","name":"get_time","input":{}}],` +
		`"stop_reason":"tool_use","stop_sequence":null,` +
		`"usage":{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":9,"output_tokens_details":{"thinking_tokens":2}}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWholeOfNothing(t *testing.T) {
	got, err := (&encoder{model: "m"}).Whole(&llm.Response{ID: "msg_1"})
	const want = `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn","stop_sequence":null,` +
		`"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

func TestClientWholeFails(t *testing.T) {
	tests := []struct {
		name, body string
		want       llm.Code
	}{
		{"an error with a good status", `{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}`, llm.CodeRateLimited},
		{"an error in plain words", `{"error":"boom"}`, llm.CodeUpstream},
		{"a web page", `<html>`, llm.CodeUpstream},
		{"another dialect", `{"choices":[]}`, llm.CodeUpstream},
		{"content of no kind", `{"content":[{}]}`, llm.CodeUpstream},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Client{}.Whole("messages", []byte(tt.body))
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
