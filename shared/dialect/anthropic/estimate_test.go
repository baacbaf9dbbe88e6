package anthropic

import (
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestMessageStartEstimatesTheInput(t *testing.T) {
	const head, hi = `{"model":"m","max_tokens":1,`, `"messages":[{"role":"user","content":"hi"}]}`
	tests := []struct {
		name, body string
		known      *llm.Usage // by the upstream, before the first token
		want       string
	}{
		{"a short text is one token", head + hi, nil, `"input_tokens":1,`},
		{"nothing is one token", head + `"messages":[{"role":"user","content":""}]}`, nil, `"input_tokens":1,`},
		{"four bytes are a token, and a part is one", head + `"messages":[{"role":"user","content":"12345678é"}]}`, nil, `"input_tokens":3,`},
		{"instructions count", head + `"system":"12345678",` + hi, nil, `"input_tokens":3,`},
		{"tools count", head + `"tools":[{"name":"f","description":"123","input_schema":{"a":1}}],` + hi, nil, `"input_tokens":4,`},
		{
			"calls, results, thoughts and files count", head + `"messages":[
				{"role":"user","content":[{"type":"document","title":"12","context":"34","source":{"type":"text","data":"5678"}}]},
				{"role":"assistant","content":[{"type":"thinking","thinking":"1234","signature":"s"},{"type":"tool_use","id":"t","name":"f","input":{"a":1}}]},
				{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"12345678"}]}]}`, nil, `"input_tokens":7,`,
		},
		{
			"pictures do not", head + `"messages":[{"role":"user","content":[
				{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgoAAAANSUhEUgAA"}}]}]}`, nil, `"input_tokens":1,`,
		},
		{"the upstream knows better", head + hi, &llm.Usage{Input: 9}, `"input_tokens":9,`},
		{"the upstream knows that all was cached", head + hi, &llm.Usage{CacheRead: 9}, `"input_tokens":0,`},
		{"the upstream counts later", head + hi, &llm.Usage{Output: 3}, `"input_tokens":1,`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call, err := Server{}.Decode("messages", []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range []interface {
				Event([]byte, llm.Event) ([]byte, error)
			}{call.Encoder, call.Encoder.Restart()} {
				begin, err := e.Event(nil, llm.Start{Usage: tt.known})
				if err != nil || !strings.Contains(string(begin), tt.want) {
					t.Errorf("got %s, %v, want %s in it", begin, err, tt.want)
				}
				end, err := e.Event(nil, llm.Finish{Usage: &llm.Usage{Input: 77, Output: 2}})
				if err != nil || !strings.Contains(string(end), `"input_tokens":77,`) {
					t.Errorf("got %s, %v, want the exact count at the end", end, err)
				}
			}
		})
	}
}
