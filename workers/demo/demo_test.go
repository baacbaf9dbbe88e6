package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
	"github.com/offbeat-studio/allama/workers/demo"
)

func never(time.Duration) error { return nil }

// say asks the demo, with what was said last by the user.
func say(text string, change func(*llm.Request)) *llm.Request {
	r := &llm.Request{Model: demo.Model, Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: text}}}}}
	if change != nil {
		change(r)
	}
	return r
}

func answer(t *testing.T, r *llm.Request) *llm.Response {
	t.Helper()
	stream, _, err := demo.New().Answer(t.Context(), r, never)
	if err != nil {
		t.Fatal(err)
	}
	response, err := llm.Collect(stream)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

var weather = llm.Tool{Name: "get_weather", Parameters: json.RawMessage(
	`{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"unit":{"enum":["C","F"]},"tags":{"type":"array","items":{"type":["boolean","null"]}},"at":{"properties":{"x":{"type":"number"}}},"any":{}}}`)}

const weatherSample = `{"city":"demo","days":1,"unit":"C","tags":[true],"at":{"x":1},"any":"demo"}`

func TestItRepeatsWhatWasSaid(t *testing.T) {
	got := answer(t, say("Is this thing on?", nil))
	text := got.Content.PlainText("")
	if !strings.Contains(text, "demo model") || !strings.HasSuffix(text, "You said: Is this thing on?") {
		t.Errorf("it says %q", text)
	}
	words := len(strings.Fields(text))
	if want := (llm.Usage{Input: 4, Output: words}); got.Finish.Usage == nil || *got.Finish.Usage != want {
		t.Errorf("usage is %+v want %+v", got.Finish.Usage, want)
	}
	if got.Finish.Reason != llm.FinishStop {
		t.Errorf("reason is %s want stop", got.Finish.Reason)
	}
	if again := answer(t, say("Is this thing on?", nil)); !reflect.DeepEqual(got, again) {
		t.Errorf("the second answer is %+v, the first was %+v", again, got)
	}
	if long := answer(t, say(strings.Repeat("é", 100_000), nil)).Content.PlainText(""); len(long) > 2000 {
		t.Errorf("a long message is repeated in %d bytes", len(long))
	}
	if text := answer(t, &llm.Request{Model: demo.Model}).Content.PlainText(""); !strings.Contains(text, "nothing") {
		t.Errorf("to no message it says %q", text)
	}
}

func TestItDoesAsItIsTold(t *testing.T) {
	call := llm.ToolCall{ID: "call_demo_1", Name: "get_weather", Arguments: weatherSample}
	withTool := func(mode llm.ToolMode, only ...string) func(*llm.Request) {
		return func(r *llm.Request) {
			r.Tools = []llm.Tool{{Name: "other"}, weather}
			r.ToolChoice = &llm.ToolChoice{Mode: mode, Only: only}
		}
	}
	tests := []struct {
		name    string
		request *llm.Request
		want    func(*llm.Response) bool
	}{
		{"it thinks", say("Hi", func(r *llm.Request) { r.Reasoning = &llm.Reasoning{} }), func(got *llm.Response) bool {
			_, ok := got.Content[0].(llm.Thinking)
			return ok && len(got.Content) == 2 && got.Finish.Usage.Reasoning > 0 && got.Finish.Usage.Reasoning < got.Finish.Usage.Output
		}},
		{"it hides its thoughts", say("Hi", func(r *llm.Request) { r.Reasoning = &llm.Reasoning{Hidden: true} }), func(got *llm.Response) bool {
			return len(got.Content) == 1
		}},
		{"it does not think", say("Hi", func(r *llm.Request) { r.Reasoning = &llm.Reasoning{Effort: llm.EffortNone} }), func(got *llm.Response) bool {
			return len(got.Content) == 1
		}},
		{"it calls a tool that the user names", say("please get_weather", withTool("")), func(got *llm.Response) bool {
			return got.Finish.Reason == llm.FinishToolCalls && reflect.DeepEqual(got.Content, llm.Blocks{call})
		}},
		{"it calls the tool it must call", say("Hi", withTool(llm.ToolsRequired, "get_weather")), func(got *llm.Response) bool {
			return reflect.DeepEqual(got.Content, llm.Blocks{call})
		}},
		{"it calls the first tool when any will do", say("Hi", withTool(llm.ToolsRequired)), func(got *llm.Response) bool {
			c, ok := got.Content[0].(llm.ToolCall)
			return ok && c.Name == "other" && c.Arguments == "{}"
		}},
		{"it calls no tool unasked", say("Hi", withTool("")), func(got *llm.Response) bool { return got.Finish.Reason == llm.FinishStop }},
		{"it calls no tool that it may not", say("use the tool", withTool(llm.ToolsNone)), func(got *llm.Response) bool { return got.Finish.Reason == llm.FinishStop }},
		{"it tells what the tool said", say("use the tool", func(r *llm.Request) {
			withTool(llm.ToolsRequired)(r)
			r.Messages = append(r.Messages, llm.Message{Role: llm.RoleUser, Content: llm.Blocks{
				llm.ToolResult{CallID: "1", Content: llm.Blocks{llm.Text{Text: "sunny"}}}}})
		}), func(got *llm.Response) bool { return strings.Contains(got.Content.PlainText(""), "sunny") }},
		{"it writes JSON to a schema", say("Hi", func(r *llm.Request) { r.Format = &llm.Format{Schema: weather.Parameters} }), func(got *llm.Response) bool {
			return got.Content.PlainText("") == weatherSample
		}},
		{"it writes any JSON", say("Hi", func(r *llm.Request) { r.Format = &llm.Format{} }), func(got *llm.Response) bool {
			return json.Valid([]byte(got.Content.PlainText("")))
		}},
		{"it stops at the limit", say("Hi", func(r *llm.Request) { r.Limits.MaxTokens = 3 }), func(got *llm.Response) bool {
			return got.Finish.Reason == llm.FinishLength && got.Content.PlainText("") == "Hello! I am" && got.Finish.Usage.Output == 3
		}},
		{"it stops inside its thoughts", say("Hi", func(r *llm.Request) { r.Limits.MaxTokens, r.Reasoning = 3, &llm.Reasoning{} }), func(got *llm.Response) bool {
			return got.Finish.Reason == llm.FinishLength && len(got.Content) == 1 && got.Finish.Usage.Output == 3
		}},
		{"it stops at a stop sequence", say("Hi", func(r *llm.Request) { r.Limits.Stop = []string{"never said", "demo", "I am"} }), func(got *llm.Response) bool {
			return got.Finish.Reason == llm.FinishStop && got.Finish.StopSequence == "I am" && got.Content.PlainText("") == "Hello! "
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := answer(t, tt.request); !tt.want(got) {
				t.Errorf("got %+v", got)
			}
			streamed := *tt.request
			streamed.Stream = true
			synctest.Test(t, func(t *testing.T) {
				if got := answer(t, &streamed); !tt.want(got) {
					t.Errorf("streamed, got %+v", got)
				}
			})
		})
	}
}

func TestAStreamComesInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := 0
		stream, _, err := demo.New().Answer(t.Context(), say("Hi", func(r *llm.Request) { r.Stream = true }), func(time.Duration) error {
			waits++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		deltas := 0
		for _, e := range llmtest.Check(t, stream) {
			if _, ok := e.(llm.Delta); ok {
				deltas++
			}
		}
		if deltas < 10 || waits != deltas || time.Since(began) != time.Duration(deltas)*25*time.Millisecond {
			t.Errorf("%d pieces after %d waits in %v", deltas, waits, time.Since(began))
		}
	})
}

func TestItCanBeLeft(t *testing.T) {
	left := errors.New("left")
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { leave(left) })
		stream, _, err := demo.New().Answer(ctx, say("Hi", func(r *llm.Request) { r.Stream = true }), never)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := llm.Collect(stream); !errors.Is(err, left) {
			t.Errorf("error is %v want the cause", err)
		}
	})
}

func TestOtherModelsAreUnknown(t *testing.T) {
	_, _, err := demo.New().Answer(t.Context(), &llm.Request{Model: "gpt-4o"}, never)
	if e := llm.AsError(err); e == nil || e.Code != llm.CodeModelNotFound {
		t.Errorf("error is %v want %s", err, llm.CodeModelNotFound)
	}
	list, err := demo.New().Models(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != demo.Model {
		t.Errorf("models are %+v, %v", list, err)
	}
}
