package openai

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

const user = `{"role":"user","content":"Hi"}`

func TestDecodeReads(t *testing.T) {
	tests := []struct{ name, fields, want string }{
		{"leading instructions as system, later ones in place",
			`"messages":[{"role":"system","content":"A"},{"role":"developer","content":[{"type":"text","text":"B"}]},` + user + `,{"role":"system","content":"C"}]`,
			`{"model":"m","system":[{"text":{"text":"A"}},{"text":{"text":"B"}}],"messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]},{"role":"system","content":[{"text":{"text":"C"}}]}]}`},
		{"pictures, sound and files of a user",
			`"messages":[{"role":"user","name":"ann","content":[{"type":"text","text":"See"},{"type":"image_url","image_url":{"url":"data:image/PNG;base64,aGk","detail":"low"}},{"type":"image_url","image_url":"https://x/y"},{"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,aGk="}},{"type":"file","file":{"file_id":"f1"}},{"type":"video_url","video_url":{"url":"u"}}]}]`,
			`{"model":"m","messages":[{"role":"user","name":"ann","content":[{"text":{"text":"See"}},{"image":{"media_type":"image/png","data":"aGk=","detail":"low"}},{"image":{"url":"https://x/y"}},{"audio":{"media_type":"audio/wav","data":"aGk=","format":"wav"}},{"document":{"media_type":"application/pdf","data":"aGk=","title":"a.pdf"}},{"document":{"file_id":"f1"}},{"opaque":{"dialect":"openai","kind":"video_url","json":{"type":"video_url","video_url":{"url":"u"}}}}]}]}`},
		{"thoughts, refusals and calls of an assistant",
			`"messages":[{"role":"assistant","reasoning_content":"Hm","reasoning_details":[{"type":"reasoning.text","signature":"S"},{"type":"reasoning.encrypted","data":"D"}],"content":"Yes","refusal":"No","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"b\": 1}"}},{"function":{"name":"g","arguments":{"a": 2}}}]}]`,
			`{"model":"m","messages":[{"role":"assistant","content":[{"thinking":{"text":"Hm","signature":"S"}},{"redacted_thinking":{"data":"D"}},{"text":{"text":"Yes"}},{"text":{"text":"No","refusal":true}},{"tool_call":{"id":"c","name":"f","arguments":"{\"b\": 1}"}},{"tool_call":{"name":"g","arguments":"{\"a\":2}"}}]}]}`},
		{"collected pieces of thoughts as one",
			`"messages":[{"role":"assistant","reasoning":"ab","reasoning_details":[{"type":"reasoning.text","text":"a","index":0},{"type":"reasoning.text","text":"b","index":0},{"type":"reasoning.text","signature":"S","index":0}],"content":[{"type":"thinking","thinking":[{"type":"text","text":"c"}]},{"type":"text","text":"d"}]}]`,
			`{"model":"m","messages":[{"role":"assistant","content":[{"thinking":{"text":"ab","signature":"S"}},{"thinking":{"text":"c"}},{"text":{"text":"d"}}]}]}`},
		{"signatures of joined thoughts not at all",
			`"messages":[{"role":"assistant","reasoning_content":"ab","reasoning_details":[{"type":"reasoning.text","signature":"S"},{"type":"reasoning.text","signature":"T"}],"content":"c"}]`,
			`{"model":"m","messages":[{"role":"assistant","content":[{"thinking":{"text":"ab"}},{"text":{"text":"c"}}]}]}`},
		{"results of tools as turns of the user",
			`"messages":[{"role":"tool","tool_call_id":"c","content":"42"},{"role":"function","name":"f","content":null}]`,
			`{"model":"m","messages":[{"role":"user","content":[{"tool_result":{"call_id":"c","content":[{"text":{"text":"42"}}]}}]},{"role":"user","content":[{"tool_result":{"name":"f"}}]}]}`},
		{"calls of custom tools as calls with one argument",
			`"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"custom","custom":{"name":"x","input":"a\"b"}},{"id":"d","function":{"name":"f","arguments":" "}}]}]`,
			`{"model":"m","messages":[{"role":"assistant","content":[{"tool_call":{"id":"c","name":"x","arguments":"{\"input\":\"a\\\"b\"}"}},{"tool_call":{"id":"d","name":"f"}}]}]}`},
		{"functions as tools, one call at a time",
			`"functions":[{"name":"f","parameters":{"b":1,"a":2}}],"function_call":{"name":"f"},"messages":[{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}]`,
			`{"model":"m","messages":[{"role":"assistant","content":[{"tool_call":{"name":"f","arguments":"{}"}}]}],"tools":[{"name":"f","parameters":{"b":1,"a":2}}],"tool_choice":{"mode":"required","only":["f"],"serial":true}}`},
		{"tools, and leaves those it does not know to the provider",
			`"tools":[{"type":"function","function":{"name":"f","description":"d","strict":true}},{"type":"other","other":{"name":"x"}}],"tool_choice":"required","parallel_tool_calls":false,"messages":[` + user + `]`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]}],"tools":[{"name":"f","description":"d","strict":true},{"name":"other","provider":{"dialect":"openai","kind":"other","json":{"type":"other","other":{"name":"x"}}}}],"tool_choice":{"mode":"required","serial":true}}`},
		{"a switch for thinking", `"thinking":{"type":"disabled"},"messages":[` + user + `]`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]}],"reasoning":{"effort":"none"}}`},
		{"another switch", `"thinking":{"type":"enabled"},"messages":[` + user + `]`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]}],"extra":{"thinking":{"type":"enabled"}}}`},
		{"a choice of allowed tools",
			`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}},"messages":[` + user + `]`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]}],"tool_choice":{"mode":"auto","only":["f"]}}`},
		{"sampling, limits and format",
			`"temperature":0.5,"top_k":3,"seed":7,"max_tokens":5,"max_completion_tokens":9,"stop":"x","logprobs":true,"top_logprobs":2,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"z":1,"a":2},"strict":true}},"messages":[` + user + `]`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]}],"sampling":{"temperature":0.5,"top_k":3,"seed":7},"limits":{"max_tokens":9,"stop":["x"]},"format":{"schema":{"z":1,"a":2},"name":"n","strict":true},"logprobs":2}`},
		{"reasoning of either kind",
			`"reasoning_effort":"high","reasoning":{"max_tokens":100,"exclude":true},"messages":[` + user + `]`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]}],"reasoning":{"effort":"high","budget":100,"hidden":true}}`},
		{"what it has no word for, but not what is null",
			`"user":"u","safety_identifier":"s","stream":true,"stop":null,"max_tokens":-1,"logit_bias":{"1":2},"metadata":null,"reasoning_effort":"default","messages":[` + user + `]`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]}],"user":"s","stream":true,"extra":{"logit_bias":{"1":2},"reasoning_effort":"default"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call, err := Server{}.Decode(chatCompletions, []byte(`{"model":"m",`+tt.fields+`}`))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(call.Request)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct{ name, body, param, message string }{
		{"no model", `{"messages":[` + user + `]}`, "model", "you must provide a model parameter"},
		{"no messages", `{"model":"m"}`, "messages", "Missing required parameter: 'messages'."},
		{"empty messages", `{"model":"m","messages":[]}`, "messages", "[] is too short - 'messages'"},
		{"a wrong type", `{"model":"m","messages":[` + user + `],"temperature":"hot"}`, "temperature", "Invalid type for 'temperature': got a string instead."},
		{"a wrong type within", `{"model":"m","messages":[{"role":1}]}`, "messages.role", "Invalid type for 'messages.role': got a number instead."},
		{"an unknown role", `{"model":"m","messages":[{"role":"bot","content":"x"}]}`, "messages[0].role", "Invalid value: 'bot'."},
		{"no content", `{"model":"m","messages":[{"role":"user"}]}`, "messages[0].content", "Invalid value for 'content'"},
		{"content of a wrong type", `{"model":"m","messages":[{"role":"user","content":5}]}`, "messages[0].content", "Invalid type"},
		{"a part without type", `{"model":"m","messages":[{"role":"user","content":[{}]}]}`, "messages[0].content[0]", "Invalid value"},
		{"a broken data URL", `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png,%00"}}]}]}`, "messages[0].content[0].image_url.url", "Invalid value"},
		{"sound that is no base64", `{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"%"}}]}]}`, "messages[0].content[0].input_audio.data", "Invalid value"},
		{"an empty file", `{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{}}]}]}`, "messages[0].content[0].file", "Missing required parameter"},
		{"arguments that are no object", `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"[1]"}}]}]}`, "messages[0].tool_calls[0].function.arguments", "tool call arguments must be a JSON object"},
		{"a result of nothing", `{"model":"m","messages":[{"role":"tool","content":"x"}]}`, "messages[0].tool_call_id", "Missing required parameter"},
		{"a tool without a name", `{"model":"m","messages":[` + user + `],"tools":[{"type":"function"}]}`, "tools[0].function.name", "Missing required parameter"},
		{"a free-form tool without a name", `{"model":"m","messages":[` + user + `],"tools":[{"type":"custom"}]}`, "tools[0].custom.name", "Missing required parameter"},
		{"an unknown choice", `{"model":"m","messages":[` + user + `],"tool_choice":"some"}`, "tool_choice", "Invalid value"},
		{"an unknown format", `{"model":"m","messages":[` + user + `],"response_format":{"type":"xml"}}`, "response_format.type", "Invalid value: 'xml'."},
		{"a stop that is no text", `{"model":"m","messages":[` + user + `],"stop":[1]}`, "stop", "Invalid type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Server{}.Decode(chatCompletions, []byte(tt.body))
			e, ok := errors.AsType[*llm.Error](err)
			if !ok {
				t.Fatalf("got %v, want an *llm.Error", err)
			}
			if e.Code != llm.CodeInvalid || e.Param != tt.param || !strings.HasPrefix(e.Message, tt.message) {
				t.Errorf("got %s %q %q, want invalid_request %q %q", e.Code, e.Param, e.Message, tt.param, tt.message)
			}
		})
	}
}

func TestDecodeHandsOutWhatCanOnlyBePassedThrough(t *testing.T) {
	for param, field := range map[string]string{
		"n": `"n":2`, "best_of": `"best_of":2`, "modalities": `"modalities":["text","audio"]`, "web_search_options": `"web_search_options":{}`,
	} {
		call, err := Server{}.Decode(chatCompletions, []byte(`{"model":"m","messages":[`+user+`],`+field+`}`))
		e, ok := errors.AsType[*llm.Error](err)
		if !ok || e.Code != llm.CodeUnsupported || e.Param != param {
			t.Errorf("%s: got %v, want it refused", field, err)
		}
		if call == nil || call.Request.Model != "m" {
			t.Errorf("%s: got no call, want it for a passthrough", field)
		}
	}
}

func TestDecodeRefusesOtherOperations(t *testing.T) {
	_, err := Server{}.Decode("nonsense", []byte(`{}`))
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeNotFound {
		t.Errorf("got %v, want not found", err)
	}
	if _, err := (Client{}).Decoder("nonsense").End(); err == nil {
		t.Error("got a decoder that works, want one that fails")
	}
}

func TestRoutes(t *testing.T) {
	want := []dialect.Route{
		{Path: "/v1/chat/completions", Operation: "chat/completions"},
		{Path: "/v1/completions", Operation: "completions"},
		{Path: "/v1/embeddings", Operation: "embeddings", Task: llm.TaskEmbed},
		{Path: "/v1/audio/transcriptions", Operation: "audio/transcriptions", Task: llm.TaskMedia, Media: "audio transcription", Header: "Content-Type"},
		{Path: "/v1/audio/translations", Operation: "audio/translations", Task: llm.TaskMedia, Media: "audio translation", Header: "Content-Type"},
		{Path: "/v1/audio/speech", Operation: "audio/speech", Task: llm.TaskMedia, Media: "speech generation"},
		{Path: "/v1/images/generations", Operation: "images/generations", Task: llm.TaskMedia, Media: "image generation"},
		{Path: "/v1/images/edits", Operation: "images/edits", Task: llm.TaskMedia, Media: "image editing", Header: "Content-Type"},
	}
	if got := (Server{}).Routes(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := (Server{}).Name() + (Client{}).Name(); got != "openaiopenai" {
		t.Errorf("got names %s, want openai on either side", got)
	}
}
