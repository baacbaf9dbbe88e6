package anthropic

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect/anthropic"
	"github.com/offbeat-studio/allama/shared/llm"
)

// support is a capability in the words of the Models API, with its parts.
func support(supported bool, parts ...string) string {
	return fmt.Sprintf(`{"supported":%t%s}`, supported, strings.Join(append([]string{""}, parts...), ","))
}

// listing is a record of the Models API, as whole as the API writes it. Types
// and efforts are those that the model takes.
func listing(id string, maxTokens int, schemas bool, types, efforts string) string {
	part := func(list string, names ...string) (parts []string) {
		for _, name := range names {
			parts = append(parts, fmt.Sprintf("%q:%s", name, support(strings.Contains(" "+list+" ", " "+name+" "))))
		}
		return parts
	}
	thinking := strings.Join(part(types, "adaptive", "between_tools", "disabled", "enabled"), ",")
	return fmt.Sprintf(`{"type":"model","id":%q,"display_name":"A Model","created_at":"2026-02-04T00:00:00Z","lifecycle":"active","line":"opus",
		"deprecated_at":null,"retires_at":null,"max_input_tokens":1000000,"max_tokens":%d,"capabilities":{"batch":%[3]s,"citations":%[3]s,"code_execution":%[3]s,
		"context_management":%[4]s,"effort":%[5]s,"image_input":%[3]s,"pdf_input":%[3]s,"server_tools":%[3]s,"structured_outputs":%[6]s,"thinking":%[7]s}}`,
		id, maxTokens, support(true), support(true, `"compact_20260112":`+support(false)),
		support(efforts != "", part(efforts, "low", "medium", "high", "xhigh", "max")...), support(schemas),
		support(types != "" && types != "disabled", `"types":{`+thinking+`}`))
}

// TestCallsGoByWhatTheAPISays follows what the Models API says of a model to
// the call of it.
func TestCallsGoByWhatTheAPISays(t *testing.T) {
	schema := &llm.Format{Schema: json.RawMessage(`{"type":"object"}`)}
	effort := func(e llm.Effort) *llm.Reasoning { return &llm.Reasoning{Effort: e} }
	tests := []struct {
		name    string
		record  string
		facts   llm.Facts
		request llm.Request
		fields  string
		want    string
	}{
		{"a limit that the table has otherwise", listing("claude-opus-4-6", 200_000, true, "adaptive enabled disabled", "low medium high max"),
			llm.Facts{MaxOutput: 200_000, Schemas: new(true), Thinking: []string{"adaptive", "enabled", "disabled"}, Efforts: []string{"low", "medium", "high", "max"}},
			llm.Request{Limits: llm.Limits{MaxTokens: 150_000}}, "max_tokens", "150000"},
		{"schemas that the table has not", listing("claude-3-7-sonnet", 64_000, true, "enabled disabled", ""),
			llm.Facts{MaxOutput: 64_000, Schemas: new(true), Thinking: []string{"enabled", "disabled"}},
			llm.Request{Format: schema}, "max_tokens output_config", `64000 {"format":{"type":"json_schema","schema":{"type":"object","additionalProperties":false}}}`},
		{"no schemas, though the table has them", listing("claude-opus-4-7", 9000, false, "adaptive", "high"),
			llm.Facts{MaxOutput: 9000, Schemas: new(false), Thinking: []string{"adaptive"}, Efforts: []string{"high"}},
			llm.Request{Format: schema}, "output_config tool_choice", ` {"type":"tool","name":"answer","disable_parallel_tool_use":true}`},
		{"thinking by budget, of a model that the table has not", listing("claude-sonnet-4", 64_000, false, "enabled disabled", ""),
			llm.Facts{MaxOutput: 64_000, Schemas: new(false), Thinking: []string{"enabled", "disabled"}},
			llm.Request{Reasoning: effort(llm.EffortHigh), Limits: llm.Limits{MaxTokens: 10_000}}, "thinking output_config", `{"type":"enabled","budget_tokens":8000} `},
		{"temperature goes with it", listing("claude-sonnet-4", 64_000, false, "enabled disabled", ""),
			llm.Facts{MaxOutput: 64_000, Schemas: new(false), Thinking: []string{"enabled", "disabled"}},
			llm.Request{Sampling: llm.Sampling{Temperature: new(0.5)}}, "temperature", "0.5"},
		{"an effort that is not there", listing("claude-opus-6", 128_000, true, "adaptive disabled", "low medium high"),
			llm.Facts{MaxOutput: 128_000, Schemas: new(true), Thinking: []string{"adaptive", "disabled"}, Efforts: []string{"low", "medium", "high"}},
			llm.Request{Reasoning: effort(llm.EffortXHigh)}, "thinking output_config", `{"type":"adaptive","display":"summarized"} {"effort":"high"}`},
		{"thinking that cannot be switched off", listing("claude-opus-6", 128_000, true, "adaptive", "low high"),
			llm.Facts{MaxOutput: 128_000, Schemas: new(true), Thinking: []string{"adaptive"}, Efforts: []string{"low", "high"}},
			llm.Request{Reasoning: effort(llm.EffortNone)}, "thinking output_config", ` {"effort":"low"}`},
		{"thinking that can be switched off but between tools", listing("claude-opus-6", 128_000, true, "adaptive between_tools", "low high"),
			llm.Facts{MaxOutput: 128_000, Schemas: new(true), Thinking: []string{"adaptive", "between_tools"}, Efforts: []string{"low", "high"}},
			llm.Request{Reasoning: effort(llm.EffortNone)}, "thinking output_config", `{"type":"between_tools"} `},
		{"no thinking at all", listing("claude-opus-6", 128_000, true, "disabled", ""),
			llm.Facts{MaxOutput: 128_000, Schemas: new(true), Thinking: []string{"disabled"}},
			llm.Request{Reasoning: effort(llm.EffortHigh)}, "thinking output_config", " "},
		{"a model of another vendor", listing("zephyr-2", 50_000, true, "adaptive disabled", "low high max"),
			llm.Facts{MaxOutput: 50_000, Schemas: new(true), Thinking: []string{"adaptive", "disabled"}, Efforts: []string{"low", "high", "max"}},
			llm.Request{Reasoning: effort(llm.EffortXHigh), Format: schema}, "max_tokens thinking output_config",
			`50000 {"type":"adaptive","display":"summarized"} {"effort":"max","format":{"type":"json_schema","schema":{"type":"object","additionalProperties":false}}}`},

		{"a server that says nothing", `{"id":"claude-opus-4-6"}`, llm.Facts{}, llm.Request{}, "max_tokens", "128000"},
		{"a server with ways of its own", `{"id":"claude-opus-4-6","max_tokens":-1,"capabilities":{"structured_outputs":"yes","thinking":true,"effort":{"low":1,"high":{"supported":"yes"}}}}`,
			llm.Facts{}, llm.Request{}, "max_tokens", "128000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			models, err := serve(t, map[string]string{"": `{"data":[` + tt.record + `]}`}).Models(t.Context())
			if err != nil || len(models) != 1 {
				t.Fatalf("got %v, %v, want one model", models, err)
			}
			if got := models[0].Facts; !reflect.DeepEqual(got, tt.facts) {
				t.Errorf("got the facts %+v, want %+v", got, tt.facts)
			}
			tt.request.Model, tt.request.Facts = models[0].ID, &models[0].Facts
			if got := called(t, &tt.request, tt.fields); got != tt.want {
				t.Errorf("%s: got\n%s\nwant\n%s", tt.fields, got, tt.want)
			}
		})
	}
}

// called returns fields of the call that a request becomes.
func called(t *testing.T, r *llm.Request, fields string) string {
	t.Helper()
	r.Messages = []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "Hi"}}}}
	out, err := anthropic.Client{}.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(out.Body, &body); err != nil {
		t.Fatal(err)
	}
	var got []string
	for name := range strings.FieldsSeq(fields) {
		got = append(got, string(body[name]))
	}
	return strings.Join(got, " ")
}
