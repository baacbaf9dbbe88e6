package dialect_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/frame"
)

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
