package dialect_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// The tests of this file are about mistakes that are often made where one
// dialect is turned into another. Each is named after what must hold. Those
// that need the whole program are in its folder.

// Where a server gives all its calls the index 0, they run into one call with
// arguments that are no JSON.
func TestParallelToolCallsKeepApart(t *testing.T) {
	stream := chunks("tool_calls",
		`{"role":"assistant","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\""}}]}`,
		`{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}`,
		`{"tool_calls":[{"index":0,"id":"call_2","type":"function","function":{"name":"f","arguments":""}}]}`,
		`{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":2}"}}]}`)
	wantStrings(t, "to Anthropic", anthropicBlocks(t, turned(t, stream, openaiSuite(), anthropicSuite())), `tool_usef{"a":1}`, `tool_usef{"a":2}`)

	line := `{"model":"up","message":{"role":"assistant","content":"","tool_calls":[{"function":{"index":0,"name":%q,"arguments":{}}}]},"done":false}` + "\n"
	stream = fmt.Sprintf(line+line, "f", "g") + `{"model":"up","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}` + "\n"
	got := openaiCalls(t, turned(t, stream, ollamaSuite(), openaiSuite()))
	if got[0] != "f{}" || got[1] != "g{}" || len(got) != 2 {
		t.Errorf("from Ollama to OpenAI: got %v, want f and g as 0 and 1", got)
	}
}

// The number of Anthropic's content block is taken for that of the choice or
// of the call, so that the first call has the number 1.
func TestBlockNumbersDoNotLeak(t *testing.T) {
	stream := turned(t, messages("tool_use", textBlock, toolBlock), anthropicSuite(), openaiSuite())
	if got := openaiCalls(t, stream); got[0] != `f{"a":1}` || len(got) != 1 {
		t.Errorf("calls by their index: got %v, want one as 0", got)
	}
	for _, c := range objects[chunk](t, stream) {
		for _, choice := range c.Choices {
			if choice.Index != 0 {
				t.Errorf("a choice has the index %d, want 0", choice.Index)
			}
		}
	}
}

// Servers say stop although tools were called, and clients then stop.
func TestCalledToolsAreNoPlainStop(t *testing.T) {
	call := `{"role":"assistant","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]}`
	for said, want := range map[string][2]string{
		"stop":   {"tool_calls", "tool_use"},
		"length": {"length", "max_tokens"},
	} {
		stream := chunks(said, call)
		got := finishReasons(t, turned(t, stream, openaiSuite(), openaiSuite()))
		wantStrings(t, said+" to OpenAI", got, want[0])
		var reasons []string
		for _, e := range objects[event](t, turned(t, stream, openaiSuite(), anthropicSuite())) {
			if e.Delta.StopReason != "" {
				reasons = append(reasons, e.Delta.StopReason)
			}
		}
		wantStrings(t, said+" to Anthropic", reasons, want[1])
	}
}

// finishReasons returns the reasons that the chunks of a stream give.
func finishReasons(t *testing.T, stream string) (reasons []string) {
	t.Helper()
	for _, c := range objects[chunk](t, stream) {
		for _, choice := range c.Choices {
			if choice.FinishReason != "" {
				reasons = append(reasons, choice.FinishReason)
			}
		}
	}
	return reasons
}

// A stream says that it is done, but no chunk of it says why.
func TestEveryStreamSaysWhyItEnds(t *testing.T) {
	for _, stream := range []string{messages("end_turn", textBlock), messages("end_turn")} {
		got := turned(t, stream, anthropicSuite(), openaiSuite())
		wantStrings(t, "reasons", finishReasons(t, got), "stop")
		if !strings.HasSuffix(got, "data: [DONE]\n\n") {
			t.Errorf("the stream ends in %q", got[max(0, len(got)-40):])
		}
	}
}

// An error in the middle of a stream becomes the end of a good answer, which
// is then empty or cut off.
func TestFailedStreamIsNoAnswer(t *testing.T) {
	const failure = `data: {"error":{"message":"out of memory","type":"server_error","code":500}}` + "\n\n"
	stream := strings.SplitAfter(chunks("stop", `{"role":"assistant","content":"Hi"}`), "\n\n")[0] + failure + "data: [DONE]\n\n"
	from := openaiSuite()
	events, err := llmtest.Prefix(t, dialect.Events(from.Frames(strings.NewReader(stream)), from.Client.Decoder(from.Operation)))
	failed, ok := errors.AsType[*llm.Error](err)
	if !ok || !strings.Contains(failed.Message, "out of memory") || llmtest.Finished(events) {
		t.Fatalf("got the error %v behind %d events, want what the upstream says", err, len(events))
	}
	for _, to := range suites() {
		got := string(encoded(t, callOf(t, to, true).Encoder, events)) + string(to.Server.Framing(to.Operation).Error(failed))
		if !strings.Contains(got, "out of memory") {
			t.Errorf("%s: the error is not in %q", to.Server.Name(), got)
		}
		for _, end := range []string{"[DONE]", `"finish_reason":"`, "message_stop", "response.completed", `"done":true`} {
			if strings.Contains(got, end) {
				t.Errorf("%s: a failed stream has %s: %q", to.Server.Name(), end, got)
			}
		}
	}
}

// A chunk with usage and no choices comes to clients that did not ask for it
// and look at the first choice, or the chunk has not even an empty list.
func TestUsageComesWhenAskedFor(t *testing.T) {
	events := llmtest.Check(t, dialect.Events(frame.SSE(strings.NewReader(chunks("stop", `{"content":"Hi"}`))), openaiSuite().Client.Decoder("chat/completions")))
	for options, want := range map[string]int{``: 0, `,"stream_options":{"include_usage":false}`: 0, `,"stream_options":{"include_usage":true}`: 1} {
		call, err := openaiSuite().Server.Decode("chat/completions", []byte(`{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]`+options+`}`))
		if err != nil {
			t.Fatal(err)
		}
		stream := string(encoded(t, call.Encoder, events))
		if got := strings.Count(stream, `"choices":[]`); got != want {
			t.Errorf("options %q: %d chunks without a choice, want %d", options, got, want)
		}
		for _, c := range objects[chunk](t, stream) {
			if c.Choices == nil || len(c.Choices) > 0 && !rawjson.IsNull(c.Usage) {
				t.Errorf("options %q: a chunk has the choices %v and the usage %s", options, c.Choices, c.Usage)
			}
		}
	}
}

// Cached tokens are counted twice or not at all: Anthropic's input leaves them
// out, and its streams say what was read twice.
func TestCachedTokensCountOnce(t *testing.T) {
	type usage struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
		Details    struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
	all := objects[chunk](t, turned(t, messages("end_turn", textBlock), anthropicSuite(), openaiSuite()))
	got, want := as[usage](t, string(all[len(all)-1].Usage)), usage{Prompt: 115, Completion: 20, Total: 135}
	if want.Details.Cached = 100; got != want {
		t.Errorf("from Anthropic to OpenAI: got %+v, want %+v", got, want)
	}
	events := objects[event](t, turned(t, chunks("stop", `{"content":"Hi"}`), openaiSuite(), anthropicSuite()))
	if got, want := events[len(events)-2].Usage, (wireUsage{Input: 15, CacheRead: 100, Output: 20}); got != want {
		t.Errorf("from OpenAI to Anthropic: got %+v, want %+v", got, want)
	}
}

// The first event of a stream says that nothing was read, and clients show a
// conversation that costs nothing and never fills up.
func TestFirstEventKnowsTheInput(t *testing.T) {
	events := objects[event](t, turned(t, chunks("stop", `{"content":"Hi"}`), openaiSuite(), anthropicSuite()))
	if got := events[0].Message.Usage.Input; events[0].Type != "message_start" || got < 1 {
		t.Errorf("%s says %d input tokens, want an estimate", events[0].Type, got)
	}
}

// Blocks are open side by side, are never closed, or skip a number where the
// upstream mixes texts and calls.
func TestBlocksNeitherOverlapNorSkipNumbers(t *testing.T) {
	stream := chunks("tool_calls", `{"role":"assistant","content":"Hi"}`,
		`{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"a\""}},{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{"}}]}`,
		`{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}`, `{"tool_calls":[{"index":1,"function":{"arguments":"}"}}]}`)
	wantStrings(t, "blocks", anthropicBlocks(t, turned(t, stream, openaiSuite(), anthropicSuite())), "text", `tool_usef{"a":1}`, "tool_useg{}")
}

// Events that open an item or a part are missing, ids change on the way, or
// the stream ends in the marker of another API.
func TestResponsesHaveTheirWholeLife(t *testing.T) {
	stream := turned(t, messages("tool_use", thinkingBlock, textBlock, toolBlock), anthropicSuite(), responsesSuite())
	if strings.Contains(stream, "[DONE]") {
		t.Error("the stream has a [DONE]")
	}
	var kinds []string
	ids := map[int]string{}
	for _, e := range objects[struct {
		Type   string
		ItemID string `json:"item_id"`
		Output int    `json:"output_index"`
		Item   struct{ ID string }
	}](t, stream) {
		kinds = append(kinds, strings.TrimPrefix(e.Type, "response."))
		id := e.ItemID + e.Item.ID
		if known := ids[e.Output]; id != "" && known != "" && known != id {
			t.Errorf("%s: item %d is called %s and %s", e.Type, e.Output, known, id)
		} else if id != "" {
			ids[e.Output] = id
		}
	}
	wantStrings(t, "events", kinds, "created", "in_progress",
		"output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
		"output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done", "output_item.done",
		"output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done", "completed")
}

// A counter that is zero is left out of the usage, and clients give up.
func TestResponsesHaveEveryCounter(t *testing.T) {
	stream := `{"model":"up","message":{"role":"assistant","content":"Hi"},"done":true,"done_reason":"stop","prompt_eval_count":7,"eval_count":5}` + "\n"
	const want = `"usage":{"input_tokens":7,"input_tokens_details":{"cached_tokens":0},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":12}`
	plain := strings.ReplaceAll(turned(t, stream, ollamaSuite(), responsesSuite()), `,"cache_write_tokens":0`, "")
	if !strings.Contains(plain, want) {
		t.Errorf("want %s in %s", want, plain)
	}
}

// Items of the history that are no messages are refused, or their insides are
// shown to the model as if somebody had said them.
func TestReasoningItemsOfTheHistoryAreRead(t *testing.T) {
	body := `{"model":"m","input":[{"role":"user","content":"Hi"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"c2VjcmV0"},
		{"type":"later_item","id":"x_1","payload":"unheard-of"},{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"a","output":"1"}]}`
	for _, to := range []dialecttest.Suite{openaiSuite(), anthropicSuite(), ollamaSuite()} {
		got := respelled(t, body, responsesSuite(), to)
		if strings.Contains(got, "c2VjcmV0") || strings.Contains(got, "unheard-of") || strings.Contains(got, "rs_1") {
			t.Errorf("%s: the insides of an item are in %s", to.Server.Name(), got)
		}
	}
	turns := turnsOf(t, respelled(t, body, responsesSuite(), anthropicSuite()))
	wantStrings(t, "turns", turns, "user: text", "assistant: tool_use", "user: tool_result")
}

// The first chunk does not say who speaks, or every chunk says so.
func TestRoleIsSaidOnceAndFirst(t *testing.T) {
	for _, stream := range []string{messages("end_turn", textBlock, textBlock), messages("tool_use", toolBlock), messages("end_turn")} {
		var said []string
		for _, c := range objects[chunk](t, turned(t, stream, anthropicSuite(), openaiSuite())) {
			for _, choice := range c.Choices {
				said = append(said, choice.Delta.Role)
			}
		}
		want := append([]string{"assistant"}, make([]string, len(said)-1)...)
		wantStrings(t, "roles", said, want...)
	}
}

// A system turn among the messages is refused, although clients send it, or is
// moved to the top.
func TestSystemTurnsKeepTheirPlace(t *testing.T) {
	body := `{"model":"claude-opus-4-8","max_tokens":9,"messages":[{"role":"user","content":"Hello"},{"role":"system","content":"Be brief."},{"role":"assistant","content":"And?"},{"role":"user","content":"Yes."}]}`
	for _, to := range []dialecttest.Suite{openaiSuite(), ollamaSuite(), anthropicSuite()} {
		got := respelled(t, body, anthropicSuite(), to)
		before, behind := strings.Index(got, "Hello"), strings.Index(got, "And?")
		if at := strings.Index(got, "Be brief."); at < before || at > behind || before < 0 {
			t.Errorf("%s: the system turn is not where it was: %s", to.Server.Name(), got)
		}
	}
}
