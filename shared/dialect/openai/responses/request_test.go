package responses

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// shownRequest writes a request for comparing.
func shownRequest(t *testing.T, r *llm.Request) string {
	t.Helper()
	text, err := rawjson.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRequestsAreRead(t *testing.T) {
	const hi = `"messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]}]`
	tests := []struct{ name, body, want string }{
		{"a text", `{"model":"m","input":"Hi"}`, `{"model":"m",` + hi + `}`},
		{
			"instructions before what the conversation begins with",
			`{"model":"m","instructions":"A","input":[{"role":"developer","content":"B"},{"type":"message","role":"system","content":[{"type":"input_text","text":"C"}]},{"role":"user","content":"Hi"}]}`,
			`{"model":"m","system":[{"text":{"text":"A"}},{"text":{"text":"B"}},{"text":{"text":"C"}}],` + hi + `}`,
		},
		{
			"an instruction in the middle", `{"model":"m","input":[{"role":"user","content":"Hi"},{"role":"developer","content":"B"}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]},{"role":"system","content":[{"text":{"text":"B"}}]}]}`,
		},
		{
			"pictures and files",
			`{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":""},
			{"type":"input_image","image_url":"data:image/png;base64,aGk=","detail":"low"},{"type":"input_image","image_url":"https://example.org/a.png"},{"type":"input_image","file_id":"file_1"},
			{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,aGk="},{"type":"input_file","file_data":"aGk"},{"type":"input_file","file_url":"https://example.org/a.pdf"},{"type":"input_file","file_id":"file_2"}]}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"a"}},` +
				`{"image":{"media_type":"image/png","data":"aGk=","detail":"low"}},{"image":{"url":"https://example.org/a.png"}},{"image":{"file_id":"file_1"}},` +
				`{"document":{"media_type":"application/pdf","data":"aGk=","title":"a.pdf"}},{"document":{"media_type":"application/pdf","data":"aGk="}},{"document":{"url":"https://example.org/a.pdf"}},{"document":{"file_id":"file_2"}}]}]}`,
		},
		{
			"a turn with thoughts, words and calls, as one message",
			`{"model":"m","input":[{"role":"user","content":"Hi"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}]},
			{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"c","annotations":[]},{"type":"refusal","refusal":"d"}]},
			{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{\"a\": 1}"},{"type":"function_call","call_id":"call_2","name":"g","arguments":""},
			{"type":"function_call_output","call_id":"call_1","output":"x"},{"type":"function_call_output","call_id":"call_2","output":[{"type":"input_text","text":"y"},{"type":"input_image","image_url":"https://example.org/a"}]},
			{"role":"assistant","content":"e"},{"role":"assistant","content":"f"}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]},` +
				`{"role":"assistant","content":[{"thinking":{"text":"a\n\nb"}},{"text":{"text":"c"}},{"text":{"text":"d","refusal":true}},{"tool_call":{"id":"call_1","name":"f","arguments":"{\"a\": 1}"}},{"tool_call":{"id":"call_2","name":"g"}}]},` +
				`{"role":"user","content":[{"tool_result":{"call_id":"call_1","content":[{"text":{"text":"x"}}]}},{"tool_result":{"call_id":"call_2","content":[{"text":{"text":"y"}},{"image":{"url":"https://example.org/a"}}]}}]},` +
				`{"role":"assistant","content":[{"text":{"text":"e"}}]},{"role":"assistant","content":[{"text":{"text":"f"}}]}]}`,
		},
		{
			"thoughts that are not summed up", `{"model":"m","input":[{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"a"}]}]}`,
			`{"model":"m","messages":[{"role":"assistant","content":[{"thinking":{"text":"a"}}]}]}`,
		},
		{
			"thoughts of another provider, which stay sealed", `{"model":"m","input":[{"role":"user","content":"Hi"},{"type":"reasoning","summary":[],"encrypted_content":"gAAA"},{"type":"reasoning","summary":[]}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]},{"role":"assistant","content":[{"thinking":{"text":"","signature":"` + (seal{Encrypted: "gAAA"}).String() + `"}}]}]}`,
		},
		{
			"tools of a provider in the history, which no one else knows",
			`{"model":"m","input":[{"role":"user","content":"Hi"},{"type":"web_search_call","id":"ws_1","action":{}},{"type":"mcp_call","output":{"a":1}},{"type":"of_tomorrow","content":7}]}`,
			`{"model":"m",` + hi + `,"extra":{"input.mcp_call":true,"input.of_tomorrow":true,"input.web_search_call":true}}`,
		},
		{
			"custom tools, as functions with one text",
			`{"model":"m","tools":[{"type":"custom","name":"patch","description":"Patches.","format":{"type":"grammar","syntax":"lark","definition":"start: x"}}],"tool_choice":{"type":"custom","name":"patch"},
			"input":[{"role":"user","content":"Hi"},{"type":"custom_tool_call","call_id":"c","name":"patch","input":"<a>"},{"type":"custom_tool_call_output","call_id":"c","output":"ok"}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]},{"role":"assistant","content":[{"tool_call":{"id":"c","name":"patch","arguments":"{\"input\":\"<a>\"}"}}]},{"role":"user","content":[{"tool_result":{"call_id":"c","content":[{"text":{"text":"ok"}}]}}]}],` +
				`"tools":[{"name":"patch","description":"Patches.\n\nThe input must follow this lark grammar:\nstart: x","parameters":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}}],"tool_choice":{"mode":"required","only":["patch"]}}`,
		},
		{
			"tools in a namespace, by their full names",
			`{"model":"m","tools":[{"type":"namespace","name":"crm","tools":[{"type":"function","name":"find","parameters":{},"strict":true}]}],
			"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"crm.find"}]},
			"input":[{"role":"user","content":"Hi"},{"type":"function_call","call_id":"c","namespace":"crm","name":"find","arguments":"{}"},{"type":"function_call","call_id":"d","name":"crm.find","arguments":"{}"}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"text":{"text":"Hi"}}]},{"role":"assistant","content":[{"tool_call":{"id":"c","name":"crm__find","arguments":"{}"}},{"tool_call":{"id":"d","name":"crm__find","arguments":"{}"}}]}],` +
				`"tools":[{"name":"crm__find","parameters":{},"strict":true}],"tool_choice":{"mode":"required","only":["crm__find"]}}`,
		},
		{
			"tools that a provider runs", `{"model":"m","input":"Hi","tools":[{"type":"web_search","filters":{}}],"tool_choice":"auto","parallel_tool_calls":false}`,
			`{"model":"m",` + hi + `,"tools":[{"name":"web_search","provider":{"dialect":"responses","kind":"web_search","json":{"type":"web_search","filters":{}}}}],"tool_choice":{"mode":"auto","serial":true}}`,
		},
		{
			"all options",
			`{"model":"m","input":"Hi","max_output_tokens":9,"temperature":0.5,"top_p":0.25,"top_logprobs":2,"include":["message.output_text.logprobs","reasoning.encrypted_content","web_search_call.action.sources"],
			"text":{"format":{"type":"json_schema","name":"n","description":"d","schema":{"z":1,"a":2},"strict":true},"verbosity":"low"},"reasoning":{"effort":"xhigh","summary":"auto"},"stream":true,"stream_options":{"include_obfuscation":false},
			"store":true,"user":"u","safety_identifier":"s","truncation":"auto","metadata":{"k":"v"},"service_tier":"flex","max_tool_calls":1,"prompt_cache_key":"k","background":false,"previous_response_id":null}`,
			`{"model":"m",` + hi + `,"sampling":{"temperature":0.5,"top_p":0.25},"limits":{"max_tokens":9},"format":{"schema":{"z":1,"a":2},"name":"n","description":"d","strict":true},"reasoning":{"effort":"xhigh"},"logprobs":2,"user":"s","stream":true,` +
				`"extra":{"include.web_search_call.action.sources":true,"max_tool_calls":1,"metadata":{"k":"v"},"prompt_cache_key":"k","service_tier":"flex","text.verbosity":"low","truncation":"auto"}}`,
		},
		{
			"options that ask for nothing",
			`{"model":"m","input":"Hi","truncation":"disabled","metadata":{},"service_tier":"auto","text":{"format":{"type":"text"},"verbosity":"medium"},"reasoning":{"effort":null},"tools":[],"tool_choice":null,"instructions":null,"include":null,"top_logprobs":5,"previous_response_id":"","conversation":null}`,
			`{"model":"m",` + hi + `}`,
		},
		{"JSON of any kind", `{"model":"m","input":"Hi","text":{"format":{"type":"json_object"}}}`, `{"model":"m",` + hi + `,"format":{}}`},
		{"an effort of tomorrow", `{"model":"m","input":"Hi","reasoning":{"effort":"giant"}}`, `{"model":"m",` + hi + `,"extra":{"reasoning.effort":"giant"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := shownRequest(t, decoded(t, tt.body).Request); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestEmulatedToolsAreListed(t *testing.T) {
	custom := decoded(t, `{"model":"m","input":"Hi","tools":[{"type":"custom","name":"a"},{"type":"custom","name":"b"}]}`)
	if want := []llm.Warning{{Policy: llm.Emulated, Field: "tools.custom"}}; !slices.Equal(custom.Warnings, want) {
		t.Errorf("got %v want %v", custom.Warnings, want)
	}
	plain := decoded(t, `{"model":"m","input":"Hi","tools":[{"type":"function","name":"a"}]}`)
	if len(plain.Warnings) > 0 {
		t.Errorf("got %v want none", plain.Warnings)
	}
}

// No two tools have the same name at the provider, and the one that is called is
// the one that the client is told of.
func TestNamesOfNamespacesAreNotThoseOfOtherTools(t *testing.T) {
	call := decoded(t, `{"model":"m","tools":[{"type":"function","name":"a__b"},{"type":"namespace","name":"a","tools":[{"type":"function","name":"b"},{"type":"function","name":"b c"},{"type":"function","name":"b_c"}]}],
		"tool_choice":{"type":"function","name":"b","namespace":"a"},"input":[{"type":"function_call","call_id":"c","name":"a__b","arguments":"{}"},{"type":"function_call","call_id":"d","name":"a.b","arguments":"{}"}]}`)
	var names []string
	for _, tool := range call.Request.Tools {
		names = append(names, tool.Name)
	}
	if want := []string{"a__b", "a__b_6a36993ca67f", "a__b_c", "a__b_c_be6e6fc15927"}; !slices.Equal(names, want) {
		t.Fatalf("the tools are %q, want %q", names, want)
	}
	if got := call.Request.ToolChoice.Only; !slices.Equal(got, names[1:2]) {
		t.Errorf("the tool to be called is %q, want %q", got, names[1:2])
	}
	var called []string
	for _, m := range call.Request.Messages {
		for _, b := range m.Content {
			if c, ok := b.(llm.ToolCall); ok {
				called = append(called, c.Name)
			}
		}
	}
	if !slices.Equal(called, names[:2]) {
		t.Errorf("called are %q, want %q", called, names[:2])
	}
	whole, err := call.Encoder.Whole(&llm.Response{Content: llm.Blocks{llm.ToolCall{ID: "c", Name: names[0]}, llm.ToolCall{ID: "d", Name: names[1]}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"call_id":"c","name":"a__b","arguments"`, `"call_id":"d","name":"b","namespace":"a"`} {
		if !strings.Contains(string(whole), want) {
			t.Errorf("the answer lacks %s: %s", want, whole)
		}
	}
}

func TestLongNamesOfNamespacesFitEveryProvider(t *testing.T) {
	long := strings.Repeat("n", 60)
	call := decoded(t, `{"model":"m","input":"Hi","tools":[{"type":"namespace","name":"`+long+`","tools":[{"type":"function","name":"find.one"},{"type":"function","name":"find_one"}]}]}`)
	a, b := call.Request.Tools[0].Name, call.Request.Tools[1].Name
	if dialect.LegalToolName(a, maxName) != a || a == b {
		t.Errorf("got %q and %q, want two legal names", a, b)
	}
	whole := written(t, call.Encoder, &llm.Response{Content: llm.Blocks{llm.ToolCall{ID: "c", Name: a}}, Finish: llm.Finish{Reason: llm.FinishToolCalls}}, false)
	if want := `"call_id":"c","name":"find.one","namespace":"` + long + `"`; !strings.Contains(string(whole), want) {
		t.Errorf("got %s want it to hold %s", whole, want)
	}
}

// bad are requests that are refused, with the field that is named.
var bad = map[string]string{
	`{}`:                          "model",
	`{"model":5}`:                 "model",
	`{"model":"m"}`:               "input",
	`{"model":"m","input":5}`:     "input",
	`{"model":"m","input":[]}`:    "input",
	`{"model":"m","input":["a"]}`: "input[0]",
	`{"model":"m","input":[{}]}`:  "input[0].type",
	`{"model":"m","input":[{"type":"message","content":"a"}]}`:                                          "input[0].role",
	`{"model":"m","input":[{"role":"tool","content":"a"}]}`:                                             "input[0].role",
	`{"model":"m","input":[{"role":"user","content":{}}]}`:                                              "input[0].content",
	`{"model":"m","input":[{"role":"user","content":[{"type":"input_audio"}]}]}`:                        "input[0].content[0].type",
	`{"model":"m","input":[{"role":"user","content":[{"type":"input_image"}]}]}`:                        "input[0].content[0].image_url",
	`{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:x,y"}]}]}`: "input[0].content[0].image_url",
	`{"model":"m","input":[{"role":"user","content":[{"type":"input_file"}]}]}`:                         "input[0].content[0].file_data",
	`{"model":"m","input":[{"type":"function_call","arguments":"{}"}]}`:                                 "input[0].name",
	`{"model":"m","input":[{"type":"function_call","name":"f","arguments":"[1]"}]}`:                     "input[0].arguments",
	`{"model":"m","input":[{"type":"function_call","name":7}]}`:                                         "input[0]",
	`{"model":"m","input":[{"type":"custom_tool_call","input":"a"}]}`:                                   "input[0].name",
	`{"model":"m","input":[{"type":"function_call_output","output":"a"}]}`:                              "input[0].call_id",
	`{"model":"m","input":[{"type":"reasoning","content":"a"}]}`:                                        "input[0].content",
	`{"model":"m","input":"a","tools":[{}]}`:                                                            "tools[0].type",
	`{"model":"m","input":"a","tools":[{"type":"function"}]}`:                                           "tools[0].name",
	`{"model":"m","input":"a","tools":[{"type":"namespace","name":"n","tools":[{"type":"custom"}]}]}`:   "tools[0].tools[0].name",
	`{"model":"m","input":"a","tool_choice":"any"}`:                                                     "tool_choice",
	`{"model":"m","input":"a","tool_choice":7}`:                                                         "tool_choice",
	`{"model":"m","input":"a","tool_choice":{"type":"function"}}`:                                       "tool_choice.name",
	`{"model":"m","input":"a","tool_choice":{"type":"allowed_tools","mode":"auto"}}`:                    "tool_choice.mode",
	`{"model":"m","input":"a","text":{"format":{"type":"grammar"}}}`:                                    "text.format.type",
	`{"model":"m","input":"a","text":{"format":{"type":"json_schema"}}}`:                                "text.format.schema",
	`{"model":"m","input":"a","max_output_tokens":"x"}`:                                                 "max_output_tokens",
}

// foreign are requests that are sound but need more than a translation.
var foreign = map[string]string{
	`{"model":"m","input":"a","previous_response_id":"resp_1"}`:                                           "previous_response_id",
	`{"model":"m","input":"a","conversation":"conv_1"}`:                                                   "conversation",
	`{"model":"m","input":"a","background":true}`:                                                         "background",
	`{"model":"m","prompt":{"id":"pmpt_1"}}`:                                                              "prompt",
	`{"model":"m","input":[{"type":"item_reference","id":"msg_1"}]}`:                                      "input[0]",
	`{"model":"m","input":[{"role":"user","content":"a"},{"type":"compaction","encrypted_content":"x"}]}`: "input[1]",
	`{"model":"m","input":"a","tool_choice":{"type":"web_search_preview"}}`:                               "tool_choice",
}

func TestBadRequestsAreRefusedByName(t *testing.T) {
	for code, cases := range map[llm.Code]map[string]string{llm.CodeInvalid: bad, llm.CodeUnsupported: foreign} {
		for _, body := range slices.Sorted(maps.Keys(cases)) {
			if !json.Valid([]byte(body)) {
				t.Fatalf("%s is no JSON", body)
			}
			_, err := Server{}.Decode(operation, []byte(body))
			e, ok := errors.AsType[*llm.Error](err)
			if !ok || e.Code != code || e.Param != cases[body] || e.Message == "" {
				t.Errorf("Decode(%s) = %#v want %s of %s", body, err, code, cases[body])
			}
		}
	}
}

func TestRefusalsHaveAllFourKeys(t *testing.T) {
	tests := []struct {
		err    *llm.Error
		status int
		want   string
	}{
		{unsupported("background", "no"), 400, `{"error":{"message":"no","type":"invalid_request_error","param":"background","code":"unsupported_parameter"}}`},
		{&llm.Error{Code: llm.CodeInvalid, Message: "bad"}, 400, `{"error":{"message":"bad","type":"invalid_request_error","param":null,"code":null}}`},
		{&llm.Error{Code: llm.CodeContextLength, Message: "long"}, 400, `{"error":{"message":"long","type":"invalid_request_error","param":"input","code":"context_length_exceeded"}}`},
		{&llm.Error{Code: llm.CodeUpstreamAuth, Message: "m"}, 502, `{"error":{"message":"m","type":"api_error","param":null,"code":"upstream_auth_error"}}`},
	}
	for _, tt := range tests {
		if status, body := (Server{}).Refuse(tt.err, "req_1"); status != tt.status || string(body) != tt.want {
			t.Errorf("got %d %s want %d %s", status, body, tt.status, tt.want)
		}
	}
}
