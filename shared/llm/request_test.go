package llm_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestARequestComesBackFromJSONAsItWas(t *testing.T) {
	want := llm.Request{
		Model:  "m",
		System: llm.Blocks{llm.Text{Text: "be brief"}},
		Messages: []llm.Message{
			{Role: llm.RoleUser, Name: "ann", Content: blocks()},
			{Role: llm.RoleAssistant},
		},
		Tools: []llm.Tool{
			{Name: "f", Description: "d", Parameters: json.RawMessage(`{"z":1,"a":2}`), Strict: new(false)},
			{Provider: &llm.Opaque{Dialect: "x", Kind: "search", JSON: json.RawMessage(`{}`)}},
		},
		ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"f"}, Serial: true},
		Sampling: llm.Sampling{
			Temperature: new(0.0), TopP: new(0.5), TopK: new(0), MinP: new(0.1), Seed: new(int64(1) << 60),
			FrequencyPenalty: new(0.0), PresencePenalty: new(-1.5), RepeatPenalty: new(1.1),
		},
		Limits:    llm.Limits{MaxTokens: 5, Stop: []string{"\n"}},
		Format:    &llm.Format{Schema: json.RawMessage(`{"type":"object"}`), Name: "n", Description: "d", Strict: new(true)},
		Reasoning: &llm.Reasoning{Effort: llm.EffortHigh, Budget: 9, Hidden: true},
		Logprobs:  new(0),
		User:      "u",
		Stream:    true,
		Extra:     map[string]json.RawMessage{"logit_bias": json.RawMessage(`{"1":-100}`)},
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got llm.Request
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	// The raw JSON of opaque blocks is compared by the tests of blocks.
	if a, b := plain(text(t, got)), plain(text(t, want)); a != b {
		t.Errorf("got %s\nwant %s", a, b)
	}
	got.Messages, want.Messages = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v want %#v", got, want)
	}
}

func TestAnEmptyRequestSaysOnlyItsModel(t *testing.T) {
	if got, want := text(t, llm.Request{Model: "m"}), `{"model":"m"}`; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
