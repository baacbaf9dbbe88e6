package openai

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestThoughtsGoBackToWhoCanProveThem(t *testing.T) {
	sealed := detail{ID: "rs_1", Format: "openai-responses-v1", Data: "E"}.secret()
	tests := []struct {
		name, field string
		thoughts    llm.Blocks
		want        string
		dropped     []string
	}{
		{"with their signatures", "reasoning_details", llm.Blocks{llm.Thinking{Text: "a", Signature: "S"}, llm.RedactedThinking{Data: "D"}, llm.Thinking{Text: "b"}},
			`"reasoning_details":[{"type":"reasoning.text","format":"anthropic-claude-v1","text":"a","signature":"S","index":0},{"type":"reasoning.encrypted","format":"anthropic-claude-v1","data":"D","index":1},{"type":"reasoning.summary","summary":"b","index":2}]`, nil},
		{"as another provider had them", "reasoning_details", llm.Blocks{sealed},
			`"reasoning_details":[{"type":"reasoning.encrypted","id":"rs_1","format":"openai-responses-v1","data":"E","index":0}]`, nil},
		{"as text, where nothing proves them", "reasoning_details", llm.Blocks{llm.Thinking{Text: "a", Signature: "allama1.x"}, llm.Thinking{Text: "b"}}, `"reasoning":"ab"`, nil},
		{"as text, where nobody asks for proof", "", llm.Blocks{llm.Thinking{Text: "a", Signature: "S"}, llm.RedactedThinking{Data: "D"}}, `"reasoning_content":"a"`, []string{"redacted_thinking"}},
		{"by another name", "reasoning", llm.Blocks{llm.Thinking{Text: "a", Signature: "S"}}, `"reasoning":"a"`, nil},
		{"not at all", "none", llm.Blocks{llm.Thinking{Text: "a"}}, `{"role":"assistant","content":"x"}`, []string{"reasoning_content"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := llm.Message{Role: llm.RoleAssistant, Content: append(slices.Clone(tt.thoughts), text("x"))}
			got, err := Client{ReasoningField: tt.field}.Encode(&llm.Request{Messages: []llm.Message{m}})
			if err != nil {
				t.Fatal(err)
			}
			var dropped []string
			for _, w := range got.Warnings {
				dropped = append(dropped, w.Field)
			}
			if !strings.Contains(string(got.Body), tt.want) || !slices.Equal(dropped, tt.dropped) {
				t.Errorf("got  %s %v\nwant %s %v", got.Body, dropped, tt.want, tt.dropped)
			}
		})
	}
}

func TestThoughtsComeWithWhatProvesThem(t *testing.T) {
	const details = `[{"type":"reasoning.text","text":"a","signature":"S","format":"anthropic-claude-v1","index":0},{"type":"reasoning.summary","summary":"b","format":"openai-responses-v1","index":1},{"type":"reasoning.encrypted","data":"E","id":"rs_1","format":"openai-responses-v1","index":1},{"type":"reasoning.encrypted","data":"D","format":"anthropic-claude-v1","index":2}]`
	want := llm.Blocks{
		llm.Thinking{Text: "a", Signature: "S"}, llm.Thinking{Text: "b"},
		detail{ID: "rs_1", Format: "openai-responses-v1", Data: "E"}.secret(), llm.RedactedThinking{Data: "D"}, llm.Text{Text: "x"},
	}
	whole, err := Client{}.Whole(chatCompletions, []byte(`{"choices":[{"message":{"reasoning":"ab","reasoning_details":`+details+`,"content":"x"},"finish_reason":"stop"}]}`))
	if err != nil || !reflect.DeepEqual(whole.Content, want) {
		t.Errorf("whole: got %v, %v\nwant %v", whole, err, want)
	}
	events, err := read(sse(deltas(
		`{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0}]}`, `{"reasoning_details":[{"type":"reasoning.text","signature":"S","index":0}]}`,
		`{"reasoning":"b","reasoning_details":[{"type":"reasoning.summary","summary":"b","index":1}]}`,
		`{"reasoning_details":[{"type":"reasoning.encrypted","data":"E","id":"rs_1","format":"openai-responses-v1","index":1},{"type":"reasoning.encrypted","data":"D","index":2}]}`,
		`{"content":"x"}`)...))
	if err != nil {
		t.Fatal(err)
	}
	check(t, events)
	streamed, err := fold(events)
	if err != nil || !reflect.DeepEqual(streamed.Content, want) {
		t.Errorf("streamed: got %v, %v\nwant %v", streamed, err, want)
	}
}
