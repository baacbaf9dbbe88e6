package anthropic

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

// Models of each generation.
const (
	old     = "claude-3-haiku-20240307"
	manual  = "claude-sonnet-4-5-20250929"
	either  = "claude-opus-4-6"
	fresh   = "claude-opus-4-8"
	newest  = "claude-opus-5-5"
	foreign = "glm-4"
)

func user(blocks ...llm.Block) llm.Message {
	return llm.Message{Role: llm.RoleUser, Content: blocks}
}

func assistant(blocks ...llm.Block) llm.Message {
	return llm.Message{Role: llm.RoleAssistant, Content: blocks}
}

func system(text string) llm.Message {
	return llm.Message{Role: llm.RoleSystem, Content: llm.Blocks{llm.Text{Text: text}}}
}

func text(s string) llm.Block { return llm.Text{Text: s} }

func call(id, name string) llm.Block { return llm.ToolCall{ID: id, Name: name, Arguments: `{"a":1}`} }

func result(id, name, content string) llm.Block {
	return llm.ToolResult{CallID: id, Name: name, Content: llm.Blocks{llm.Text{Text: content}}}
}

// encoded returns fields of the encoded body, as `name=value` lines.
func encoded(t *testing.T, r llm.Request, fields ...string) (string, []llm.Warning) {
	t.Helper()
	out, err := Client{}.Encode(&r)
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	if out.Operation != "messages" {
		t.Errorf("got operation %q, want messages", out.Operation)
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(out.Body, &body); err != nil {
		t.Fatalf("body %s: %v", out.Body, err)
	}
	var got []string
	for _, f := range fields {
		got = append(got, fmt.Sprintf("%s=%s", f, body[f]))
	}
	return strings.Join(got, "\n"), out.Warnings
}

func TestEncodeMessages(t *testing.T) {
	const (
		use1   = `{"type":"tool_use","id":"a","name":"f","input":{"a":1}}`
		use2   = `{"type":"tool_use","id":"b","name":"g","input":{"a":1}}`
		done1  = `{"type":"tool_result","tool_use_id":"a","content":"1"}`
		done2  = `{"type":"tool_result","tool_use_id":"b","content":"2"}`
		hello  = `{"type":"text","text":"Hi"}`
		lost   = `"content":"[no result]","is_error":true}`
		toUser = `{"role":"user","content":[`
		toAsst = `{"role":"assistant","content":[`
	)
	tests := []struct {
		name     string
		messages []llm.Message
		want     string
	}{
		{"neighbours of one role become one turn", []llm.Message{user(text("Hi")), user(text("you"))},
			toUser + hello + `,{"type":"text","text":"you"}]}`},
		{"results come first and in the order of the calls", []llm.Message{
			user(text("Hi")), assistant(call("a", "f"), call("b", "g")),
			user(text("note"), result("b", "", "2")), user(result("a", "", "1")),
		}, toUser + hello + `]},` + toAsst + use1 + `,` + use2 + `]},` + toUser + done1 + `,` + done2 + `,{"type":"text","text":"note"}]}`},
		{"a lost result is put in", []llm.Message{user(text("Hi")), assistant(call("a", "f")), assistant(call("b", "g")), user(result("b", "", "2"))},
			toUser + hello + `]},` + toAsst + use1 + `,` + use2 + `]},` + toUser + `{"type":"tool_result","tool_use_id":"a",` + lost + `,` + done2 + `]}`},
		{"calls at the end get results as well", []llm.Message{user(text("Hi")), assistant(call("a", "f"))},
			toUser + hello + `]},` + toAsst + use1 + `]},` + toUser + `{"type":"tool_result","tool_use_id":"a",` + lost + `]}`},
		{"a result without a call becomes text", []llm.Message{user(result("x", "f", "1"))},
			toUser + `{"type":"text","text":"[tool result f] 1"}]}`},
		{"without ids the names decide", []llm.Message{user(text("Hi")), assistant(call("", "f"), call("", "g")), user(result("", "g", "2"), result("", "f", "1"))},
			toUser + hello + `]},` + toAsst + `{"type":"tool_use","id":"call_0","name":"f","input":{"a":1}},{"type":"tool_use","id":"call_1","name":"g","input":{"a":1}}]},` +
				toUser + `{"type":"tool_result","tool_use_id":"call_0","content":"1"},{"type":"tool_result","tool_use_id":"call_1","content":"2"}]}`},
		{"ids used again are told apart", []llm.Message{user(text("Hi")), assistant(call("a", "f")), user(result("a", "", "1")), assistant(call("a", "f")), user(result("a", "", "3"))},
			toUser + hello + `]},` + toAsst + use1 + `]},` + toUser + done1 + `]},` +
				toAsst + `{"type":"tool_use","id":"a_2","name":"f","input":{"a":1}}]},` + toUser + `{"type":"tool_result","tool_use_id":"a_2","content":"3"}]}`},
		{"empty text is left out, and turns of nothing else", []llm.Message{user(text("Hi"), text(" \n")), assistant(text("")), user(text("you"))},
			toUser + hello + `,{"type":"text","text":"you"}]}`},
		{"a begun answer loses its last spaces", []llm.Message{user(text("Hi")), assistant(text(" I am "))},
			toUser + hello + `]},` + toAsst + `{"type":"text","text":" I am"}]}`},
		{"only real signatures go", []llm.Message{user(text("Hi")), assistant(
			llm.Thinking{Text: "a", Signature: "real"}, llm.Thinking{Text: "b"}, llm.Thinking{Text: "c", Signature: "allama1.x"},
			llm.RedactedThinking{Data: "d"}, llm.RedactedThinking{Data: "allama1.x"}, text("ok"))},
			toUser + hello + `]},` + toAsst + `{"type":"thinking","thinking":"a","signature":"real"},{"type":"redacted_thinking","data":"d"},{"type":"text","text":"ok"}]}`},
		{"refusals are text", []llm.Message{user(text("Hi")), assistant(llm.Text{Text: "no", Refusal: true})},
			toUser + hello + `]},` + toAsst + `{"type":"text","text":"no"}]}`},
		{"half arguments become none", []llm.Message{user(text("Hi")), assistant(llm.ToolCall{ID: "a", Name: "f", Arguments: `{"a`}), user(result("a", "", "1"))},
			toUser + hello + `]},` + toAsst + `{"type":"tool_use","id":"a","name":"f","input":{}}]},` + toUser + done1 + `]}`},
		{"images, also in results", []llm.Message{user(llm.Image{Source: llm.Source{Data: "/9j/4A=="}}),
			assistant(call("a", "f")), user(llm.ToolResult{CallID: "a", Content: llm.Blocks{llm.Image{Source: llm.Source{URL: "https://x"}}}})},
			toUser + `{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"/9j/4A=="}}]},` + toAsst + use1 + `]},` +
				toUser + `{"type":"tool_result","tool_use_id":"a","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}]}`},
		{"documents", []llm.Message{user(
			llm.Document{Source: llm.Source{Data: "JVBERi0="}, Title: "T", Cite: true},
			llm.Document{Source: llm.Source{MediaType: "text/csv", Data: "YSxi"}})},
			toUser + `{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},"title":"T","citations":{"enabled":true}},` +
				`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"a,b"}}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := encoded(t, llm.Request{Model: manual, Messages: tt.messages}, "messages")
			if want := "messages=[" + tt.want + "]"; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestEncodeDoesNotTouchTheRequest(t *testing.T) {
	r := llm.Request{Model: manual, Messages: []llm.Message{
		user(text("Hi")), assistant(call("a.b", "f")), assistant(text("x ")), user(result("a.b", "", "1")), assistant(text("y "))}}
	before, _ := json.Marshal(r)
	first, _ := encoded(t, r, "messages")
	second, _ := encoded(t, r, "messages")
	if after, _ := json.Marshal(r); string(after) != string(before) {
		t.Errorf("the request has become %s, was %s", after, before)
	}
	if first != second {
		t.Errorf("got %s, then %s", first, second)
	}
}

func TestLegalID(t *testing.T) {
	for _, id := range []string{"call.1", "call:1", "ü", "a b", "call_1\n"} {
		got := legalID(id)
		if strings.Trim(got, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			t.Errorf("legalID(%q) = %q", id, got)
		}
	}
	if legalID("call.1") == legalID("call:1") {
		t.Error("two ids have become one")
	}
	if got := legalID("toolu_01-A"); got != "toolu_01-A" {
		t.Errorf("got %q, want a legal id as it was", got)
	}
}

func TestEncodeSystem(t *testing.T) {
	messages := []llm.Message{user(text("Hi")), system("later"), assistant(text("ok")), user(text("go"))}
	r := llm.Request{Model: manual, System: llm.Blocks{text("a"), text(""), text("b")}, Messages: messages}
	got, _ := encoded(t, r, "system")
	if want := `system=[{"type":"text","text":"a"},{"type":"text","text":"b"},{"type":"text","text":"later"}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for model, want := range map[string]bool{fresh: true, "claude-opus-5": true, "claude-fable-5": true, "claude-opus-4-7": false, "claude-sonnet-5": false, newest: false} {
		r.Model = model
		got, _ = encoded(t, r, "messages")
		if in := strings.Contains(got, `{"role":"system","content":[{"type":"text","text":"later"}]}`); in != want {
			t.Errorf("%s: got %s, want the system message in its place: %t", model, got, want)
		}
	}
}

func TestEncodeOptions(t *testing.T) {
	tools := []llm.Tool{{Name: "f"}, {Name: "g", Description: "d", Parameters: json.RawMessage(`{"properties":{"z":{},"a":{}}}`), Strict: new(true)}}
	effort := func(e llm.Effort) *llm.Reasoning { return &llm.Reasoning{Effort: e} }
	tests := []struct {
		name    string
		request llm.Request
		fields  string
		want    string
		warn    string
	}{
		{"the model's own limit", llm.Request{Model: manual}, "max_tokens", "64000", ""},
		{"the limit of an unknown model", llm.Request{Model: foreign}, "max_tokens", "8192", ""},
		{"a limit over the model's", llm.Request{Model: old, Limits: llm.Limits{MaxTokens: 9999}}, "max_tokens", "4096", "emulated max_tokens"},
		{"stop sequences", llm.Request{Model: old, Limits: llm.Limits{Stop: []string{"a", " \n"}}}, "stop_sequences", `["a"]`, "dropped stop"},
		{"streaming", llm.Request{Model: old, Stream: true}, "stream", "true", ""},
		{"no streaming", llm.Request{Model: manual, Limits: llm.Limits{MaxTokens: 21_333}}, "stream", "", ""},
		{"streaming of what may take long", llm.Request{Model: manual, Limits: llm.Limits{MaxTokens: 21_334}}, "stream", "true", ""},
		{"streaming of what may take long by the model's own limit", llm.Request{Model: manual}, "stream", "true", ""},
		{"streaming of what may take long by its thoughts", llm.Request{Model: manual, Limits: llm.Limits{MaxTokens: 20_000}, Reasoning: &llm.Reasoning{Budget: 20_000}}, "max_tokens stream", "40000 true", "emulated max_tokens"},
		{"a high temperature", llm.Request{Model: old, Sampling: llm.Sampling{Temperature: new(1.7)}}, "temperature", "1", "emulated temperature"},
		{"both samplers on a model that takes one", llm.Request{Model: manual, Sampling: llm.Sampling{Temperature: new(0.5), TopP: new(0.5)}}, "temperature top_p", "0.5 ", "dropped top_p"},
		{"both samplers on an old model", llm.Request{Model: old, Sampling: llm.Sampling{Temperature: new(0.5), TopP: new(0.5)}}, "temperature top_p", "0.5 0.5", ""},
		{"samplers on a model that takes none", llm.Request{Model: newest, Sampling: llm.Sampling{Temperature: new(0.5), TopP: new(0.5), TopK: new(3)}}, "temperature top_p top_k", "  ", "dropped temperature, dropped top_p, dropped top_k"},
		{"the user", llm.Request{Model: old, User: "u1"}, "metadata", `{"user_id":"u1"}`, ""},
		{"a user's address", llm.Request{Model: old, User: "u@x.org"}, "metadata", "", "dropped user"},
		{"what has no place", llm.Request{Model: old, Logprobs: new(0), Sampling: llm.Sampling{Seed: new(int64(1)), PresencePenalty: new(0.1)},
			Extra: map[string]json.RawMessage{"verbosity": []byte("1"), "logit_bias": []byte(`{"5":1}`), "n": []byte("1")}}, "seed", "", "dropped seed, dropped presence_penalty, dropped logprobs, dropped logit_bias, dropped verbosity"},
		{"the service tier", llm.Request{Model: old, Extra: map[string]json.RawMessage{"service_tier": []byte(`"default"`)}}, "service_tier", `"standard_only"`, ""},
		{"another service tier", llm.Request{Model: old, Extra: map[string]json.RawMessage{"service_tier": []byte(`"flex"`)}}, "service_tier", "", "dropped service_tier"},
		{"servers of tools", llm.Request{Model: old, Extra: map[string]json.RawMessage{"mcp_servers": []byte(`[{"url": "x"}]`)}}, "mcp_servers", `[{"url": "x"}]`, ""},

		{"tools", llm.Request{Model: manual, Tools: tools}, "tools tool_choice",
			`[{"name":"f","input_schema":{"type":"object","properties":{}}},{"name":"g","description":"d","input_schema":{"type":"object","properties":{"z":{},"a":{}}},"strict":true}] `, ""},
		{"strict tools on an old model", llm.Request{Model: old, Tools: tools[1:]}, "tools",
			`[{"name":"g","description":"d","input_schema":{"type":"object","properties":{"z":{},"a":{}}}}]`, "dropped tools.strict"},
		{"no calls", llm.Request{Model: manual, Tools: tools, ToolChoice: &llm.ToolChoice{Mode: llm.ToolsNone, Serial: true}}, "tool_choice", `{"type":"none"}`, ""},
		{"some call", llm.Request{Model: manual, Tools: tools, ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired}}, "tool_choice", `{"type":"any"}`, ""},
		{"a named call", llm.Request{Model: manual, Tools: tools, ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"g"}}}, "tool_choice", `{"type":"tool","name":"g"}`, ""},
		{"one of some tools", llm.Request{Model: manual, Tools: tools, ToolChoice: &llm.ToolChoice{Only: []string{"f"}}}, "tools tool_choice", `[{"name":"f","input_schema":{"type":"object","properties":{}}}] {"type":"auto"}`, ""},
		{"one call at a time", llm.Request{Model: manual, Tools: tools, ToolChoice: &llm.ToolChoice{Serial: true}}, "tool_choice", `{"type":"auto","disable_parallel_tool_use":true}`, ""},
		{"a choice without tools", llm.Request{Model: manual, ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired}}, "tool_choice", "", ""},
		{"a call of a model that cannot be made to", llm.Request{Model: newest, Tools: tools, ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"g"}}}, "tool_choice system",
			`{"type":"auto"} [{"type":"text","text":"You must call the tool g before you answer."}]`, "emulated tool_choice"},
		{"a call of a model that thinks", llm.Request{Model: manual, Tools: tools, Reasoning: effort(llm.EffortLow), ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired}}, "tool_choice", `{"type":"auto"}`, "emulated tool_choice"},

		{"thinking by budget", llm.Request{Model: manual, Limits: llm.Limits{MaxTokens: 10000}, Reasoning: effort(llm.EffortHigh)}, "thinking max_tokens", `{"type":"enabled","budget_tokens":8000} 10000`, ""},
		{"a budget over the limit", llm.Request{Model: manual, Limits: llm.Limits{MaxTokens: 100}, Reasoning: effort(llm.EffortLow)}, "thinking max_tokens", `{"type":"enabled","budget_tokens":1024} 1124`, "emulated max_tokens"},
		{"a given budget, hidden", llm.Request{Model: manual, Reasoning: &llm.Reasoning{Budget: 5000, Hidden: true}}, "thinking", `{"type":"enabled","budget_tokens":5000,"display":"omitted"}`, ""},
		{"a budget over the model's limit", llm.Request{Model: manual, Reasoning: &llm.Reasoning{Budget: 1 << 20}}, "thinking max_tokens", `{"type":"enabled","budget_tokens":63999} 64000`, ""},
		{"no thinking by budget", llm.Request{Model: manual, Reasoning: effort(llm.EffortNone)}, "thinking", "", ""},
		{"thinking on a model that cannot", llm.Request{Model: old, Reasoning: effort(llm.EffortLow)}, "thinking", "", "dropped reasoning_effort"},
		{"thinking by effort", llm.Request{Model: fresh, Reasoning: effort(llm.EffortXHigh)}, "thinking output_config", `{"type":"adaptive","display":"summarized"} {"effort":"xhigh"}`, ""},
		{"an effort the model lacks", llm.Request{Model: either, Reasoning: effort(llm.EffortXHigh)}, "output_config", `{"effort":"max"}`, "emulated reasoning_effort"},
		{"a budget as effort", llm.Request{Model: fresh, Limits: llm.Limits{MaxTokens: 1000}, Reasoning: &llm.Reasoning{Budget: 500}}, "output_config", `{"effort":"medium"}`, ""},
		{"no thinking by effort", llm.Request{Model: fresh, Reasoning: effort(llm.EffortNone)}, "thinking output_config", `{"type":"disabled"} `, ""},
		{"no thinking between tools", llm.Request{Model: "claude-sonnet-5-5", Reasoning: effort(llm.EffortNone)}, "thinking", `{"type":"between_tools"}`, ""},
		{"thinking that cannot be switched off", llm.Request{Model: newest, Reasoning: effort(llm.EffortNone)}, "thinking output_config", ` {"effort":"low"}`, "emulated reasoning_effort"},
		{"samplers while thinking", llm.Request{Model: manual, Reasoning: effort(llm.EffortLow), Sampling: llm.Sampling{Temperature: new(0.5), TopP: new(0.97), TopK: new(1)}}, "temperature top_p top_k", ` 0.97 `, "dropped temperature, dropped top_k"},

		{"any JSON", llm.Request{Model: old, Format: &llm.Format{}}, "system output_config", `[{"type":"text","text":"` + jsonInstruction + `"}] `, "emulated response_format"},
		{"a schema", llm.Request{Model: manual, Format: &llm.Format{Schema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"integer","minimum":3}}}`)}}, "output_config",
			`{"format":{"type":"json_schema","schema":{"type":"object","properties":{"a":{"type":"integer","description":"(minimum: 3)"}},"additionalProperties":false}}}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.request.Messages = []llm.Message{user(text("Hi"))}
			fields := strings.Fields(tt.fields)
			got, warnings := encoded(t, tt.request, fields...)
			for _, f := range fields {
				got = strings.Replace(got, f+"=", "", 1)
			}
			if got = strings.ReplaceAll(got, "\n", " "); got != tt.want {
				t.Errorf("%s:\ngot  %s\nwant %s", tt.fields, got, tt.want)
			}
			var warned []string
			for _, w := range warnings {
				warned = append(warned, string(w.Policy)+" "+w.Field)
			}
			if got := strings.Join(warned, ", "); got != tt.warn {
				t.Errorf("got warnings %q, want %q", got, tt.warn)
			}
		})
	}
}

// Whatever the model is only asked for in words is no answer to a strict call;
// what is clamped, or done in another way that holds, is.
func TestOnlyWordsAreWeak(t *testing.T) {
	required := &llm.ToolChoice{Mode: llm.ToolsRequired}
	tests := []struct {
		name    string
		request llm.Request
		weak    bool
	}{
		{"a call of a model that cannot be made to", llm.Request{Model: newest, Tools: []llm.Tool{{Name: "f"}}, ToolChoice: required}, true},
		{"a call of a model that thinks", llm.Request{Model: manual, Tools: []llm.Tool{{Name: "f"}}, ToolChoice: required, Reasoning: &llm.Reasoning{Effort: llm.EffortLow}}, true},
		{"any JSON", llm.Request{Model: manual, Format: &llm.Format{}}, true},
		{"JSON by a tool", llm.Request{Model: old, Format: schemaOf(person)}, false},
		{"a lower temperature", llm.Request{Model: old, Sampling: llm.Sampling{Temperature: new(1.5)}}, false},
		{"a lower limit", llm.Request{Model: old, Limits: llm.Limits{MaxTokens: 9999}}, false},
		{"another effort", llm.Request{Model: either, Reasoning: &llm.Reasoning{Effort: llm.EffortXHigh}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.request.Messages = []llm.Message{user(text("Hi"))}
			_, warnings := encoded(t, tt.request)
			if len(warnings) != 1 || warnings[0].Policy != llm.Emulated || warnings[0].Weak != tt.weak {
				t.Errorf("got %+v, want one emulation, weak: %t", warnings, tt.weak)
			}
			if refused := llm.Strictly(warnings) != nil; refused != tt.weak {
				t.Errorf("refused in strict mode: %t, want %t", refused, tt.weak)
			}
		})
	}
}

func TestEncodeGivesUpThinkingWhereThoughtsWereLost(t *testing.T) {
	r := llm.Request{Model: manual, Reasoning: &llm.Reasoning{Effort: llm.EffortLow}, Messages: []llm.Message{
		user(text("Hi")), assistant(call("a", "f")), user(result("a", "", "1"))}}
	if got, _ := encoded(t, r, "thinking"); got != "thinking=" {
		t.Errorf("got %s, want none", got)
	}
	r.Messages[1] = assistant(llm.Thinking{Text: "hm", Signature: "s"}, call("a", "f"))
	if got, _ := encoded(t, r, "thinking"); got == "thinking=" {
		t.Error("got no thinking, want some: the thoughts are there")
	}
}

func TestEncodeRefuses(t *testing.T) {
	schema := &llm.Format{Schema: json.RawMessage(`{}`)}
	deep := &llm.Format{Schema: json.RawMessage(strings.Repeat(`{"items":`, 200) + `{}` + strings.Repeat(`}`, 200))}
	tests := []struct {
		name    string
		request llm.Request
		want    llm.Code
		param   string
	}{
		{"audio", llm.Request{Messages: []llm.Message{user(llm.Audio{})}}, llm.CodeUnsupported, "messages"},
		{"a schema of anything on an old model", llm.Request{Model: old, Format: schema}, llm.CodeUnsupported, "response_format"},
		{"a schema without bottom", llm.Request{Model: manual, Format: deep}, llm.CodeInvalid, "response_format"},
		{"a picture in another format", llm.Request{Messages: []llm.Message{user(llm.Image{Source: llm.Source{MediaType: "image/tiff", Data: "AA=="}})}}, llm.CodeUnsupported, "messages"},
		{"a picture over http", llm.Request{Messages: []llm.Message{user(llm.Image{Source: llm.Source{URL: "http://x"}})}}, llm.CodeUnsupported, "messages"},
		{"an empty picture", llm.Request{Messages: []llm.Message{user(llm.Image{})}}, llm.CodeInvalid, "messages"},
		{"a spreadsheet", llm.Request{Messages: []llm.Message{user(llm.Document{Source: llm.Source{MediaType: "application/vnd.ms-excel", Data: "AA=="}})}}, llm.CodeUnsupported, "messages"},
		{"arguments that are a list", llm.Request{Messages: []llm.Message{assistant(llm.ToolCall{Name: "f", Arguments: "[1]"})}}, llm.CodeInvalid, "messages"},
		{"another dialect's content", llm.Request{Messages: []llm.Message{user(llm.Opaque{Dialect: "other", Kind: "x"})}}, llm.CodeUnsupported, "messages"},
		{"another provider's tool", llm.Request{Tools: []llm.Tool{{Provider: &llm.Opaque{Dialect: "other", Kind: "x"}}}}, llm.CodeUnsupported, "tools"},
		{"parameters that are a list", llm.Request{Tools: []llm.Tool{{Name: "f", Parameters: json.RawMessage(`[]`)}}}, llm.CodeInvalid, "tools"},
		{"many answers", llm.Request{Extra: map[string]json.RawMessage{"n": []byte("2")}}, llm.CodeUnsupported, "n"},
		{"a file that another provider keeps", llm.Request{Messages: []llm.Message{user(llm.Document{Source: llm.Source{FileID: "file_1"}})}}, llm.CodeUnsupported, "messages"},
		{"an empty turn at the end, without which the model would go on with its own words",
			llm.Request{Messages: []llm.Message{user(text("Hi")), assistant(text("Yes?")), user(text(" "))}}, llm.CodeInvalid, "messages"},
		{"nothing to answer", llm.Request{Messages: []llm.Message{user(text(""))}}, llm.CodeInvalid, "messages"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.request.Messages == nil {
				tt.request.Messages = []llm.Message{user(text("Hi"))}
			}
			_, err := Client{}.Encode(&tt.request)
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != tt.want || e.Param != tt.param {
				t.Errorf("got %+v, want %s of %s", err, tt.want, tt.param)
			}
		})
	}
}

func TestAnswerSchema(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"keys stay in order", `{"type":"object","properties":{"b":{"type":"string"},"a":{"enum":[1]}},"required":["b"]}`,
			`{"type":"object","properties":{"b":{"type":"string"},"a":{"enum":[1]}},"required":["b"],"additionalProperties":false}`},
		{"oneOf becomes anyOf", `{"oneOf":[{"type":"string","maxLength":3},{"type":["object","null"]}]}`,
			`{"anyOf":[{"type":"string","description":"(maxLength: 3)"},{"type":["object","null"],"additionalProperties":false}]}`},
		{"definitions", `{"$schema":"x","$ref":"#/$defs/A","$defs":{"A":{"type":"array","items":{"type":"number","multipleOf":2}}}}`,
			`{"$ref":"#/$defs/A","$defs":{"A":{"type":"array","items":{"type":"number","description":"(multipleOf: 2)"}}}}`},
		{"formats", `{"type":"string","format":"uuid"}`, `{"type":"string","format":"uuid"}`},
		{"other formats are told", `{"type":"string","description":"D.","format":"phone"}`, `{"type":"string","description":"D. (format: \"phone\")"}`},
		{"a property called minimum stays", `{"properties":{"minimum":true},"additionalProperties":true}`, `{"properties":{"minimum":true},"additionalProperties":false}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := answerSchema(json.RawMessage(tt.in), 0)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}
