package anthropic

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
)

func schemaOf(s string) *llm.Format { return &llm.Format{Schema: json.RawMessage(s)} }

const person = `{"type":"object","properties":{"name":{"type":"string"}}}`

func TestAModelWithoutSchemasAnswersByATool(t *testing.T) {
	const tool = `tools=[{"name":"answer","description":"` + answerDescription + `","input_schema":%s}]` + "\n" +
		`tool_choice={"type":"tool","name":"answer","disable_parallel_tool_use":true}`
	tests := []struct {
		name    string
		request llm.Request
		want    string // the schema of the tool; empty: the request is refused
	}{
		{"an object", llm.Request{Model: old, Format: schemaOf(person)}, person},
		{"a manual model that does not think", llm.Request{Model: "claude-sonnet-4-0", Format: schemaOf(person)}, person},
		{"no thinking", llm.Request{Model: "claude-sonnet-4-0", Format: schemaOf(person), Reasoning: &llm.Reasoning{Effort: llm.EffortNone}}, person},
		{"another server", llm.Request{Model: foreign, Format: schemaOf(person)}, person},
		{"an object that does not say so", llm.Request{Model: old, Format: schemaOf(`{"properties":{"a":true}}`)}, `{"type":"object","properties":{"a":true}}`},
		{"a provider that says so of a newer model", llm.Request{Model: manual, Format: schemaOf(person), Facts: &llm.Facts{Schemas: new(false)}}, person},

		{"a list", llm.Request{Model: old, Format: schemaOf(`{"type":"array","items":{}}`)}, ""},
		{"an object or nothing", llm.Request{Model: old, Format: schemaOf(`{"type":["object","null"]}`)}, ""},
		{"one of two", llm.Request{Model: old, Format: schemaOf(`{"type":"object","anyOf":[{},{}]}`)}, ""},
		{"anything", llm.Request{Model: old, Format: schemaOf(`{}`)}, ""},
		{"no schema at all", llm.Request{Model: old, Format: schemaOf(`true`)}, ""},
		{"thinking", llm.Request{Model: "claude-sonnet-4-0", Format: schemaOf(person), Reasoning: &llm.Reasoning{Effort: llm.EffortLow}}, ""},
		{"tools of the client", llm.Request{Model: old, Format: schemaOf(person), Tools: []llm.Tool{{Name: "f"}}}, ""},
		{"a model that cannot be made to call", llm.Request{Model: newest, Format: schemaOf(person), Facts: &llm.Facts{Schemas: new(false)}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.request.Messages = []llm.Message{user(text("Hi"))}
			if tt.want == "" {
				_, err := Client{}.Encode(&tt.request)
				if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeUnsupported || e.Param != "response_format" {
					t.Errorf("got %v, want response_format refused", err)
				}
				return
			}
			got, warnings := encoded(t, tt.request, "tools", "tool_choice")
			if want := fmt.Sprintf(tool, tt.want); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if len(warnings) != 1 || warnings[0] != (llm.Warning{Policy: llm.Emulated, Field: "response_format"}) {
				t.Errorf("got warnings %v, want response_format emulated, and not weakly", warnings)
			}
		})
	}
}

func TestTheAnswerIsTakenOutOfItsTool(t *testing.T) {
	restore := restoring(t)
	const (
		called  = `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"answer","input":{}}}`
		stopped = `{"type":"content_block_stop","index":0}`
	)
	piece := func(s string) string {
		return fmt.Sprintf(`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":%q}}`, s)
	}
	said := func(s string) string {
		return fmt.Sprintf(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%q}}`, s)
	}
	end := func(reason string) string {
		return `{"type":"message_delta","delta":{"stop_reason":"` + reason + `"},"usage":{"output_tokens":9}}`
	}
	tests := []struct {
		name   string
		frames []string
		deltas string
		reason llm.FinishReason
	}{
		{"piece by piece", []string{called, piece(""), piece(`{"na`), piece(`me":"Ann"}`), stopped, end("tool_use")}, `{"na|me":"Ann"}`, llm.FinishStop},
		{"cut", []string{called, piece(`{"na`), stopped, end("max_tokens")}, `{"na`, llm.FinishLength},
		{"an empty object", []string{called, piece(""), stopped, end("tool_use")}, `{}`, llm.FinishStop},
		{"cut before the first piece", []string{called, stopped, end("max_tokens")}, ``, llm.FinishLength},
		{"text in spite of it", []string{`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, said("No."), stopped, end("end_turn")}, `No.`, llm.FinishStop},
		{"refused", []string{end("refusal")}, ``, llm.FinishContentFilter},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, err := events(t, strings.NewReader(frames(append(append([]string{begun}, tt.frames...), ended)...)))
			if err != nil {
				t.Fatal(err)
			}
			got := llmtest.Check(t, restore(llmtest.Of(in...)))
			var deltas []string
			for _, e := range got {
				switch e := e.(type) {
				case llm.BlockStart:
					if _, ok := e.Block.(llm.Text); !ok {
						t.Errorf("got a block %T, want text", e.Block)
					}
				case llm.Delta:
					deltas = append(deltas, e.Text)
				}
			}
			if s := strings.Join(deltas, "|"); s != tt.deltas {
				t.Errorf("got pieces %s, want %s", s, tt.deltas)
			}
			f := llmtest.Fold(t, got).Finish
			if f.Reason != tt.reason || f.Usage == nil || f.Usage.Input != 7 || f.Usage.Output != 9 {
				t.Errorf("got the end %+v with %+v, want %s with the usage", f, f.Usage, tt.reason)
			}
		})
	}
}

// restoring returns what undoes that a request is answered by a tool.
func restoring(t *testing.T) func(llm.Stream) llm.Stream {
	t.Helper()
	out, err := Client{}.Encode(&llm.Request{Model: old, Format: schemaOf(person), Messages: []llm.Message{user(text("Hi"))}})
	if err != nil || out.Restore == nil {
		t.Fatalf("got %+v, %v, want a request with an answer to restore", out, err)
	}
	return out.Restore
}

func TestAWholeAnswerIsTakenOutOfItsTool(t *testing.T) {
	whole, err := Client{}.Whole("messages", []byte(`{"id":"m","type":"message","role":"assistant","model":"c","content":[
		{"type":"tool_use","id":"a","name":"answer","input":{"name": "Ann"}}],"stop_reason":"tool_use","usage":{"input_tokens":7,"output_tokens":9}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := llmtest.Fold(t, llmtest.Check(t, restoring(t)(whole.Events())))
	if len(got.Content) != 1 || got.Content.PlainText("") != `{"name":"Ann"}` || got.Finish.Reason != llm.FinishStop || got.Finish.Usage.Output != 9 {
		t.Errorf("got %+v, want the object as text, a natural end and the usage", got)
	}
}

// What the API sends for tools of its own stays, and so does its failure.
func TestOtherCallsStayInTheAnswer(t *testing.T) {
	broken := errors.New("gone")
	stream := restoring(t)(llmtest.Broken(broken, llm.Start{}, llm.BlockStart{Block: llm.ToolCall{ID: "a", Name: "f"}}, llm.BlockEnd{}))
	got, err := llmtest.Prefix(t, stream)
	if want := (llm.BlockStart{Block: llm.ToolCall{ID: "a", Name: "f"}}); err != broken || len(got) != 3 || got[1] != want {
		t.Errorf("got %v, %v, want the call and the failure as they were", got, err)
	}
	finish := llm.Finish{Reason: llm.FinishToolCalls}
	got = llmtest.Check(t, restoring(t)(llmtest.Of(llm.Start{}, llm.BlockStart{Block: llm.ToolCall{ID: "a", Name: "f"}}, llm.BlockEnd{}, finish)))
	if len(got) != 4 || got[3] != finish {
		t.Errorf("got %v, want the end as it was", got)
	}
}
