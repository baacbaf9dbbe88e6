package ollama

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

// say is a conversation of one turn of the user.
func say(blocks ...llm.Block) []llm.Message {
	return []llm.Message{{Role: llm.RoleUser, Content: blocks}}
}

func text(s string) llm.Block { return llm.Text{Text: s} }

// sent is the beginning of each encoded body, up to the messages' list.
const sent = `{"model":"m","stream":false,"messages":[`

func TestEncodeRequest(t *testing.T) {
	hi := say(text("hi"))
	const saidHi = `{"role":"user","content":"hi"}`
	lookUp := llm.Tool{Name: "look_up", Parameters: json.RawMessage(`{"type":"object","$defs":{"z":1,"a":2}}`)}
	stop := llm.Tool{Name: "stop", Description: "d", Strict: new(true)}
	const lookUpTool = `{"type":"function","function":{"name":"look_up","parameters":{"type":"object","$defs":{"z":1,"a":2}}}}`
	const stopTool = `{"type":"function","function":{"name":"stop","description":"d","parameters":{"type":"object","properties":{}}}}`
	call := llm.ToolCall{ID: "c1", Name: "look_up", Arguments: `{"z":1,"a":2}`}
	const wroteCall = `{"id":"c1","function":{"index":0,"name":"look_up","arguments":{"z":1,"a":2}}}`

	tests := []struct {
		name     string
		request  llm.Request
		want     string
		warnings string
	}{
		{"whether to stream is always said", llm.Request{Stream: true, Messages: hi}, `{"model":"m","stream":true,"messages":[` + saidHi + `]}`, ""},
		{"nothing said", llm.Request{}, sent + `]}`, ""},
		{"instructions are one message", llm.Request{System: llm.Blocks{text("a"), text("b")}, Messages: hi}, sent + `{"role":"system","content":"a\n\nb"},` + saidHi + `]}`, ""},
		{
			"all options", llm.Request{Messages: hi,
				Sampling: llm.Sampling{Temperature: new(0.0), TopP: new(0.5), TopK: new(3), MinP: new(0.1), Seed: new(int64(7)), FrequencyPenalty: new(1.0), PresencePenalty: new(2.0), RepeatPenalty: new(3.0)},
				Limits:   llm.Limits{MaxTokens: 9, Stop: []string{"a"}}},
			`{"model":"m","stream":false,"options":{"num_predict":9,"temperature":0,"top_p":0.5,"top_k":3,"min_p":0.1,"seed":7,"frequency_penalty":1,"presence_penalty":2,"repeat_penalty":3,"stop":["a"]},"messages":[` + saidHi + `]}`, "",
		},
		{"any JSON", llm.Request{Messages: hi, Format: &llm.Format{}}, `{"model":"m","stream":false,"format":"json","messages":[` + saidHi + `]}`, ""},
		{"JSON by a schema", llm.Request{Messages: hi, Format: &llm.Format{Name: "n", Description: "d", Schema: json.RawMessage(`{"z":1,"a":2}`)}}, `{"model":"m","stream":false,"format":{"z":1,"a":2},"messages":[` + saidHi + `]}`, "dropped response_format.description"},
		{"probabilities", llm.Request{Messages: hi, Logprobs: new(2)}, `{"model":"m","stream":false,"logprobs":true,"top_logprobs":2,"messages":[` + saidHi + `]}`, ""},
		{"no thinking", llm.Request{Messages: hi, Reasoning: &llm.Reasoning{Effort: llm.EffortNone}}, `{"model":"m","stream":false,"think":false,"messages":[` + saidHi + `]}`, ""},
		{"minimal thinking", llm.Request{Messages: hi, Reasoning: &llm.Reasoning{Effort: llm.EffortMinimal}}, `{"model":"m","stream":false,"think":"low","messages":[` + saidHi + `]}`, ""},
		{"the most thinking", llm.Request{Messages: hi, Reasoning: &llm.Reasoning{Effort: llm.EffortXHigh}}, `{"model":"m","stream":false,"think":"max","messages":[` + saidHi + `]}`, ""},
		{"thinking by a budget", llm.Request{Messages: hi, Reasoning: &llm.Reasoning{Budget: 2048, Hidden: true}}, `{"model":"m","stream":false,"think":true,"messages":[` + saidHi + `]}`, "dropped thinking.display"},
		{"tools", llm.Request{Messages: hi, Tools: []llm.Tool{lookUp, stop}}, sent + saidHi + `],"tools":[` + lookUpTool + `,` + stopTool + `]}`, "dropped strict"},
		{"tools that must not be called", llm.Request{Messages: hi, Tools: []llm.Tool{lookUp}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolsNone}}, sent + saidHi + `]}`, ""},
		{"some of the tools, one at a time", llm.Request{Messages: hi, Tools: []llm.Tool{lookUp, stop}, ToolChoice: &llm.ToolChoice{Only: []string{"look_up"}, Serial: true}}, sent + saidHi + `],"tools":[` + lookUpTool + `]}`, "dropped parallel_tool_calls"},
		{"any tool, but one", llm.Request{Messages: hi, Tools: []llm.Tool{lookUp, {Name: "g"}}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired}}, sent + `{"role":"system","content":"You must answer by calling one of the tools."},` + saidHi + `],"tools":[` + lookUpTool + `,{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}]}`, "emulated tool_choice"},
		{"a certain tool", llm.Request{System: llm.Blocks{text("a")}, Messages: hi, Tools: []llm.Tool{lookUp, stop}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"look_up"}}}, sent + `{"role":"system","content":"a\n\nYou must answer by calling the tool look_up."},` + saidHi + `],"tools":[` + lookUpTool + `]}`, "emulated tool_choice"},
		{
			"images, sound and texts of one message",
			llm.Request{Messages: say(text("a"), llm.Image{Source: llm.Source{Data: "AA=="}, Detail: "low"}, text("b"), llm.Audio{Source: llm.Source{Data: "AQ=="}})},
			sent + `{"role":"user","content":"a\nb","images":["AA==","AQ=="]}]}`, "dropped detail",
		},
		{
			"documents that are text",
			llm.Request{Messages: say(llm.Document{Source: llm.Source{Text: "body"}, Title: "T", Context: "C", Cite: true}, llm.Document{Source: llm.Source{MediaType: "text/plain", Data: "aGk="}})},
			sent + `{"role":"user","content":"T\nC\nbody\nhi"}]}`, "dropped citations",
		},
		{
			"a turn with thought, text and call",
			llm.Request{Messages: []llm.Message{{Role: llm.RoleAssistant, Name: "n", Content: llm.Blocks{
				llm.Thinking{Text: "hm", Signature: "s"}, llm.RedactedThinking{Data: "x"}, text("a"), text("b"), call, llm.ToolCall{ID: "c2", Name: "g"},
				llm.Opaque{Dialect: "anthropic", Kind: "server_tool_use"},
			}}}},
			sent + `{"role":"assistant","content":"ab","thinking":"hm","tool_calls":[` + wroteCall + `,{"id":"c2","function":{"index":1,"name":"g","arguments":{}}}]}]}`,
			"dropped name,dropped messages.server_tool_use,dropped redacted_thinking",
		},
		{
			"results come before the rest of their turn, named after the call",
			llm.Request{Messages: []llm.Message{
				{Role: llm.RoleAssistant, Content: llm.Blocks{call}},
				{Role: llm.RoleUser, Content: llm.Blocks{
					text("so?"),
					llm.ToolResult{CallID: "c1", Content: llm.Blocks{text("42"), llm.Image{Source: llm.Source{Data: "AA=="}}}},
					llm.ToolResult{Name: "g", Content: llm.Blocks{text("no")}, IsError: true},
					llm.ToolResult{Name: "g", Content: llm.Blocks{text("Error: no")}, IsError: true},
				}},
			}},
			sent + `{"role":"assistant","content":"","tool_calls":[` + wroteCall + `]},` +
				`{"role":"tool","content":"42","images":["AA=="],"tool_name":"look_up","tool_call_id":"c1"},` +
				`{"role":"tool","content":"Error: no","tool_name":"g"},{"role":"tool","content":"Error: no","tool_name":"g"},` +
				`{"role":"user","content":"so?"}]}`, "",
		},
		{
			"instructions in between, and an empty turn",
			llm.Request{Messages: []llm.Message{{Role: llm.RoleAssistant}, {Role: llm.RoleSystem, Content: llm.Blocks{text("a")}}}},
			sent + `{"role":"assistant","content":""},{"role":"system","content":"a"}]}`, "",
		},
		{
			"thinking, of a model that is known not to think",
			llm.Request{Messages: hi, Reasoning: &llm.Reasoning{Effort: llm.EffortLow, Hidden: true}, Facts: &llm.Facts{Thinking: Unthinking()}},
			sent + saidHi + `]}`, "dropped reasoning_effort",
		},
		{
			"no thinking, of such a model",
			llm.Request{Messages: hi, Reasoning: &llm.Reasoning{Effort: llm.EffortNone}, Facts: &llm.Facts{Thinking: Unthinking()}},
			`{"model":"m","stream":false,"think":false,"messages":[` + saidHi + `]}`, "",
		},
		{
			"one call at a time, of no tools",
			llm.Request{Messages: hi, ToolChoice: &llm.ToolChoice{Serial: true}},
			sent + saidHi + `]}`, "",
		},
		{
			"what cannot be carried is named in order",
			llm.Request{Messages: hi, User: "u", Extra: map[string]json.RawMessage{"store": json.RawMessage("true"), "logit_bias": json.RawMessage(`{"5":1}`), "n": json.RawMessage("1"), "background": json.RawMessage("false"), "modalities": json.RawMessage(`[ "text" ]`)}},
			sent + saidHi + `]}`, "dropped user,dropped logit_bias,dropped store",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.request.Model = "m"
			got, err := Client{}.Encode(&tt.request)
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Body) != tt.want || got.Operation != "chat" {
				t.Errorf("got  %s %s\nwant chat %s", got.Operation, got.Body, tt.want)
			}
			var warnings []string
			for _, w := range got.Warnings {
				warnings = append(warnings, string(w.Policy)+" "+w.Field)
			}
			if all := strings.Join(warnings, ","); all != tt.warnings {
				t.Errorf("got warnings %q, want %q", all, tt.warnings)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	answered := func(arguments string) llm.Request {
		return llm.Request{Messages: []llm.Message{{Role: llm.RoleAssistant, Content: llm.Blocks{llm.ToolCall{ID: "c", Name: "f", Arguments: arguments}}}}}
	}
	extra := func(key, value string) llm.Request {
		return llm.Request{Extra: map[string]json.RawMessage{key: json.RawMessage(value)}}
	}
	pdf := llm.Document{Source: llm.Source{MediaType: "application/pdf", Data: "AA=="}}
	tests := []struct {
		name    string
		request llm.Request
		code    llm.Code
		want    string
	}{
		{"an image elsewhere", llm.Request{Messages: say(llm.Image{Source: llm.Source{URL: "https://x/y.png"}})}, llm.CodeUnsupported, "image URLs are not currently supported, please use base64 encoded data instead"},
		{"an image on file", llm.Request{Messages: say(llm.Image{Source: llm.Source{FileID: "f"}})}, llm.CodeUnsupported, "media by reference is not supported for model 'm'"},
		{"what only another provider knows", llm.Request{Messages: say(llm.Opaque{Dialect: "other", Kind: "video"})}, llm.CodeUnsupported, "content of type video is not supported for model 'm'"},
		{"a PDF", llm.Request{Messages: say(pdf)}, llm.CodeUnsupported, "application/pdf is not supported for model 'm'"},
		{"a PDF in a result", llm.Request{Messages: say(llm.ToolResult{CallID: "c", Content: llm.Blocks{pdf}})}, llm.CodeUnsupported, "application/pdf is not supported for model 'm'"},
		{"a document elsewhere", llm.Request{Messages: say(llm.Document{Source: llm.Source{URL: "https://x"}})}, llm.CodeUnsupported, "a document that is not text is not supported for model 'm'"},
		{"a text in broken base64", llm.Request{Messages: say(llm.Document{Source: llm.Source{MediaType: "text/plain", Data: "!"}})}, llm.CodeInvalid, "document: illegal base64 data at input byte 0"},
		{"arguments that are cut off", answered(`{"a":`), llm.CodeInvalid, "tool call arguments must be a JSON object"},
		{"arguments in a list", answered(`[1]`), llm.CodeInvalid, "tool call arguments must be a JSON object"},
		{"a tool that the provider runs", llm.Request{Tools: []llm.Tool{{Provider: &llm.Opaque{Kind: "web_search_20250305"}}}}, llm.CodeUnsupported, `tool type "web_search_20250305" is not supported for model 'm'`},
		{"a choice among no tools", llm.Request{ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired}}, llm.CodeInvalid, "tool_choice demands a tool, but none is offered"},
		{"two answers", extra("n", "2"), llm.CodeUnsupported, "n is not supported for model 'm'"},
		{"an answer in sound", extra("modalities", `["text","audio"]`), llm.CodeUnsupported, "modalities is not supported for model 'm'"},
		{"a search with its defaults", extra("web_search_options", "{}"), llm.CodeUnsupported, "web_search_options is not supported for model 'm'"},
		{"a conversation kept elsewhere", extra("previous_response_id", `"r"`), llm.CodeUnsupported, "previous_response_id is not supported for model 'm'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.request.Model = "m"
			_, err := Client{}.Encode(&tt.request)
			e, ok := errors.AsType[*llm.Error](err)
			if !ok || e.Code != tt.code || e.Message != tt.want {
				t.Errorf("got  %v\nwant %s: %s", err, tt.code, tt.want)
			}
		})
	}
}
