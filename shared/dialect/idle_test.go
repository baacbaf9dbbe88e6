package dialect_test

import (
	"encoding/json"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/anthropic"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/dialect/openai/responses"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// choosy is an upstream that takes hardly anything.
var choosy = openai.Client{Adapts: true, NoSchemas: true, NoStreamOptions: true, ReasoningField: "none", Refused: []openai.Refusal{{Fields: []string{
	"temperature", "top_p", "seed", "frequency_penalty", "presence_penalty", "logprobs", "stop", "parallel_tool_calls", "reasoning_effort", "user", "tools.strict", "tool_choice",
}}}}

// upstreams are those that idle wishes are sent to, with the models.
var upstreams = []struct {
	client dialect.Client
	models []string
}{
	{openai.Client{}, []string{"m"}},
	{choosy, []string{"m"}},
	{responses.Client{}, []string{"m"}},
	{anthropic.Client{}, []string{"claude-3-haiku", "claude-sonnet-4-5", "claude-opus-4-8", "claude-opus-5-5", "glm-4"}},
	{ollama.Client{}, []string{"m"}},
}

// idleCalls ask for nothing but an answer, in many words.
var idleCalls = []struct {
	server          dialect.Server
	operation, body string
}{
	{openai.Server{}, "chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo=","detail":"auto"}}],"name":""},
		{"role":"assistant","content":"Yes?","refusal":null,"annotations":[],"audio":null,"tool_calls":[],"reasoning_content":null},{"role":"user","content":"Go on"}],
		"n":1,"logprobs":false,"top_logprobs":0,"store":false,"parallel_tool_calls":true,"frequency_penalty":0,"presence_penalty":0.0,"temperature":1,"top_p":1.0,"top_k":0,"min_p":0,
		"repetition_penalty":1,"stop":[],"logit_bias":{},"metadata":{},"modalities":["text"],"audio":null,"prediction":null,"web_search_options":null,"response_format":{"type":"text"},
		"service_tier":"auto","verbosity":"medium","user":"","safety_identifier":"","prompt_cache_key":"","prompt_cache_retention":"in_memory","seed":null,"stream":false,"stream_options":null,
		"tools":[{"type":"function","function":{"name":"f","strict":false}}],"tool_choice":"auto","functions":[],"reasoning_effort":null,"reasoning":{},"thinking":null,"max_tokens":null,"x":false}`},
	{openai.Server{}, "chat/completions", `{"model":"m","messages":[{"role":"user","content":"Hi"}],"stop":"","temperature":null,"service_tier":"default","tools":null,"tool_choice":null,"n":null,"stream":true,"stream_options":{},"modalities":null,"metadata":null,"best_of":1,"repeat_penalty":1.0,"top_k":-1}`},
	{openai.Server{}, "completions", `{"model":"m","prompt":"Hi","max_tokens":9,"n":1,"best_of":1,"echo":false,"suffix":null,"logprobs":null,"logit_bias":{},"frequency_penalty":0,"presence_penalty":0,"temperature":1,"top_p":1,"stop":null,"stream":false,"stream_options":null,"user":"","seed":null}`},
	{responses.Server{}, "responses", `{"model":"m","input":[{"role":"user","content":"Hi"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Yes?","annotations":[],"logprobs":[]}]},{"role":"user","content":"Go on"}],
		"background":false,"conversation":null,"include":[],"instructions":"","max_output_tokens":null,"max_tool_calls":null,"metadata":{},"parallel_tool_calls":true,"previous_response_id":null,"prompt":null,
		"prompt_cache_key":"","reasoning":{},"safety_identifier":null,"service_tier":"auto","store":false,"stream":false,"stream_options":null,"temperature":1,"text":{"format":{"type":"text"},"verbosity":"medium"},
		"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1,"truncation":"disabled","user":""}`},
	{anthropic.Server{}, "messages", `{"model":"m","max_tokens":99,"system":[],"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"Hi"},"title":null,"context":null,"citations":{"enabled":false},"cache_control":null}]},
		{"role":"assistant","content":[{"type":"text","text":"Yes?","citations":null}]},{"role":"user","content":"Go on"}],
		"metadata":{"user_id":null},"service_tier":"auto","stop_sequences":[],"stream":false,"temperature":1.0,"top_p":1,"top_k":null,"thinking":null,"output_config":{},"container":null,"mcp_servers":[],"context_management":null,
		"tools":[{"name":"f","input_schema":{"type":"object"},"strict":false,"cache_control":null,"defer_loading":false}],"tool_choice":{"type":"auto","disable_parallel_tool_use":false}}`},
	{ollama.Server{}, "chat", `{"model":"m","messages":[{"role":"user","content":"Hi","images":[],"tool_calls":[]}],"tools":[],"format":"","options":{"stop":[],"temperature":1,"top_p":1,"top_k":0,"min_p":0,"typical_p":1,"repeat_penalty":1,"frequency_penalty":0,"presence_penalty":0,"seed":-1,"num_predict":-1,"use_mmap":true},
		"stream":false,"think":null,"keep_alive":null,"logprobs":false,"top_logprobs":0,"truncate":true,"shift":true,"_debug_render_only":false}`},
	{ollama.Server{}, "generate", `{"model":"m","prompt":"Hi","suffix":"","system":"","template":"","context":[],"raw":false,"images":[],"format":null,"options":{},"stream":false}`},
}

// What asks for nothing is never dropped, told of or refused.
func TestWhatAsksForNothingIsNobodysConcern(t *testing.T) {
	for _, c := range idleCalls {
		call, err := c.server.Decode(c.operation, []byte(c.body))
		if err != nil || len(call.Warnings) > 0 {
			t.Errorf("%s %s: got %+v, %v", c.server.Name(), c.operation, call, err)
			continue
		}
		for _, up := range upstreams {
			for _, model := range up.models {
				r := *call.Request
				r.Model = model
				out, err := up.client.Encode(&r)
				if err != nil || len(out.Warnings) > 0 {
					t.Errorf("%s %s to %s %s: got %+v, %v, want no warnings", c.server.Name(), c.operation, up.client.Name(), model, out, err)
				}
			}
		}
	}
	native := idleCalls[0].body
	if got, warnings := choosy.Adapt("chat/completions", []byte(native)); len(warnings) > 0 || rawjson.Check(got) != nil {
		t.Errorf("passed on: got %s with the warnings %v", got, warnings)
	}
}

func TestWhatAsksForNothingOfEmbeddingsIsNobodysConcern(t *testing.T) {
	for _, c := range []struct {
		server          dialect.EmbedServer
		operation, body string
	}{
		{openai.Server{}, "embeddings", `{"model":"m","input":"a","encoding_format":"float","dimensions":null,"user":"","stream":false,"truncate":null}`},
		{openai.Server{}, "embeddings", `{"model":"m","input":["a"],"encoding_format":null,"user":null,"stream":null}`},
		{ollama.Server{}, "embed", `{"model":"m","input":"a","truncate":true,"dimensions":0,"options":{},"keep_alive":null,"stream":false}`},
		{ollama.Server{}, "embeddings", `{"model":"m","prompt":"a","options":null}`},
	} {
		call, err := c.server.DecodeEmbed(c.operation, []byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		for _, client := range []dialect.EmbedClient{openai.Client{}, ollama.Client{}} {
			out, err := client.EncodeEmbed(call.Request)
			if err != nil || llm.Strictly(out.Warnings) != nil || len(out.Warnings) > 0 {
				t.Errorf("%s to %s: got %+v, %v, want no warnings", c.body, client.Name(), out, err)
			}
		}
	}
}

func TestIdle(t *testing.T) {
	for _, tt := range []struct {
		field, value string
		want         bool
	}{
		{"x", "null", true},
		{"x", " [ ] ", true},
		{"x", "0", false},
		{"x", "true", false},
		{"frequency_penalty", "0.0", true},
		{"frequency_penalty", "1e-9", false},
		{"temperature", "1", true},
		{"temperature", "0", false},
		{"truncate", "true", true},
		{"truncate", "false", false},
		{"shift", "false", false},
		{"web_search_options", "{}", false},
		{"web_search_options", "null", true},
		{"web_search_options", "", true},
		{"service_tier", `"flex"`, false},
	} {
		if got := dialect.Idle(tt.field, json.RawMessage(tt.value)); got != tt.want {
			t.Errorf("%s %s: got %t want %t", tt.field, tt.value, got, tt.want)
		}
	}
}
