package ollama

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

const png = "iVBORw0KGgo=" // the first bytes of one

// newServer has a clock that starts at a known time and advances by 100 ms
// with every look.
func newServer() Server {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Server{now: func() time.Time {
		now = now.Add(100 * time.Millisecond)
		return now
	}}
}

func decode(t *testing.T, operation, body string) *dialect.Call {
	t.Helper()
	call, err := newServer().Decode(operation, []byte(body))
	if err != nil {
		t.Fatalf("Decode(%s, %s) = %v", operation, body, err)
	}
	return call
}

func TestDecodeRequest(t *testing.T) {
	tests := []struct{ name, operation, body, want string }{
		{
			"a chat streams unless told otherwise", "chat",
			`{"model":"m","messages":[{"role":"user","content":"hi"}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"hi"}}]}],"stream":true}`,
		},
		{
			"stream null is true", "chat",
			`{"model":"m","stream":null,"messages":[{"role":"User","content":"hi"}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"hi"}}]}],"stream":true}`,
		},
		{
			"stream false is false", "chat",
			`{"model":"m","stream":false,"messages":[{"role":"user","content":"hi"}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"hi"}}]}]}`,
		},
		{
			"leading instructions are system blocks, later ones stay in place", "chat",
			`{"model":"m","stream":false,"messages":[{"role":"system","content":"a"},{"role":"developer","content":"b"},{"role":"user","content":"hi"},{"role":"system","content":"c"}]}`,
			`{"model":"m","system":[{"text":{"text":"a"}},{"text":{"text":"b"}}],"messages":[{"role":"user","content":[{"text":{"text":"hi"}}]},{"role":"system","content":[{"text":{"text":"c"}}]}]}`,
		},
		{
			"images stand before the text and have their type sniffed", "chat",
			`{"model":"m","stream":false,"messages":[{"role":"user","content":"what?","images":["` + png + `"]}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"image":{"media_type":"image/png","data":"` + png + `"}},{"text":{"text":"what?"}}]}]}`,
		},
		{
			"an image of an unknown type has none, and no line breaks", "chat",
			`{"model":"m","stream":false,"messages":[{"role":"user","images":["AA\r\nAA"]}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"image":{"data":"AAAA"}}]}]}`,
		},
		{
			"sound among the images is audio", "chat",
			`{"model":"m","stream":false,"messages":[{"role":"user","content":"what?","images":["UklGRgAAAABXQVZF"]}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"audio":{"media_type":"audio/wav","data":"UklGRgAAAABXQVZF","format":"wav"}},{"text":{"text":"what?"}}]}]}`,
		},
		{
			"calls keep the order of their arguments, results their name and id", "chat",
			`{"model":"m","stream":false,"messages":[
				{"role":"assistant","content":"","thinking":"hm","tool_calls":[{"id":"c1","function":{"name":"f","arguments":{"b": 1, "a": 1e400}}}]},
				{"role":"tool","tool_name":"f","tool_call_id":"c1","content":"42"}]}`,
			`{"model":"m","messages":[{"role":"assistant","content":[{"thinking":{"text":"hm"}},{"tool_call":{"id":"c1","name":"f","arguments":"{\"b\":1,\"a\":1e400}"}}]},{"role":"user","content":[{"tool_result":{"call_id":"c1","name":"f","content":[{"text":{"text":"42"}}]}}]}]}`,
		},
		{
			"a schema of no parameters is still one of an object", "chat",
			`{"model":"m","stream":false,"messages":[{"role":"user","content":"hi"}],"tools":[
				{"type":"function","function":{"name":"f","parameters":{"type":"","properties":null}}},
				{"type":"function","function":{"name":"g","parameters":{"type": "object", "properties": {"type": {"type": ""}}}}},
				{"type":"function","function":{"name":"h","parameters":null}}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"hi"}}]}],"tools":[{"name":"f","parameters":{"type":"object","properties":{}}},{"name":"g","parameters":{"type":"object","properties":{"type":{"type":""}}}},{"name":"h"}]}`,
		},
		{
			"results that name nothing answer the calls in order", "chat",
			`{"model":"m","stream":false,"messages":[
				{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{}}},{"function":{"name":"g"}}]},
				{"role":"tool","content":"1"},{"role":"tool","content":"2"}]}`,
			`{"model":"m","messages":[{"role":"assistant","content":[{"tool_call":{"name":"f","arguments":"{}"}},{"tool_call":{"name":"g"}}]},{"role":"user","content":[{"tool_result":{"name":"f","content":[{"text":{"text":"1"}}]}}]},{"role":"user","content":[{"tool_result":{"name":"g","content":[{"text":{"text":"2"}}]}}]}]}`,
		},
		{
			"results are matched by name or id, and one that answers nothing stays as it is", "chat",
			`{"model":"m","stream":false,"messages":[
				{"role":"assistant","tool_calls":[{"id":"c1","function":{"name":"f"}},{"id":"c2","function":{"name":"g"}},{"id":"c3","function":{"name":"h"}}]},
				{"role":"tool","tool_name":"g"},{"role":"tool","tool_call_id":"c1"},{"role":"tool","tool_call_id":"c9"},{"role":"tool"},{"role":"tool"}]}`,
			`{"model":"m","messages":[{"role":"assistant","content":[{"tool_call":{"id":"c1","name":"f"}},{"tool_call":{"id":"c2","name":"g"}},{"tool_call":{"id":"c3","name":"h"}}]},` +
				`{"role":"user","content":[{"tool_result":{"name":"g"}}]},{"role":"user","content":[{"tool_result":{"call_id":"c1"}}]},{"role":"user","content":[{"tool_result":{"call_id":"c9"}}]},` +
				`{"role":"user","content":[{"tool_result":{"call_id":"c3","name":"h"}}]},{"role":"user","content":[{"tool_result":{}}]}]}`,
		},
		{
			"schemas are kept as they are", "chat",
			`{"model":"m","stream":false,"messages":[{"role":"user","content":"hi"}],"format":{"type":"object","z":1,"a":2},
				"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","$defs":{"z":1,"a":2}}}}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"hi"}}]}],"tools":[{"name":"f","description":"d","parameters":{"type":"object","$defs":{"z":1,"a":2}}}],"format":{"schema":{"type":"object","z":1,"a":2},"strict":false}}`,
		},
		{
			"options with a word in the language are taken over", "generate",
			`{"model":"m","stream":false,"prompt":"hi","options":{"temperature":0,"top_p":0.5,"top_k":3.7,"min_p":0.1,"seed":7,"frequency_penalty":1,"presence_penalty":2,"repeat_penalty":3,"num_predict":9,"stop":["a","b"]}}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"hi"}}]}],"sampling":{"temperature":0,"top_p":0.5,"top_k":3,"min_p":0.1,"seed":7,"frequency_penalty":1,"presence_penalty":2,"repeat_penalty":3},"limits":{"max_tokens":9,"stop":["a","b"]}}`,
		},
		{
			"no limit and a random seed are the defaults", "generate",
			`{"model":"m","stream":false,"prompt":"hi","options":{"num_predict":-2,"seed":-1,"temperature":null}}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"hi"}}]}]}`,
		},
		{
			"what has no word is extra", "generate",
			`{"model":"m","stream":false,"prompt":"hi","keep_alive":"5m","shift":false,"truncate":null,"_debug_render_only":true,"options":{"num_ctx":1024,"use_mmap":true}}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"hi"}}]}],"extra":{"_debug_render_only":true,"keep_alive":"5m","num_ctx":1024,"shift":false,"use_mmap":true}}`,
		},
		{
			"what Ollama does not know is ignored", "chat",
			`{"model":"m","stream":false,"messages":[{"role":"user","content":"hi"}],"n":2,"prompt":"x","system":"x","background":true,"options":{"n":2,"mirostat":2}}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"hi"}}]}]}`,
		},
		{
			"so it is beside a prompt", "generate",
			`{"model":"m","stream":false,"prompt":"hi","n":2,"messages":[7],"tools":{}}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"hi"}}]}]}`,
		},
		{
			"a prompt is a conversation of one turn", "generate",
			`{"model":"m","prompt":"hi","system":"be brief","images":["` + png + `"],"format":"json","think":"high","logprobs":true,"top_logprobs":2,"suffix":"","template":"","context":[],"raw":false}`,
			`{"model":"m","system":[{"text":{"text":"be brief"}}],"messages":[{"role":"user","content":[{"image":{"media_type":"image/png","data":"` + png + `"}},{"text":{"text":"hi"}}]}],"format":{},"reasoning":{"effort":"high"},"logprobs":2,"stream":true}`,
		},
		{
			"think false is no effort", "generate", `{"model":"m","stream":false,"prompt":"hi","think":false,"format":""}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"hi"}}]}],"reasoning":{"effort":"none"}}`,
		},
		{
			"think true names no effort", "generate", `{"model":"m","stream":false,"prompt":"hi","think":true,"format":null}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"hi"}}]}],"reasoning":{}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call := decode(t, tt.operation, tt.body)
			got, err := rawjson.Marshal(call.Request)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if call.Reply != nil || call.Encoder == nil {
				t.Errorf("got reply %q and encoder %v, want only an encoder", call.Reply, call.Encoder)
			}
		})
	}
}

func TestDecodeReply(t *testing.T) {
	const when = `"created_at":"2026-01-02T03:04:05.2Z"`
	tests := []struct{ name, operation, body, want string }{
		{"an empty chat loads", "chat", `{"model":"m"}`, `{"model":"m",` + when + `,"message":{"role":"assistant","content":""},"done":true,"done_reason":"load"}`},
		{"an empty chat that is not kept unloads", "chat", `{"model":"m","messages":[],"keep_alive":"0"}`, `{"model":"m",` + when + `,"message":{"role":"assistant","content":""},"done":true,"done_reason":"unload"}`},
		{"an empty prompt loads", "generate", `{"model":"m","keep_alive":-1,"suffix":"x","images":["` + png + `"]}`, `{"model":"m",` + when + `,"response":"","done":true,"done_reason":"load"}`},
		{"an empty prompt that is not kept unloads", "generate", `{"model":"m","keep_alive":0,"raw":true,"system":"x"}`, `{"model":"m",` + when + `,"response":"","done":true,"done_reason":"unload"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := decode(t, tt.operation, tt.body).Reply; string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	chat := func(message string) string { return `{"model":"m","messages":[` + message + `]}` }
	prompt := func(field string) string { return `{"model":"m","prompt":"hi",` + field + `}` }
	tests := []struct {
		name, operation, body string
		code                  llm.Code
		want                  string
	}{
		{"an unknown operation", "embed", `{}`, llm.CodeNotFound, "unknown operation: embed"},
		{"a chat without model", "chat", `{"messages":[]}`, llm.CodeInvalid, "model is required"},
		{"a prompt without model", "generate", `{"prompt":"hi"}`, llm.CodeModelNotFound, "model '' not found"},
		{"content in parts", "chat", chat(`{"role":"user","content":[{"type":"text"}]}`), llm.CodeInvalid, "json: cannot unmarshal array into field messages.content"},
		{"a model that is a number", "chat", `{"model":1}`, llm.CodeInvalid, "json: cannot unmarshal number into field model"},
		{"arguments in a string", "chat", chat(`{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}`), llm.CodeInvalid, "messages.tool_calls.function.arguments must be an object"},
		{"an image that is a data URI", "chat", chat(`{"role":"user","images":["data:image/png;base64,AA=="]}`), llm.CodeInvalid, "illegal base64 data at input byte 4"},
		{"a role of one template", "chat", chat(`{"role":"control","content":"thinking"}`), llm.CodeUnsupported, `role "control" is not supported for model 'm'`},
		{"a level of thinking that is none", "chat", `{"model":"m","think":"x","messages":[{}]}`, llm.CodeInvalid, `invalid think value: "x" (must be "high", "medium", "low", "max", true, or false)`},
		{"thinking by number", "generate", prompt(`"think":1`), llm.CodeInvalid, `think must be a boolean or string ("high", "medium", "low", "max")`},
		{"a format that is no schema", "generate", prompt(`"format":"xml"`), llm.CodeInvalid, `invalid format: "\"xml\""; expected "json" or a valid JSON Schema object`},
		{"too many alternatives", "generate", prompt(`"top_logprobs":21`), llm.CodeInvalid, "top_logprobs must be between 0 and 20"},
		{"a duration without unit", "generate", prompt(`"keep_alive":"5"`), llm.CodeInvalid, `time: missing unit in duration "5"`},
		{"options in a list", "generate", prompt(`"options":[]`), llm.CodeInvalid, "options must be an object"},
		{"an integer in a string", "generate", prompt(`"options":{"num_ctx":"1"}`), llm.CodeInvalid, `option "num_ctx" must be of type integer`},
		{"a float in a string", "generate", prompt(`"options":{"temperature":"1"}`), llm.CodeInvalid, `option "temperature" must be of type float32`},
		{"a boolean by number", "generate", prompt(`"options":{"use_mmap":1}`), llm.CodeInvalid, `option "use_mmap" must be of type boolean`},
		{"a bare stop", "generate", prompt(`"options":{"stop":"x"}`), llm.CodeInvalid, `option "stop" must be of type array`},
		{"stops that are numbers", "generate", prompt(`"options":{"stop":[1]}`), llm.CodeInvalid, `option "stop" must be of an array of strings`},
		{"raw with system", "generate", prompt(`"raw":true,"system":"x"`), llm.CodeInvalid, "raw mode does not support template, system, or context"},
		{"raw with template, by a model that is not kept", "generate", prompt(`"raw":true,"template":"x","keep_alive":0`), llm.CodeInvalid, "raw mode does not support template, system, or context"},
		{"a prompt with a broken image", "generate", prompt(`"images":["!"]`), llm.CodeInvalid, "illegal base64 data at input byte 0"},
		{"keeping by a list", "generate", prompt(`"keep_alive":[]`), llm.CodeInvalid, "keep_alive must be a number of seconds or a duration"},
		{"raw", "generate", prompt(`"raw":true`), llm.CodeUnsupported, "raw is not supported for model 'm'"},
		{"template", "generate", prompt(`"template":"x"`), llm.CodeUnsupported, "template is not supported for model 'm'"},
		{"suffix", "generate", prompt(`"suffix":"x"`), llm.CodeUnsupported, "suffix is not supported for model 'm'"},
		{"context", "generate", prompt(`"context":[1]`), llm.CodeUnsupported, "context is not supported for model 'm'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call, err := newServer().Decode(tt.operation, []byte(tt.body))
			e, ok := errors.AsType[*llm.Error](err)
			if !ok {
				t.Fatalf("got %v, %v; want an error", call, err)
			}
			if e.Code != tt.code || e.Message != tt.want {
				t.Errorf("got  %s: %s\nwant %s: %s", e.Code, e.Message, tt.code, tt.want)
			}
			if native := tt.code == llm.CodeUnsupported; native != (call != nil) {
				t.Errorf("got call %v, want one only where Ollama could serve it", call)
			}
			if call != nil && call.Request.Model != "m" {
				t.Errorf("got model %q, want m", call.Request.Model)
			}
		})
	}
}

func TestRoutes(t *testing.T) {
	var got []string
	for _, r := range (Server{}).Routes() {
		got = append(got, r.Path+" "+r.Operation)
		if r.Streams != (r.Task == "") {
			t.Errorf("%s streams by default: %t, want that of all but embeddings", r.Path, r.Streams)
		}
	}
	if want := "/api/chat chat,/api/generate generate,/api/embed embed,/api/embeddings embeddings"; strings.Join(got, ",") != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if (Server{}).Name() != "ollama" || (Client{}).Name() != "ollama" {
		t.Error("the dialect has another name")
	}
}
