package responses

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

const asks = `{
  "model": "m", "input": "Hi", "instructions": "Be brief.", "max_output_tokens": 100, "max_tool_calls": 3,
  "metadata": {"k": "v"}, "parallel_tool_calls": false, "prompt_cache_key": "key", "store": true,
  "reasoning": {"effort": "low", "generate_summary": "auto"}, "safety_identifier": "s", "service_tier": "flex",
  "temperature": 0.5, "text": {"format": {"type": "json_object"}, "verbosity": "low"}, "tool_choice": "required",
  "tools": [{"type": "function",
             "name": "f", "parameters": {"z": 1, "a": 2}}],
  "top_logprobs": 2, "top_p": 0.25, "truncation": "auto", "user": "u"
}`

const (
	echoOfNothing = `"background":false,"instructions":null,"max_output_tokens":null,"max_tool_calls":null,"parallel_tool_calls":true,` +
		`"previous_response_id":null,"prompt_cache_key":null,"reasoning":{"effort":null,"summary":null},"safety_identifier":null,` +
		`"service_tier":"default","store":false,"temperature":1,"text":{"format":{"type":"text"},"verbosity":"medium"},` +
		`"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1,"truncation":"disabled","user":null,"metadata":{}}`
	echoOfAll = `"background":false,"instructions":"Be brief.","max_output_tokens":100,"max_tool_calls":3,"parallel_tool_calls":false,` +
		`"previous_response_id":null,"prompt_cache_key":"key","reasoning":{"effort":"low","summary":"auto"},"safety_identifier":"s",` +
		`"service_tier":"flex","store":false,"temperature":0.5,"text":{"format":{"type":"json_object"},"verbosity":"low"},` +
		`"tool_choice":"required","tools":[{"type":"function","name":"f","parameters":{"z":1,"a":2}}],"top_logprobs":2,` +
		`"top_p":0.25,"truncation":"auto","user":"u","metadata":{"k":"v"}}`
)

func TestResponseHasAllFields(t *testing.T) {
	text := llm.Blocks{llm.Text{Text: "Hi"}}
	const said = `"output":[{"id":"msg_a_0","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[],"logprobs":[]}]}]`
	const cut = `"output":[{"id":"msg_a_0","type":"message","status":"incomplete","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[],"logprobs":[]}]}]`
	const head = `{"id":"resp_a","object":"response","created_at":1700000000,`
	tests := []struct {
		name    string
		request string
		finish  llm.Finish
		content llm.Blocks
		want    string
	}{
		{
			"with the defaults", `{"model":"m","input":"Hi"}`, llm.Finish{Reason: llm.FinishStop}, nil,
			head + `"completed_at":1,"status":"completed","error":null,"incomplete_details":null,"model":"m","output":[],` +
				`"usage":{"input_tokens":0,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"output_tokens":0,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":0},` + echoOfNothing,
		},
		{
			"as the request has them", asks,
			llm.Finish{Reason: llm.FinishStop, Usage: &llm.Usage{Input: 7, CacheRead: 4, CacheWrite: 2, Output: 9, Reasoning: 3}}, text,
			head + `"completed_at":1,"status":"completed","error":null,"incomplete_details":null,"model":"m",` + said +
				`,"usage":{"input_tokens":13,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":22},` + echoOfAll,
		},
		{
			"of an answer that a limit has cut", `{"model":"m","input":"Hi"}`, stop(llm.FinishLength), text,
			head + `"completed_at":null,"status":"incomplete","error":null,"incomplete_details":{"reason":"max_output_tokens"},"model":"m",` + cut +
				`,"usage":{"input_tokens":11,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":0},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":20},` + echoOfNothing,
		},
		{
			"of an answer that a filter has cut", `{"model":"m","input":"Hi"}`, stop(llm.FinishContentFilter), text,
			head + `"completed_at":null,"status":"incomplete","error":null,"incomplete_details":{"reason":"content_filter"},"model":"m",` + cut +
				`,"usage":{"input_tokens":11,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":0},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":20},` + echoOfNothing,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer := &llm.Response{ID: begin.ID, Created: begin.Created, Content: tt.content, Finish: tt.finish}
			enc := decoded(t, tt.request).Encoder
			whole := written(t, enc, answer, false)
			if got := string(settled(whole)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := lastResponse(t, written(t, enc, answer, true)); !bytes.Equal(settled(got), settled(whole)) {
				t.Errorf("the stream ends with %s\nbut the whole answer is %s", got, whole)
			}
		})
	}
}

func lastResponse(t *testing.T, stream []byte) (last json.RawMessage) {
	t.Helper()
	for f, err := range frame.SSE(bytes.NewReader(stream)) {
		if err != nil {
			t.Fatal(err)
		}
		var in struct{ Response json.RawMessage }
		if err := json.Unmarshal(f.Data, &in); err != nil {
			t.Fatal(err)
		}
		last = bytes.Clone(in.Response)
	}
	return last
}

func TestResponseInProgressHasAllFieldsToo(t *testing.T) {
	stream, err := decoded(t, asks).Encoder.Event(nil, begin)
	want := `{"id":"resp_a","object":"response","created_at":1700000000,"completed_at":null,"status":"in_progress","error":null,"incomplete_details":null,"model":"m","output":[],"usage":null,` + echoOfAll
	if got := string(lastResponse(t, stream)); got != want || err != nil {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestIDsAreMadeUpWhereThereAreNone(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		whole := written(t, decoded(t, `{"model":"m","input":"Hi"}`).Encoder, &llm.Response{Content: llm.Blocks{
			llm.Text{Text: "a"}, llm.ToolCall{Name: "f"}, llm.Text{Text: "b"}, llm.ToolCall{Name: "f"},
		}, Finish: llm.Finish{Reason: llm.FinishStop}}, false)
		var r struct {
			ID     string
			Output []struct {
				ID     string
				CallID string `json:"call_id"`
			}
		}
		if err := json.Unmarshal(whole, &r); err != nil || len(r.Output) != 4 {
			t.Fatalf("%s: %v", whole, err)
		}
		ids := []string{r.ID, r.Output[0].ID, r.Output[1].ID, r.Output[2].ID, r.Output[3].ID, r.Output[1].CallID, r.Output[3].CallID}
		for i, prefix := range []string{"resp_", "msg_", "fc_", "msg_", "fc_", "call_", "call_"} {
			if !strings.HasPrefix(ids[i], prefix) || seen[ids[i]] {
				t.Errorf("id %d of %q: want the prefix %s, and no id twice", i, ids, prefix)
			}
			seen[ids[i]] = true
		}
	}
}
