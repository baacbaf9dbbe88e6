package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

func said(role llm.Role, blocks ...llm.Block) llm.Message {
	return llm.Message{Role: role, Content: blocks}
}

func text(s string) llm.Block { return llm.Text{Text: s} }

func TestEncodeWritesMessages(t *testing.T) {
	png := llm.Image{Source: llm.Source{Data: "iVBORw0KGgo="}}
	long := strings.Repeat("x", 41)
	tests := []struct {
		name string
		in   llm.Request
		want string
	}{
		{"instructions as one message, later ones in place",
			llm.Request{System: llm.Blocks{text("A"), text("B")}, Messages: []llm.Message{said(llm.RoleUser, text("Hi")), said(llm.RoleSystem, text("C"))}},
			`[{"role":"system","content":"A\n\nB"},{"role":"user","content":"Hi"},{"role":"system","content":"C"}]`},
		{"pictures as data URLs of the sniffed type",
			llm.Request{Messages: []llm.Message{said(llm.RoleUser, text("See"), png, llm.Image{Source: llm.Source{URL: "https://x"}, Detail: "low"})}},
			`[{"role":"user","content":[{"type":"text","text":"See"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}},{"type":"image_url","image_url":{"url":"https://x","detail":"low"}}]}]`},
		{"files and sound",
			llm.Request{Messages: []llm.Message{said(llm.RoleUser, llm.Document{Source: llm.Source{Data: "aGk="}, Title: "a.pdf"}, llm.Document{Source: llm.Source{Text: "plain"}, Title: "notes"}, llm.Audio{Source: llm.Source{Data: "aGk=", MediaType: "audio/mpeg"}})}},
			`[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,aGk=","filename":"a.pdf"}},{"type":"text","text":"notes\n\nplain"},{"type":"input_audio","input_audio":{"data":"aGk=","format":"mp3"}}]}]`},
		{"calls and results, with ids where there are none",
			llm.Request{Messages: []llm.Message{
				said(llm.RoleAssistant, llm.Thinking{Text: "Hm"}, llm.ToolCall{Name: "f"}, llm.ToolCall{Name: "g", Arguments: `{"a":1}`}),
				said(llm.RoleUser, llm.ToolResult{Name: "g", Content: llm.Blocks{text("G")}}, llm.ToolResult{Name: "f", Content: llm.Blocks{text("F")}, IsError: true}, text("Go on"))}},
			`[{"role":"assistant","content":null,"reasoning_content":"Hm","tool_calls":[{"id":"call_0","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"call_1","type":"function","function":{"name":"g","arguments":"{\"a\":1}"}}]},{"role":"tool","content":"G","tool_call_id":"call_1"},{"role":"tool","content":"Error: F","tool_call_id":"call_0"},{"role":"user","content":"Go on"}]`},
		{"repeated and overlong ids so that they differ and fit",
			llm.Request{Messages: []llm.Message{
				said(llm.RoleAssistant, llm.ToolCall{ID: "call_1", Name: "f"}), said(llm.RoleUser, llm.ToolResult{CallID: "call_1"}),
				said(llm.RoleAssistant, llm.ToolCall{ID: "call_1", Name: "f"}), said(llm.RoleUser, llm.ToolResult{CallID: "call_1"}),
				said(llm.RoleAssistant, llm.ToolCall{ID: long, Name: "f"}), said(llm.RoleUser, llm.ToolResult{CallID: long})}},
			fmt.Sprintf(`[{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"","tool_call_id":"call_1"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1_2","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"","tool_call_id":"call_1_2"},{"role":"assistant","content":null,"tool_calls":[{"id":"%[1]s","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"","tool_call_id":"%[1]s"}]`, shorten(long))},
		{"pictures of results after the last result",
			llm.Request{Messages: []llm.Message{
				said(llm.RoleAssistant, llm.ToolCall{ID: "a", Name: "f"}, llm.ToolCall{ID: "b", Name: "f"}),
				said(llm.RoleUser, llm.ToolResult{CallID: "a", Content: llm.Blocks{text("pic"), png}}),
				said(llm.RoleUser, llm.ToolResult{CallID: "b", Content: llm.Blocks{text("B")}})}},
			`[{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"pic\n(see the attachment in the next message)","tool_call_id":"a"},{"role":"tool","content":"B","tool_call_id":"b"},{"role":"user","content":[{"type":"text","text":"Attachment to the result of tool call a:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]`},
		{"results without ids in the order of the calls",
			llm.Request{Messages: []llm.Message{
				said(llm.RoleAssistant, llm.ToolCall{Name: "f"}, llm.ToolCall{Name: "f"}),
				said(llm.RoleUser, llm.ToolResult{Name: "f", Content: llm.Blocks{text("1")}}, llm.ToolResult{Name: "f", Content: llm.Blocks{png}}),
				said(llm.RoleUser, text("Go on"))}},
			`[{"role":"assistant","content":null,"tool_calls":[{"id":"call_0","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"1","tool_call_id":"call_0"},{"role":"tool","content":"(see the attachment in the next message)","tool_call_id":"call_1"},{"role":"user","content":[{"type":"text","text":"Attachment to the result of tool call call_1:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]},{"role":"user","content":"Go on"}]`},
		{"a result whose call is gone as text",
			llm.Request{Messages: []llm.Message{said(llm.RoleUser, llm.ToolResult{Name: "f", Content: llm.Blocks{text("42")}})}},
			`[{"role":"user","content":[{"type":"text","text":"[tool result f] 42"}]}]`},
		{"a result whose call is gone as text, also with an id",
			llm.Request{Messages: []llm.Message{said(llm.RoleUser, llm.ToolResult{CallID: "a", Content: llm.Blocks{text("42")}}, text("Go on"))}},
			`[{"role":"user","content":[{"type":"text","text":"[tool result a] 42"}]},{"role":"user","content":"Go on"}]`},
		{"something for results that are gone",
			llm.Request{Messages: []llm.Message{
				said(llm.RoleAssistant, llm.ToolCall{ID: "a", Name: "f"}, llm.ToolCall{ID: "b", Name: "f"}),
				said(llm.RoleUser, llm.ToolResult{CallID: "b", Content: llm.Blocks{text("B")}}, text("Go on")),
				said(llm.RoleAssistant, llm.ToolCall{ID: "c", Name: "f"})}},
			`[{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"B","tool_call_id":"b"},{"role":"tool","content":"[no result]","tool_call_id":"a"},{"role":"user","content":"Go on"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"[no result]","tool_call_id":"c"}]`},
		{"results before all else of the user",
			llm.Request{Messages: []llm.Message{
				said(llm.RoleAssistant, llm.ToolCall{ID: "a", Name: "f"}), said(llm.RoleAssistant, llm.ToolCall{ID: "b", Name: "f"}),
				said(llm.RoleUser, llm.ToolResult{CallID: "a", Content: llm.Blocks{text("A")}}), said(llm.RoleUser, text("See")),
				said(llm.RoleUser, llm.ToolResult{CallID: "b", Content: llm.Blocks{text("B")}})}},
			`[{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"A","tool_call_id":"a"},{"role":"tool","content":"B","tool_call_id":"b"},{"role":"user","content":"See"}]`},
		{"a turn of a user who says nothing",
			llm.Request{Messages: []llm.Message{said(llm.RoleUser, text("Hi")), said(llm.RoleAssistant, text("Yes?")), said(llm.RoleUser)}},
			`[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes?"},{"role":"user","content":""}]`},
		{"no turn of an assistant that says nothing",
			llm.Request{Messages: []llm.Message{said(llm.RoleAssistant, llm.Thinking{Text: "Hm"}), said(llm.RoleAssistant, llm.Text{Text: "No", Refusal: true})}},
			`[{"role":"assistant","content":null,"refusal":"No"}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			encoded, err := Client{}.Encode(&tt.in)
			if err != nil {
				t.Fatal(err)
			}
			var out struct{ Messages json.RawMessage }
			if err := json.Unmarshal(encoded.Body, &out); err != nil {
				t.Fatal(err)
			}
			if string(out.Messages) != tt.want {
				t.Errorf("got  %s\nwant %s", out.Messages, tt.want)
			}
		})
	}
}

func TestEncodeWritesTheRest(t *testing.T) {
	tools := []llm.Tool{{Name: "f", Parameters: json.RawMessage(`{"type":"object", "b":1,"a":2}`)}, {Name: "g"}}
	const f, g = `{"type":"function","function":{"name":"f","parameters":{"type":"object","b":1,"a":2}}}`, `{"type":"function","function":{"name":"g"}}`
	tests := []struct {
		name     string
		client   Client
		in       llm.Request
		want     string
		warnings string
	}{
		{"a named tool, one call at a time", Client{}, llm.Request{Tools: tools, ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"f"}, Serial: true}},
			`"tools":[` + f + `,` + g + `],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false`, ""},
		{"some allowed tools", Client{}, llm.Request{Tools: tools, ToolChoice: &llm.ToolChoice{Only: []string{"f", "g"}}},
			`"tools":[` + f + `,` + g + `],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]}}`, ""},
		{"no choice without tools", Client{}, llm.Request{ToolChoice: &llm.ToolChoice{Mode: llm.ToolsNone}}, ``, ""},
		{"limits, of which some are dropped", Client{}, llm.Request{Limits: llm.Limits{MaxTokens: 9, Stop: []string{"a", "b", "c", "d", "e"}}, Sampling: llm.Sampling{Temperature: new(0.0), TopK: new(3), MinP: new(0.1)}},
			`"temperature":0,"max_tokens":9,"stop":["a","b","c","d"]`, "top_k min_p stop"},
		{"a long name of a user as a digest", Client{}, llm.Request{User: strings.Repeat("u", 65)}, `"user":"` + dialect.ShortUser(strings.Repeat("u", 65)) + `"`, ""},
		{"the flags of the provider", Client{MaxTokensField: "max_completion_tokens", UserField: "safety_identifier"}, llm.Request{User: "u", Limits: llm.Limits{MaxTokens: 9}, Stream: true},
			`"max_completion_tokens":9,"safety_identifier":"u","stream":true,"stream_options":{"include_usage":true}`, ""},
		{"a stream without options", Client{NoStreamOptions: true}, llm.Request{User: "u", Stream: true}, `"user":"u","stream":true`, ""},
		{"a schema", Client{}, llm.Request{Format: &llm.Format{Schema: json.RawMessage(`{"z":1,"a":2}`), Strict: new(false)}},
			`"response_format":{"type":"json_schema","json_schema":{"name":"response","schema":{"z":1,"a":2},"strict":false}}`, ""},
		{"any JSON", Client{}, llm.Request{Format: &llm.Format{}}, `"response_format":{"type":"json_object"}`, ""},
		{"an effort", Client{}, llm.Request{Reasoning: &llm.Reasoning{Effort: llm.EffortNone}}, `"reasoning_effort":"none"`, ""},
		{"an effort from a budget", Client{}, llm.Request{Reasoning: &llm.Reasoning{Budget: 70}, Limits: llm.Limits{MaxTokens: 100}}, `"max_tokens":100,"reasoning_effort":"high"`, ""},
		{"an effort from nothing", Client{}, llm.Request{Reasoning: &llm.Reasoning{}}, `"reasoning_effort":"medium"`, ""},
		{"log probabilities", Client{}, llm.Request{Logprobs: new(2)}, `"logprobs":true,"top_logprobs":2`, ""},
		{"nothing of what it does not know", Client{}, llm.Request{Extra: map[string]json.RawMessage{"z": json.RawMessage(`1`), "a": json.RawMessage(`1`), "n": json.RawMessage(`null`)}}, ``, "a z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Model = "m"
			encoded, err := tt.client.Encode(&tt.in)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.TrimSuffix(`{"model":"m","messages":[],`+tt.want, ",") + "}"
			if string(encoded.Body) != want {
				t.Errorf("got  %s\nwant %s", encoded.Body, want)
			}
			var fields []string
			for _, w := range encoded.Warnings {
				fields = append(fields, w.Field)
			}
			if got := strings.Join(fields, " "); got != tt.warnings {
				t.Errorf("got warnings %q, want %q", got, tt.warnings)
			}
		})
	}
}

func TestEncodeGivesInstructionsAndThoughtsTheNamesOfTheProvider(t *testing.T) {
	in := &llm.Request{System: llm.Blocks{text("A")}, Messages: []llm.Message{said(llm.RoleAssistant, llm.Thinking{Text: "Hm"}, text("B"))}}
	for field, want := range map[string]string{
		"reasoning": `{"role":"assistant","content":"B","reasoning":"Hm"}`,
		"none":      `{"role":"assistant","content":"B"}`,
	} {
		encoded, err := Client{DeveloperRole: true, ReasoningField: field}.Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(encoded.Body), `[{"role":"developer","content":"A"},`+want+`]`) {
			t.Errorf("%s: got %s, want %s", field, encoded.Body, want)
		}
	}
}

func TestEncodeRefusesWhatMustNotBeDropped(t *testing.T) {
	tests := []struct {
		name string
		in   llm.Request
	}{
		{"a tool of another provider", llm.Request{Tools: []llm.Tool{{Provider: &llm.Opaque{Dialect: "other", Kind: "search"}}}}},
		{"a file that only its provider has", llm.Request{Messages: []llm.Message{said(llm.RoleUser, llm.Document{Source: llm.Source{FileID: "f"}})}}},
		{"a document by URL", llm.Request{Messages: []llm.Message{said(llm.RoleUser, llm.Document{Source: llm.Source{URL: "https://x"}})}}},
		{"an opaque block of another dialect", llm.Request{Messages: []llm.Message{said(llm.RoleUser, llm.Opaque{Dialect: "other", Kind: "x"})}}},
		{"sound by URL", llm.Request{Messages: []llm.Message{said(llm.RoleUser, llm.Audio{Source: llm.Source{URL: "https://x"}})}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Client{}.Encode(&tt.in)
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeUnsupported || e.Param == "" {
				t.Errorf("got %v, want it refused as unsupported", err)
			}
		})
	}
}
