package openai

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

const withPatch = `{"model":"m","messages":[` + user + `],
	"tools":[{"type":"custom","custom":{"name":"patch","description":"Patches.","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: x"}}}},{"type":"function","function":{"name":"f"}}],
	"tool_choice":{"type":"custom","custom":{"name":"patch"}}}`

func decodeWithPatch(t *testing.T) *dialect.Call {
	t.Helper()
	call, err := Server{}.Decode(chatCompletions, []byte(withPatch))
	if err != nil {
		t.Fatal(err)
	}
	return call
}

func TestAFreeFormToolIsAFunctionToOthers(t *testing.T) {
	call := decodeWithPatch(t)
	got, err := json.Marshal(call.Request.Tools)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"name":"patch","description":"Patches.\n\nThe input must follow this lark grammar:\nstart: x","parameters":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}},{"name":"f"}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if want := []string{"patch"}; !slices.Equal(call.Request.ToolChoice.Only, want) {
		t.Errorf("got the choice %v want %v", call.Request.ToolChoice.Only, want)
	}
	if want := []llm.Warning{{Policy: llm.Emulated, Field: "tools.custom"}}; !slices.Equal(call.Warnings, want) {
		t.Errorf("got %v want %v", call.Warnings, want)
	}
}

func TestAFreeFormToolIsCalledWithAText(t *testing.T) {
	r := &llm.Response{ID: "chatcmpl-1", Content: llm.Blocks{
		llm.ToolCall{ID: "a", Name: "patch", Arguments: `{"input":"+ \"é\"\n"}`},
		llm.ToolCall{ID: "b", Name: "f", Arguments: `{"input":"x"}`},
	}, Finish: llm.Finish{Reason: llm.FinishToolCalls}}
	whole, err := decodeWithPatch(t).Encoder.Whole(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `"tool_calls":[{"id":"a","type":"custom","custom":{"name":"patch","input":"+ \"é\"\n"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{\"input\":\"x\"}"}}]`
	if !strings.Contains(string(whole), want) {
		t.Errorf("got  %s\nwant %s in it", whole, want)
	}

	var streamed []byte
	encoder := decodeWithPatch(t).Encoder.Restart()
	for _, e := range []llm.Event{
		llm.Start{ID: "chatcmpl-1"},
		llm.BlockStart{Block: llm.ToolCall{ID: "a", Name: "patch"}},
		llm.Delta{Text: `{"inp`}, llm.Delta{Text: `ut":"+ \`}, llm.Delta{Text: `"é\ud83d`}, llm.Delta{Text: `\ude00`}, llm.Delta{Text: `"}`}, llm.BlockEnd{},
		llm.BlockStart{Block: llm.ToolCall{ID: "b", Name: "f"}}, llm.BlockEnd{},
		llm.Finish{Reason: llm.FinishToolCalls},
	} {
		if streamed, err = encoder.Event(streamed, e); err != nil {
			t.Fatal(err)
		}
	}
	var deltas []string
	for line := range strings.SplitSeq(string(streamed), "\n\n") {
		if _, delta, ok := strings.Cut(line, `"delta":{"tool_calls":[`); ok {
			delta, _, _ = strings.Cut(delta, `]},"logprobs"`)
			deltas = append(deltas, delta)
		}
	}
	if want := []string{
		`{"index":0,"id":"a","type":"custom","custom":{"name":"patch","input":""}}`,
		`{"index":0,"custom":{"input":"+ "}}`, `{"index":0,"custom":{"input":"\"é"}}`, `{"index":0,"custom":{"input":"😀"}}`,
		`{"index":1,"id":"b","type":"function","function":{"name":"f","arguments":""}}`, `{"index":1,"function":{"arguments":"{}"}}`,
	}; !slices.Equal(deltas, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(deltas, "\n     "), strings.Join(want, "\n     "))
	}
}

// A call that is passed through is read on the side, and must not fail there.
func TestCallsOfFreeFormToolsAreRead(t *testing.T) {
	events, err := read(sse(deltas(
		`{"tool_calls":[{"index":0,"id":"x","type":"custom","custom":{"name":"patch","input":""}}]}`,
		`{"tool_calls":[{"index":0,"custom":{"input":"a\n\ud83d"}}]}`, `{"tool_calls":[{"index":0,"custom":{"input":"\ude00\""}}]}`,
		`{"tool_calls":[{"index":1,"id":"y","type":"function","function":{"name":"f","arguments":"{}"}}]}`)...))
	const want = `start(c1 m) call:x:patch("{\"input\":\"""a\\n""😀\\\"""\"}") call:y:f("{}") finish(tool_calls stop)`
	if got := describe(events); err != nil || got != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	check(t, events)

	whole, err := Client{}.Whole(chatCompletions, []byte(`{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"x","type":"custom","custom":{"name":"patch","input":"a"}}]},"finish_reason":"tool_calls"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if call := (llm.ToolCall{ID: "x", Name: "patch", Arguments: `{"input":"a"}`}); len(whole.Content) != 1 || whole.Content[0] != call {
		t.Errorf("got %v want %v", whole.Content, call)
	}
}
