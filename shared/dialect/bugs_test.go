package dialect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// chunks is a stream of chat completions: each delta in a chunk of its own,
// then the reason, then usage.
func chunks(reason string, deltas ...string) string {
	const chunk = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"up","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}` + "\n\n"
	var out strings.Builder
	for _, d := range deltas {
		fmt.Fprintf(&out, chunk, d, "null")
	}
	fmt.Fprintf(&out, chunk, "{}", `"`+reason+`"`)
	out.WriteString(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"up","choices":[],"usage":{"prompt_tokens":115,"completion_tokens":20,"total_tokens":135,"prompt_tokens_details":{"cached_tokens":100}}}` + "\n\ndata: [DONE]\n\n")
	return out.String()
}

// messages is a stream of Anthropic's that has the given blocks: of each what
// it starts as, and a delta. What was read is counted twice, as that API does.
func messages(reason string, blocks ...[2]string) string {
	var out strings.Builder
	event := func(kind, rest string) {
		fmt.Fprintf(&out, "event: %s\ndata: {\"type\":%q%s}\n\n", kind, kind, rest)
	}
	const read = `"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":5`
	event("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","model":"up","content":[],"stop_reason":null,"stop_sequence":null,"usage":{`+read+`,"output_tokens":1}}`)
	for i, b := range blocks {
		event("content_block_start", fmt.Sprintf(`,"index":%d,"content_block":%s`, i, b[0]))
		event("content_block_delta", fmt.Sprintf(`,"index":%d,"delta":%s`, i, b[1]))
		event("content_block_stop", fmt.Sprintf(`,"index":%d`, i))
	}
	event("message_delta", fmt.Sprintf(`,"delta":{"stop_reason":%q,"stop_sequence":null},"usage":{%s,"output_tokens":20}`, reason, read))
	event("message_stop", "")
	return out.String()
}

var (
	textBlock     = [2]string{`{"type":"text","text":""}`, `{"type":"text_delta","text":"Hi"}`}
	thinkingBlock = [2]string{`{"type":"thinking","thinking":"","signature":""}`, `{"type":"thinking_delta","thinking":"Hm"}`}
	toolBlock     = [2]string{`{"type":"tool_use","id":"toolu_1","name":"f","input":{}}`, `{"type":"input_json_delta","partial_json":"{\"a\":1}"}`}
)

// turned reads a stream of one dialect and writes it in another.
func turned(t *testing.T, stream string, from, to dialecttest.Suite) string {
	t.Helper()
	return string(streamed(t, []byte(stream), from, to))
}

// respelled reads a request of one dialect and writes it in another.
func respelled(t *testing.T, body string, from, to dialecttest.Suite) string {
	t.Helper()
	out, lost := translated(t, []byte(body), from, to)
	if out == nil {
		t.Fatalf("%s to %s: %q", from.Server.Name(), to.Server.Name(), lost)
	}
	return string(out)
}

// objects returns the objects that a stream of server-sent events carries.
func objects[T any](t *testing.T, stream string) (list []T) {
	t.Helper()
	for f, err := range frame.SSE(strings.NewReader(stream)) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Data != nil && string(f.Data) != "[DONE]" {
			list = append(list, as[T](t, string(f.Data)))
		}
	}
	return list
}

func as[T any](t *testing.T, data string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(data), &v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return v
}

// A chunk is what the tests look at in a chunk of a chat completion.
type chunk struct {
	Choices []struct {
		Index int
		Delta struct {
			Role      string
			ToolCalls []struct {
				Index    int
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		FinishReason string `json:"finish_reason"`
	}
	Usage json.RawMessage
}

// An event is what the tests look at in an event of Anthropic's.
type event struct {
	Type         string
	Index        int
	Message      struct{ Usage wireUsage }
	ContentBlock struct{ Type, Name string } `json:"content_block"`
	Delta        struct {
		PartialJSON string `json:"partial_json"`
		StopReason  string `json:"stop_reason"`
	}
	Usage wireUsage
}

type wireUsage struct {
	Input     int `json:"input_tokens"`
	CacheRead int `json:"cache_read_input_tokens"`
	Output    int `json:"output_tokens"`
}

// openaiCalls folds the calls of a stream by their index.
func openaiCalls(t *testing.T, stream string) map[int]string {
	t.Helper()
	calls := map[int]string{}
	for _, c := range objects[chunk](t, stream) {
		for _, choice := range c.Choices {
			for _, call := range choice.Delta.ToolCalls {
				calls[call.Index] += call.Function.Name + call.Function.Arguments
			}
		}
	}
	return calls
}

// anthropicBlocks folds the blocks of a stream into their types, and calls
// into name and arguments. It fails where two blocks are open at once, where
// one is not closed, and where a number is left out.
func anthropicBlocks(t *testing.T, stream string) (list []string) {
	t.Helper()
	open := false
	for _, e := range objects[event](t, stream) {
		last := len(list) - 1
		switch e.Type {
		case "content_block_start":
			if open || e.Index != len(list) {
				t.Fatalf("block %d starts as number %d, while one is open: %t", len(list), e.Index, open)
			}
			list, open = append(list, e.ContentBlock.Type+e.ContentBlock.Name), true
		case "content_block_delta", "content_block_stop":
			if !open || e.Index != last {
				t.Fatalf("%s of block %d while block %d is open: %t", e.Type, e.Index, last, open)
			}
			list[last] += e.Delta.PartialJSON
			open = e.Type == "content_block_delta"
		case "message_stop":
			if open {
				t.Fatalf("block %d is never closed", last)
			}
		}
	}
	return list
}

func wantStrings(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

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

// Results of parallel calls are sent as a turn each, behind one another or
// behind a text, and the API misses all but the first.
func TestParallelResultsShareATurn(t *testing.T) {
	body := `{"model":"m","messages":[{"role":"user","content":"Hi"},
		{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"a","content":"1"},{"role":"user","content":"And?"},{"role":"tool","tool_call_id":"b","content":"2"}]}`
	turns := turnsOf(t, respelled(t, body, openaiSuite(), anthropicSuite()))
	wantStrings(t, "turns", turns, "user: text", "assistant: tool_use tool_use", "user: tool_result tool_result text")
}

// turnsOf lists the turns of a request of Anthropic's, with the types of their
// blocks.
func turnsOf(t *testing.T, body string) (turns []string) {
	t.Helper()
	for _, m := range as[struct {
		Messages []struct {
			Role    string
			Content json.RawMessage
		}
	}](t, body).Messages {
		turn := m.Role + ":"
		var blocks []struct{ Type string }
		if json.Unmarshal(m.Content, &blocks) != nil {
			turn += " text" // a string
		}
		for _, b := range blocks {
			turn += " " + b.Type
		}
		turns = append(turns, turn)
	}
	return turns
}

// Thoughts are dropped, moved or written anew between two turns, and the API
// no longer recognises them.
func TestThoughtsComeBackAsTheyWere(t *testing.T) {
	const blocks = `{"type":"thinking","thinking":" Hm <é> \\u00e9\n ","signature":"c2ln+/=="},{"type":"redacted_thinking","data":"b3BhcXVl"},{"type":"text","text":"Wait."},{"type":"tool_use","id":"toolu_1","name":"f","input":{"z":1.0,"a":[]}}`
	body := `{"model":"claude-sonnet-4-5","max_tokens":5000,"thinking":{"type":"enabled","budget_tokens":2000},"tools":[{"name":"f","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"Hi"},
		{"role":"assistant","content":[` + blocks + `]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"1"}]}]}`
	got := respelled(t, body, anthropicSuite(), anthropicSuite())
	if !strings.Contains(got, blocks) {
		t.Errorf("got %s\nwant in it %s", got, blocks)
	}
	// A client that cannot keep thoughts has none to bring: none may be asked for.
	body = `{"model":"claude-sonnet-4-5","reasoning_effort":"high","messages":[{"role":"user","content":"Hi"},
		{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"1"}]}`
	if got := respelled(t, body, openaiSuite(), anthropicSuite()); strings.Contains(got, `"enabled"`) {
		t.Errorf("thinking goes on after a call without thoughts: %s", got)
	}
}

// A text with nothing in it, or with blanks only, is passed on to an API that
// refuses it.
func TestEmptyTextsAreLeftOut(t *testing.T) {
	body := `{"model":"m","messages":[{"role":"system","content":""},{"role":"user","content":[{"type":"text","text":""},{"type":"text","text":" \n"},{"type":"text","text":"Hi"}]},
		{"role":"assistant","content":"","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":""}]}`
	got := respelled(t, body, openaiSuite(), anthropicSuite())
	if strings.Contains(got, `"text":""`) || strings.Contains(got, `"text":" `) {
		t.Errorf("an empty text is in %s", got)
	}
	wantStrings(t, "turns", turnsOf(t, got), "user: text", "assistant: tool_use", "user: tool_result")
}

// A tool without parameters is sent without a schema, which the API requires.
func TestToolsWithoutParametersHaveASchema(t *testing.T) {
	body := `{"model":"m","messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"f"}}]}`
	const want = `{"type":"object","properties":{}}`
	if got := respelled(t, body, openaiSuite(), anthropicSuite()); !strings.Contains(got, `"input_schema":`+want) {
		t.Errorf("want the schema %s in %s", want, got)
	}
}

// Schemas are read into a form that has no room for the rarer keywords, and
// come out without them or in another order.
func TestSchemasKeepEveryKeyword(t *testing.T) {
	const schema = `{"type":"object","properties":{"z":{"anyOf":[{"$ref":"#/$defs/d"},{"type":"null"}]},"a":{"enum":["<",1,1.0,null]}},"required":["z"],"$defs":{"d":{"type":"object","additionalProperties":{"type":"string"}}},"additionalProperties":false,"x-later":[{}]}`
	const call = `{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"tools":[`
	for name, body := range map[string]string{
		"openai":    call + `{"type":"function","function":{"name":"f","parameters":` + schema + `}}]}`,
		"anthropic": call + `{"name":"f","input_schema":` + schema + `}]}`,
		"ollama":    call + `{"type":"function","function":{"name":"f","parameters":` + schema + `}}]}`,
	} {
		from := suites()[slices.IndexFunc(suites(), func(s dialecttest.Suite) bool { return s.Server.Name() == name })]
		for _, to := range suites() {
			if got := respelled(t, body, from, to); !strings.Contains(got, schema) {
				t.Errorf("%s to %s: got %s\nwant in it %s", name, to.Server.Name(), got, schema)
			}
		}
	}
}

// Arguments are an object where the dialect has a string, or the other way
// round, in one of the many places where they are.
func TestToolArgumentsHaveTheFormOfTheDialect(t *testing.T) {
	const object, text = `"arguments":{"a":1}`, `"arguments":"{\"a\":1}"`
	history := func(arguments string) string {
		return `{"model":"m","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"","tool_calls":[{"id":"a","type":"function","function":{"name":"f",` + arguments + `}}]},{"role":"tool","tool_call_id":"a","content":"1"}]}`
	}
	message := func(arguments string) string {
		return `"message":{"role":"assistant","content":"","tool_calls":[{"id":"a","type":"function","function":{"name":"f",` + arguments + `}}]}`
	}
	oa, ol := openaiSuite(), ollamaSuite()
	line := `{"model":"up",` + message(object) + `,"done":true,"done_reason":"stop"}` + "\n"
	stream := chunks("tool_calls", `{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f",`+text+`}}]}`)
	for where, pair := range map[string][2]string{
		"in a request to Ollama":     {respelled(t, history(text), oa, ol), object},
		"in a request to OpenAI":     {respelled(t, history(object), ol, oa), text},
		"in an answer by OpenAI":     {string(whole(t, []byte(`{"choices":[{"index":0,`+message(text)+`,"finish_reason":"tool_calls"}]}`), oa, ol)), object},
		"in an answer by Ollama":     {string(whole(t, []byte(line), ol, oa)), text},
		"in a stream by OpenAI":      {turned(t, stream, oa, ol), object},
		"in a stream by Anthropic":   {turned(t, messages("tool_use", toolBlock), anthropicSuite(), ol), object},
		"in a request to Anthropic":  {respelled(t, history(text), oa, anthropicSuite()), `"input":{"a":1}`},
		"in an answer for Anthropic": {string(whole(t, []byte(line), ol, anthropicSuite())), `"input":{"a":1}`},
	} {
		if got, want := pair[0], pair[1]; !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want in it %s", where, got, want)
		}
	}
	for index, got := range openaiCalls(t, turned(t, line, ol, oa)) {
		if index != 0 || got != `f{"a":1}` {
			t.Errorf("in a stream by Ollama: call %d is %s", index, got)
		}
	}
}

// A request without a limit is refused, or gets one so low that the answer is
// cut off.
func TestNoLimitIsTheLimitOfTheModel(t *testing.T) {
	for model, want := range map[string]string{"claude-opus-4-1": "32000", "claude-sonnet-4-5": "64000", "claude-opus-5": "128000"} {
		body := `{"model":"` + model + `","messages":[{"role":"user","content":"Hi"}]}`
		if got := respelled(t, body, openaiSuite(), anthropicSuite()); !strings.Contains(got, `"max_tokens":`+want) {
			t.Errorf("%s: want %s output tokens in %s", model, want, got)
		}
	}
}

// Sampling is passed on to models that refuse it: a temperature over 1, two
// ways at once, or any at all.
func TestSamplingFitsTheModel(t *testing.T) {
	for _, tt := range []struct{ model, sampling, want, never, lost string }{
		{"claude-sonnet-4-5", `"temperature":1.7`, `"temperature":1,`, "1.7", "[emulated temperature]"},
		{"claude-sonnet-4-5", `"temperature":0.5,"top_p":0.9`, `"temperature":0.5`, "top_p", "[dropped top_p]"},
		{"claude-opus-5", `"temperature":0.5`, "", "temperature", "[dropped temperature]"},
	} {
		body := `{"model":"` + tt.model + `",` + tt.sampling + `,"messages":[{"role":"user","content":"Hi"}]}`
		got, lost := translated(t, []byte(body), openaiSuite(), anthropicSuite())
		if !strings.Contains(string(got), tt.want) || strings.Contains(string(got), tt.never) || fmt.Sprint(lost) != tt.lost {
			t.Errorf("%s with %s: got %s, lost %q, want %s", tt.model, tt.sampling, got, lost, tt.lost)
		}
	}
}

// Fields of beta features reach upstreams that never heard of them, and are
// refused there.
func TestBetaFieldsStayWithAnthropic(t *testing.T) {
	body := `{"model":"m","max_tokens":9,"context_management":{"edits":[]},"messages":[{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}]}]}`
	for _, to := range []dialecttest.Suite{openaiSuite(), responsesSuite(), ollamaSuite()} {
		got, lost := translated(t, []byte(body), anthropicSuite(), to)
		if strings.Contains(string(got), "context_management") || strings.Contains(string(got), "cache_control") || !slices.Contains(lost, "dropped context_management") {
			t.Errorf("%s: got %s, lost %q", to.Server.Name(), got, lost)
		}
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
