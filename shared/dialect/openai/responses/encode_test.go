package responses

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func user(content ...llm.Block) llm.Message {
	return llm.Message{Role: llm.RoleUser, Content: content}
}

func assistant(content ...llm.Block) llm.Message {
	return llm.Message{Role: llm.RoleAssistant, Content: content}
}

func TestRequestsAreWritten(t *testing.T) {
	text := func(s string) llm.Block { return llm.Text{Text: s} }
	hi := []llm.Message{user(text("Hi"))}
	const saidHi = `{"role":"user","content":"Hi"}`
	call := func(id string) llm.Block { return llm.ToolCall{ID: id, Name: "f", Arguments: `{"a":1}`} }
	result := func(id, s string) llm.Block {
		return llm.ToolResult{CallID: id, Content: llm.Blocks{llm.Text{Text: s}}}
	}
	wire := func(id string) string {
		return `{"type":"function_call","call_id":"` + id + `","name":"f","arguments":"{\"a\":1}"}`
	}
	sealed := seal{Encrypted: "gAAA"}.String()
	tests := []struct {
		name   string
		client Client
		in     llm.Request
		want   string // of the body, but for model and store
		lost   string
	}{
		{"a text", Client{}, llm.Request{Messages: hi}, `"input":[` + saidHi + `]`, ""},
		{
			"instructions, before and in the middle", Client{},
			llm.Request{System: llm.Blocks{text("A"), text("B")}, Messages: []llm.Message{user(text("Hi")), {Role: llm.RoleSystem, Content: llm.Blocks{text("C")}}}},
			`"instructions":"A\n\nB","input":[` + saidHi + `,{"role":"system","content":"C"}]`, "",
		},
		{
			"pictures and files", Client{},
			llm.Request{Messages: []llm.Message{user(text("a"), llm.Image{Source: llm.Source{Data: "iVBORw0KGgo="}, Detail: "low"}, llm.Image{Source: llm.Source{URL: "https://example.org/a"}}, llm.Image{Source: llm.Source{FileID: "file_1"}},
				llm.Document{Source: llm.Source{Data: "aGk="}, Cite: true}, llm.Document{Source: llm.Source{URL: "https://example.org/b"}, Title: "b.pdf"}, llm.Document{Source: llm.Source{Text: "plain"}, Title: "T"})}},
			`"input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","detail":"low","image_url":"data:image/png;base64,iVBORw0KGgo="},{"type":"input_image","image_url":"https://example.org/a"},{"type":"input_image","file_id":"file_1"},` +
				`{"type":"input_file","file_data":"data:application/pdf;base64,aGk=","filename":"document.pdf"},{"type":"input_file","file_url":"https://example.org/b","filename":"b.pdf"},{"type":"input_text","text":"T\n\nplain"}]}]`, "dropped citations",
		},
		{
			"a turn with thoughts, words and calls", Client{},
			llm.Request{Messages: []llm.Message{user(text("Hi")), assistant(llm.Thinking{Text: "hm", Signature: sealed}, text("a"), llm.Text{Text: "no", Refusal: true}, call("c"), text("")), user(text("go on"), result("c", "x"))}},
			`"input":[` + saidHi + `,{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAA"},` +
				`{"role":"assistant","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"no"}]},` + wire("c") + `,{"type":"function_call_output","call_id":"c","output":"x"},{"role":"user","content":"go on"}],"include":["reasoning.encrypted_content"]`, "",
		},
		{
			"thoughts of other providers", Client{},
			llm.Request{Messages: []llm.Message{user(text("Hi")), assistant(llm.Thinking{Text: "hm", Signature: "sig"}, llm.RedactedThinking{Data: "x"}, llm.Thinking{Text: "hm"}, text("a"))}},
			`"input":[` + saidHi + `,{"role":"assistant","content":"a"}]`, "dropped reasoning",
		},
		{
			"thoughts of other providers, where they are read", Client{PlainReasoning: true},
			llm.Request{Messages: []llm.Message{user(text("Hi")), assistant(llm.Thinking{Text: "hm", Signature: "sig"}, text("a"))}},
			`"input":[` + saidHi + `,{"type":"reasoning","content":[{"type":"reasoning_text","text":"hm"}],"summary":[]},{"role":"assistant","content":"a"}]`, "",
		},
		{
			"a failed call, a lost one, and a lost result", Client{},
			llm.Request{Messages: []llm.Message{user(text("Hi")), assistant(call("c"), call("d")), user(llm.ToolResult{CallID: "c", IsError: true, Content: llm.Blocks{text("oh")}}, result("z", "y"))}},
			`"input":[` + saidHi + `,` + wire("c") + `,` + wire("d") + `,{"type":"function_call_output","call_id":"c","output":"Error: oh"},{"role":"user","content":[{"type":"input_text","text":"[tool result ] "},{"type":"input_text","text":"y"}]},{"type":"function_call_output","call_id":"d","output":"[no result]"}]`, "",
		},
		{
			"calls without ids, with the same id, and with a long one", Client{},
			llm.Request{Messages: []llm.Message{
				user(text("Hi")), assistant(call("")), user(llm.ToolResult{Name: "f", Content: llm.Blocks{text("x")}}),
				assistant(call("c")), user(result("c", "y")), assistant(call("c")), user(result("c", "z")), assistant(call(strings.Repeat("l", 65))), user(result(strings.Repeat("l", 65), "w")),
			}},
			`"input":[` + saidHi + `,` + wire("call_0") + `,{"type":"function_call_output","call_id":"call_0","output":"x"},` + wire("c") + `,{"type":"function_call_output","call_id":"c","output":"y"},` +
				wire("c_3") + `,{"type":"function_call_output","call_id":"c_3","output":"z"},` + wire(shorten(strings.Repeat("l", 65))) + `,{"type":"function_call_output","call_id":"` + shorten(strings.Repeat("l", 65)) + `","output":"w"}]`, "",
		},
		{
			"a picture as a result", Client{},
			llm.Request{Messages: []llm.Message{assistant(call("c")), user(llm.ToolResult{CallID: "c", Content: llm.Blocks{llm.Image{Source: llm.Source{URL: "https://example.org/a"}}}})}},
			`"input":[` + wire("c") + `,{"type":"function_call_output","call_id":"c","output":[{"type":"input_image","image_url":"https://example.org/a"}]}]`, "",
		},
		{
			"tools", Client{},
			llm.Request{Messages: hi, Tools: []llm.Tool{{Name: "f", Description: "d"}, {Name: "g", Parameters: json.RawMessage(`{"z":1,"a":2}`), Strict: new(true)}, {Name: "w", Provider: &llm.Opaque{Dialect: name, Kind: "web_search", JSON: json.RawMessage(`{"type":"web_search"}`)}}},
				ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"f", "g"}, Serial: true}},
			`"input":[` + saidHi + `],"tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object","properties":{}},"strict":false},{"type":"function","name":"g","parameters":{"z":1,"a":2},"strict":true},{"type":"web_search"}],` +
				`"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}]},"parallel_tool_calls":false`, "",
		},
		{
			"one tool", Client{}, llm.Request{Messages: hi, Tools: []llm.Tool{{Name: "f"}}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"f"}}},
			`"input":[` + saidHi + `],"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}},"strict":false}],"tool_choice":{"type":"function","name":"f"}`, "",
		},
		{
			"options", Client{UserField: "safety_identifier"},
			llm.Request{Messages: hi, Stream: true, User: "u", Logprobs: new(2), Limits: llm.Limits{MaxTokens: 100, Stop: []string{"x"}}, Reasoning: &llm.Reasoning{Budget: 70},
				Sampling: llm.Sampling{Temperature: new(0.5), TopP: new(0.25), TopK: new(1), MinP: new(0.1), Seed: new(int64(1)), FrequencyPenalty: new(0.1), PresencePenalty: new(0.1), RepeatPenalty: new(1.1)},
				Extra:    map[string]json.RawMessage{"logit_bias": json.RawMessage(`{"1":1}`)}},
			`"input":[` + saidHi + `],"max_output_tokens":100,"reasoning":{"effort":"high","summary":"auto"},"include":["message.output_text.logprobs","reasoning.encrypted_content"],"temperature":0.5,"top_p":0.25,"top_logprobs":2,"safety_identifier":"u",STORE,"stream":true`,
			"dropped top_k, dropped min_p, dropped seed, dropped frequency_penalty, dropped presence_penalty, dropped repeat_penalty, dropped stop, dropped logit_bias",
		},
		{"no thinking", Client{}, llm.Request{Messages: hi, Reasoning: &llm.Reasoning{Effort: llm.EffortNone}}, `"input":[` + saidHi + `],"reasoning":{"effort":"none"}`, ""},
		{"thinking that is not shown", Client{}, llm.Request{Messages: hi, Reasoning: &llm.Reasoning{Hidden: true}}, `"input":[` + saidHi + `],"reasoning":{"effort":"medium"},"include":["reasoning.encrypted_content"]`, ""},
		{"thinking without a summary", Client{NoSummary: true}, llm.Request{Messages: hi, Reasoning: &llm.Reasoning{Effort: llm.EffortLow}}, `"input":[` + saidHi + `],"reasoning":{"effort":"low"},"include":["reasoning.encrypted_content"]`, ""},
		{"any JSON", Client{}, llm.Request{Messages: hi, Format: &llm.Format{}}, `"input":[` + saidHi + `],"text":{"format":{"type":"json_object"}}`, ""},
		{
			"JSON by a schema", Client{}, llm.Request{Messages: hi, Format: &llm.Format{Schema: json.RawMessage(`{"z":1,"a":2}`), Strict: new(true)}},
			`"input":[` + saidHi + `],"text":{"format":{"type":"json_schema","name":"response","schema":{"z":1,"a":2},"strict":true}}`, "",
		},
		{
			"items of this dialect, and of another", Client{},
			llm.Request{Messages: []llm.Message{user(text("Hi")), assistant(llm.Opaque{Dialect: name, Kind: "x", JSON: json.RawMessage(`{"type":"x"}`)}, llm.Opaque{Dialect: "other", Kind: "y", JSON: json.RawMessage(`{}`)})}},
			`"input":[` + saidHi + `,{"type":"x"}]`, "dropped messages.y",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Model = "m"
			encoded, err := tt.client.Encode(&tt.in)
			if err != nil {
				t.Fatal(err)
			}
			var lost []string
			for _, w := range encoded.Warnings {
				lost = append(lost, fmt.Sprintf("%s %s", w.Policy, w.Field))
			}
			want := `{"model":"m",` + tt.want + `,"store":false}`
			if before, after, ok := strings.Cut(tt.want, "STORE"); ok {
				want = `{"model":"m",` + before + `"store":false` + after + `}`
			}
			if got := string(encoded.Body); got != want || encoded.Operation != operation {
				t.Errorf("%s: got\n%s\nwant\n%s", encoded.Operation, got, want)
			}
			if got := strings.Join(lost, ", "); got != tt.lost {
				t.Errorf("lost is %q want %q", got, tt.lost)
			}
		})
	}
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	tests := []struct {
		name  string
		in    llm.Request
		param string
	}{
		{"sound", llm.Request{Messages: []llm.Message{user(llm.Audio{Source: llm.Source{Data: "aGk="}})}}, "messages"},
		{"a picture by the assistant", llm.Request{Messages: []llm.Message{assistant(llm.Image{})}}, "messages"},
		{"a part of another dialect", llm.Request{Messages: []llm.Message{user(llm.Opaque{Dialect: "other", Kind: "video"})}}, "messages"},
		{"another provider's tool", llm.Request{Tools: []llm.Tool{{Provider: &llm.Opaque{Dialect: "anthropic", Kind: "web_search_20250305"}}}}, "tools"},
		{"a tool whose schema is no JSON", llm.Request{Tools: []llm.Tool{{Name: "f", Parameters: json.RawMessage("{")}}}, "tools"},
		{"a format that is no JSON", llm.Request{Format: &llm.Format{Schema: json.RawMessage("{")}}, "text.format"},
		{"several answers", llm.Request{Extra: map[string]json.RawMessage{"n": json.RawMessage("2")}}, "n"},
	}
	for _, tt := range tests {
		_, err := Client{}.Encode(&tt.in)
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Param != tt.param || e.Code != llm.CodeUnsupported && e.Code != llm.CodeInvalid {
			t.Errorf("%s: got %v want %s to be refused", tt.name, err, tt.param)
		}
	}
}
