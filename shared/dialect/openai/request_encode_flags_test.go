package openai

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestEncodeGoesByTheFlagsOfTheProvider(t *testing.T) {
	schema := &llm.Format{Schema: json.RawMessage(`{"type":"object"}`)}
	sampling := llm.Sampling{Temperature: new(0.5), TopK: new(3), MinP: new(0.1), RepeatPenalty: new(1.5)}
	refuse := []Refusal{{Models: "o", Fields: []string{"temperature", "no such field"}}, {Models: "g", Thinking: true, Fields: []string{"temperature"}}}
	efforts := []Efforts{{Models: "o", Words: []string{"low", "medium", "high"}}}
	tests := []struct {
		name     string
		client   Client
		in       llm.Request
		body     string
		warnings []llm.Warning
	}{
		{"a schema in words", Client{NoSchemas: true}, llm.Request{System: llm.Blocks{text("Be brief.")}, Format: schema},
			`{"model":"","messages":[{"role":"system","content":"Be brief.\n\nAnswer with one JSON object and nothing else. It must be valid against this JSON Schema: {\"type\":\"object\"}"}],"response_format":{"type":"json_object"}}`,
			[]llm.Warning{{Policy: llm.Emulated, Field: "response_format", Weak: true}}},
		{"any JSON needs no words", Client{NoSchemas: true}, llm.Request{Format: &llm.Format{}},
			`{"model":"","messages":[],"response_format":{"type":"json_object"}}`, nil},
		{"samplers by their names", Client{Samplers: []string{"top_k", "repetition_penalty"}}, llm.Request{Sampling: sampling},
			`{"model":"","messages":[],"temperature":0.5,"top_k":3,"repetition_penalty":1.5}`, []llm.Warning{{Policy: llm.Dropped, Field: "min_p"}}},
		{"samplers by other names", Client{Samplers: []string{"min_p", "repeat_penalty"}}, llm.Request{Sampling: sampling},
			`{"model":"","messages":[],"temperature":0.5,"min_p":0.1,"repeat_penalty":1.5}`, []llm.Warning{{Policy: llm.Dropped, Field: "top_k"}}},
		{"what a model refuses", Client{Refused: refuse}, llm.Request{Model: "o1", Sampling: llm.Sampling{Temperature: new(0.5)}},
			`{"model":"o1","messages":[]}`, []llm.Warning{{Policy: llm.Dropped, Field: "temperature"}}},
		{"what it refuses and nobody has said", Client{Refused: refuse}, llm.Request{Model: "o1"}, `{"model":"o1","messages":[]}`, nil},
		{"what it refuses while it thinks", Client{Refused: refuse}, llm.Request{Model: "g", Sampling: llm.Sampling{Temperature: new(0.5)}, Reasoning: &llm.Reasoning{Effort: llm.EffortNone}},
			`{"model":"g","messages":[],"temperature":0.5,"reasoning_effort":"none"}`, nil},
		{"no thinking, by a switch", Client{ThinkingSwitch: true, Refused: []Refusal{{Thinking: true, Fields: []string{"temperature"}}}}, llm.Request{Sampling: llm.Sampling{Temperature: new(0.5)}, Reasoning: &llm.Reasoning{Effort: llm.EffortNone}},
			`{"model":"","messages":[],"temperature":0.5,"thinking":{"type":"disabled"}}`, nil},
		{"an effort that a model takes", Client{Efforts: efforts}, llm.Request{Model: "o1", Reasoning: &llm.Reasoning{Effort: llm.EffortHigh}},
			`{"model":"o1","messages":[],"reasoning_effort":"high"}`, nil},
		{"an effort that it does not take", Client{Efforts: efforts}, llm.Request{Model: "o1", Reasoning: &llm.Reasoning{Effort: llm.EffortMax}},
			`{"model":"o1","messages":[],"reasoning_effort":"high"}`, []llm.Warning{{Policy: llm.Emulated, Field: "reasoning_effort"}}},
		{"an effort of a model that is not known", Client{Efforts: efforts}, llm.Request{Model: "x", Reasoning: &llm.Reasoning{Effort: llm.EffortMax}},
			`{"model":"x","messages":[],"reasoning_effort":"max"}`, nil},
		{"an effort of a model that does not think", Client{Refused: []Refusal{{Fields: []string{"reasoning_effort"}}}}, llm.Request{Reasoning: &llm.Reasoning{Effort: llm.EffortLow}},
			`{"model":"","messages":[]}`, []llm.Warning{{Policy: llm.Dropped, Field: "reasoning_effort"}}},
		{"no thinking of a model that does not think", Client{Refused: []Refusal{{Fields: []string{"reasoning_effort"}}}}, llm.Request{Reasoning: &llm.Reasoning{Effort: llm.EffortNone}},
			`{"model":"","messages":[]}`, nil},
		{"another model", Client{Refused: refuse}, llm.Request{Model: "x", Sampling: llm.Sampling{Temperature: new(0.5)}},
			`{"model":"x","messages":[],"temperature":0.5}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.client.Encode(&tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Body) != tt.body || !slices.Equal(got.Warnings, tt.warnings) {
				t.Errorf("got  %s %v\nwant %s %v", got.Body, got.Warnings, tt.body, tt.warnings)
			}
		})
	}
}

// TestEveryOptionalFieldCanBeLeftOut finds a field whose name and place do not
// fit together.
func TestEveryOptionalFieldCanBeLeftOut(t *testing.T) {
	full := llm.Request{
		Sampling: llm.Sampling{Temperature: new(0.5), TopP: new(0.5), Seed: new(int64(1)), FrequencyPenalty: new(1.), PresencePenalty: new(1.)},
		Logprobs: new(2), Limits: llm.Limits{Stop: []string{"x"}}, User: "u", Reasoning: &llm.Reasoning{Effort: llm.EffortLow},
		Tools: []llm.Tool{{Name: "f"}}, ToolChoice: &llm.ToolChoice{Serial: true},
	}
	for field := range optional {
		got, err := Client{Refused: []Refusal{{Fields: []string{field}}}}.Encode(&full)
		if err != nil {
			t.Fatal(err)
		}
		var there map[string]json.RawMessage
		if err := json.Unmarshal(got.Body, &there); err != nil {
			t.Fatal(err)
		}
		if there[field] != nil || !slices.Equal(got.Warnings, []llm.Warning{{Policy: llm.Dropped, Field: field}}) {
			t.Errorf("%s: got %s, %v", field, got.Body, got.Warnings)
		}
		plain, err := Client{}.Encode(&full)
		if err != nil || json.Unmarshal(plain.Body, &there) != nil || there[field] == nil {
			t.Errorf("%s is not in %s, %v: the test shows nothing", field, plain.Body, err)
		}
	}
}
