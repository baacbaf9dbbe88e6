package anthropic

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func decode(t *testing.T, body string) *llm.Request {
	t.Helper()
	call, err := Server{}.Decode("messages", []byte(body))
	if err != nil {
		t.Fatalf("Decode(%s): %v", body, err)
	}
	return call.Request
}

// minimal is a valid body with room for more fields.
func minimal(more string) string {
	return `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]` + more + `}`
}

func said(blocks ...llm.Block) string {
	list := llm.Blocks(blocks)
	data, _ := json.Marshal(list)
	return string(data)
}

func TestDecodeContent(t *testing.T) {
	tests := []struct {
		name, content string
		want          llm.Blocks
	}{
		{"a string", `"Hi"`, llm.Blocks{llm.Text{Text: "Hi"}}},
		{"text with citation", `[{"type":"text","text":"a","citations":[{"type":"x"}]}]`,
			llm.Blocks{llm.Text{Text: "a", Citations: []llm.Citation{{Dialect: "anthropic", JSON: json.RawMessage(`{"type":"x"}`)}}}}},
		{"an image in base64", `[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}]`,
			llm.Blocks{llm.Image{Source: llm.Source{MediaType: "image/png", Data: "AA=="}}}},
		{"an image by URL", `[{"type":"image","source":{"type":"url","url":"https://x/y"}}]`,
			llm.Blocks{llm.Image{Source: llm.Source{URL: "https://x/y"}}}},
		{"a PDF to be cited", `[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AA=="},"title":"T","context":"C","citations":{"enabled":true}}]`,
			llm.Blocks{llm.Document{Source: llm.Source{MediaType: "application/pdf", Data: "AA=="}, Title: "T", Context: "C", Cite: true}}},
		{"a plain document", `[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"abc"}}]`,
			llm.Blocks{llm.Document{Source: llm.Source{MediaType: "text/plain", Text: "abc"}}}},
		{"a document of blocks", `[{"type":"document","source":{"type":"content","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}]`,
			llm.Blocks{llm.Document{Source: llm.Source{MediaType: "text/plain", Text: "a\nb"}}}},
		{"a document by file", `[{"type":"document","source":{"type":"file","file_id":"f1"}}]`,
			llm.Blocks{llm.Document{Source: llm.Source{FileID: "f1"}}}},
		{"a call keeps the order of its keys", `[{"type":"tool_use","id":"t1","name":"f","input":{"b": 1, "a": 2}}]`,
			llm.Blocks{llm.ToolCall{ID: "t1", Name: "f", Arguments: `{"b":1,"a":2}`}}},
		{"a result as a string", `[{"type":"tool_result","tool_use_id":"t1","content":"ok","is_error":true}]`,
			llm.Blocks{llm.ToolResult{CallID: "t1", Content: llm.Blocks{llm.Text{Text: "ok"}}, IsError: true}}},
		{"a result of blocks", `[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"ok"},{"type":"image","source":{"type":"url","url":"https://x"}}]}]`,
			llm.Blocks{llm.ToolResult{CallID: "t1", Content: llm.Blocks{llm.Text{Text: "ok"}, llm.Image{Source: llm.Source{URL: "https://x"}}}}}},
		{"a result without content", `[{"type":"tool_result","tool_use_id":"t1"}]`, llm.Blocks{llm.ToolResult{CallID: "t1"}}},
		{"thinking", `[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"d"}]`,
			llm.Blocks{llm.Thinking{Text: "hm", Signature: "s"}, llm.RedactedThinking{Data: "d"}}},
		{"a kind of its own", `[{"type":"container_upload","file_id":"f"}]`,
			llm.Blocks{llm.Opaque{Dialect: "anthropic", Kind: "container_upload", JSON: json.RawMessage(`{"type":"container_upload","file_id":"f"}`)}}},
		{"a search result", `[{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"citations":{"enabled":true}}]`,
			llm.Blocks{llm.Document{Source: llm.Source{MediaType: "text/plain", Text: "a\nb"}, Title: "t", Context: "s", Cite: true}}},
		{"a search result without a text", `[{"type":"search_result","source":"s","title":"t","content":[]}]`, llm.Blocks{llm.Text{Text: "t\ns"}}},
		{"a search result with more than texts", `[{"type":"search_result","source":"s","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}]`,
			llm.Blocks{llm.Opaque{Dialect: "anthropic", Kind: "search_result", JSON: json.RawMessage(`{"type":"search_result","source":"s","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}`)}}},
		{"a document that no other dialect can say", `[{"type":"document","source":{"type":"new"}}]`,
			llm.Blocks{llm.Opaque{Dialect: "anthropic", Kind: "document", JSON: json.RawMessage(`{"type":"document","source":{"type":"new"}}`)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := decode(t, `{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":`+tt.content+`}]}`)
			if got := r.Messages[0].Content; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %s, want %s", said(got...), said(tt.want...))
			}
		})
	}
}

func TestDecodeRequest(t *testing.T) {
	schema := json.RawMessage(`{"type":"object"}`)
	tests := []struct {
		name, more string
		want       func(r *llm.Request)
	}{
		{"system string", `,"system":"S"`, func(r *llm.Request) { r.System = llm.Blocks{llm.Text{Text: "S"}} }},
		{"empty system", `,"system":""`, func(*llm.Request) {}},
		{"system blocks stay apart", `,"system":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]`,
			func(r *llm.Request) {
				r.System = llm.Blocks{llm.Text{Text: "a"}, llm.Text{Text: "b"}}
				r.Extra = map[string]json.RawMessage{"cache_control": json.RawMessage(`{"type":"ephemeral"}`)}
			}},
		{"sampling and limits", `,"temperature":0.5,"top_p":0.9,"top_k":5,"stop_sequences":["x"],"stream":true`, func(r *llm.Request) {
			r.Sampling = llm.Sampling{Temperature: new(0.5), TopP: new(0.9), TopK: new(5)}
			r.Limits.Stop, r.Stream = []string{"x"}, true
		}},
		{"null is unset", `,"temperature":null,"system":null,"thinking":null,"tools":null`, func(*llm.Request) {}},
		{"user", `,"metadata":{"user_id":"u"}`, func(r *llm.Request) { r.User = "u" }},
		{"a tool", `,"tools":[{"type":"custom","name":"f","description":"d","input_schema":{"type":"object"},"strict":true,"defer_loading":true}]`,
			func(r *llm.Request) {
				r.Tools = []llm.Tool{{Name: "f", Description: "d", Parameters: schema, Strict: new(true)}}
				r.Extra = map[string]json.RawMessage{"tools.defer_loading": json.RawMessage("true")}
			}},
		{"a server's tool", `,"tools":[{"type":"web_search_20250305","name":"web_search"}]`, func(r *llm.Request) {
			r.Tools = []llm.Tool{{Name: "web_search", Provider: &llm.Opaque{Dialect: "anthropic", Kind: "web_search_20250305",
				JSON: json.RawMessage(`{"type":"web_search_20250305","name":"web_search"}`)}}}
		}},
		{"choice any, serial", `,"tool_choice":{"type":"any","disable_parallel_tool_use":true}`, func(r *llm.Request) {
			r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolsRequired, Serial: true}
		}},
		{"choice of a tool", `,"tool_choice":{"type":"tool","name":"f"}`, func(r *llm.Request) {
			r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"f"}}
		}},
		{"choice none", `,"tool_choice":{"type":"none"}`, func(r *llm.Request) {
			r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolsNone}
		}},
		{"thinking by budget", `,"thinking":{"type":"enabled","budget_tokens":2000}`, func(r *llm.Request) {
			r.Reasoning = &llm.Reasoning{Budget: 2000}
		}},
		{"adaptive thinking with effort", `,"thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"xhigh"}`,
			func(r *llm.Request) { r.Reasoning = &llm.Reasoning{Effort: llm.EffortXHigh, Hidden: true} }},
		{"effort alone", `,"output_config":{"effort":"low"}`, func(r *llm.Request) {
			r.Reasoning = &llm.Reasoning{Effort: llm.EffortLow}
		}},
		{"no thinking", `,"thinking":{"type":"disabled"}`, func(r *llm.Request) {
			r.Reasoning = &llm.Reasoning{Effort: llm.EffortNone}
		}},
		{"thinking between tools", `,"thinking":{"type":"between_tools"}`, func(r *llm.Request) {
			r.Reasoning = &llm.Reasoning{Effort: llm.EffortNone}
		}},
		{"a format, and a field of the future", `,"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}},"new":1}`,
			func(r *llm.Request) {
				r.Format = &llm.Format{Schema: schema}
				r.Extra = map[string]json.RawMessage{"output_config.new": json.RawMessage("1")}
			}},
		{"the older format", `,"output_format":{"type":"json_schema","schema":{"type":"object"}}`, func(r *llm.Request) {
			r.Format = &llm.Format{Schema: schema}
		}},
		{"unknown fields", `,"context_management":{"edits":[]},"speed":"fast"`, func(r *llm.Request) {
			r.Extra = map[string]json.RawMessage{"context_management": json.RawMessage(`{"edits":[]}`), "speed": json.RawMessage(`"fast"`)}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := llm.Request{Model: "m", Limits: llm.Limits{MaxTokens: 9},
				Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "Hi"}}}}}
			tt.want(&want)
			if got := decode(t, minimal(tt.more)); !reflect.DeepEqual(*got, want) {
				t.Errorf("got %+v\nwant %+v", *got, want)
			}
		})
	}
}

func TestDecodeTakesSystemMessagesAnywhere(t *testing.T) {
	r := decode(t, `{"model":"m","max_tokens":1,"messages":[{"role":"system","content":"a"},{"role":"user","content":"b"},{"role":"developer","content":[]}]}`)
	want := []llm.Role{llm.RoleSystem, llm.RoleUser, llm.RoleSystem}
	for i, m := range r.Messages {
		if m.Role != want[i] {
			t.Errorf("message %d: got role %s, want %s", i, m.Role, want[i])
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct{ name, body, param, message string }{
		{"no limit", `{"model":"m","messages":[{"role":"user","content":""}]}`, "max_tokens", "max_tokens: Field required"},
		{"a limit of zero", `{"model":"m","max_tokens":0,"messages":[{"role":"user","content":""}]}`, "max_tokens", "at least 1"},
		{"a limit in words", `{"model":"m","max_tokens":"9"}`, "max_tokens", "max_tokens: must be an integer, not string"},
		{"no model", `{"max_tokens":1}`, "model", "Field required"},
		{"no messages", `{"model":"m","max_tokens":1}`, "messages", "Field required"},
		{"empty messages", `{"model":"m","max_tokens":1,"messages":[]}`, "messages", "at least one"},
		{"messages of numbers", `{"model":"m","max_tokens":1,"messages":[1]}`, "messages", "must be an object, not number"},
		{"an unknown role", `{"model":"m","max_tokens":1,"messages":[{"role":"tool","content":""}]}`, "messages.0.role", "must be user"},
		{"no content", `{"model":"m","max_tokens":1,"messages":[{"role":"user"}]}`, "messages.0.content", "Field required"},
		{"content of numbers", `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[7]}]}`, "messages.0.content.0", "must be an object"},
		{"a number as content", `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":7}]}`, "messages.0.content", "must be an array, not number"},
		{"a block without a type", `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{}]}]}`, "messages.0.content.0.type", "Field required"},
		{"a text that is none", `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":[]}]}]}`, "messages.0.content.0.text", "must be a string, not array"},
		{"an input that is none", `{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","name":"f","input":[]}]}]}`, "messages.0.content.0.input", "must be an object"},
		{"a tool without a name", minimal(`,"tools":[{"input_schema":{}}]`), "tools.0.name", "Field required"},
		{"an unknown choice", minimal(`,"tool_choice":{"type":"maybe"}`), "tool_choice.type", "must be auto"},
		{"a choice of nothing", minimal(`,"tool_choice":{"type":"tool"}`), "tool_choice.name", "Field required"},
		{"a way of thinking", minimal(`,"thinking":{"type":"deep"}`), "thinking.type", "must be adaptive"},
		{"no budget", minimal(`,"thinking":{"type":"enabled"}`), "thinking.budget_tokens", "at least"},
		{"a format without a schema", minimal(`,"output_config":{"format":{"type":"json_schema"}}`), "output_config.format", "json_schema"},
		{"a wrong temperature", minimal(`,"temperature":"hot"`), "temperature", "must be a number, not string"},
		{"a wrong flag", minimal(`,"stream":1`), "stream", "must be a boolean, not number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Server{}.Decode("messages", []byte(tt.body))
			e, ok := errors.AsType[*llm.Error](err)
			if !ok || e.Code != llm.CodeInvalid || e.Param != tt.param || !strings.Contains(e.Message, tt.message) {
				t.Errorf("got %+v, want param %q and %q in the message", err, tt.param, tt.message)
			}
		})
	}
}

func TestDecodeUnknownOperation(t *testing.T) {
	_, err := Server{}.Decode("embeddings", []byte(`{}`))
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeNotFound {
		t.Errorf("got %v, want not found", err)
	}
}
