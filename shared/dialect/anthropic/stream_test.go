package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

// events decodes a stream up to its end or first error, and checks that it is
// well formed.
func events(t testing.TB, in io.Reader) (got []llm.Event, err error) {
	t.Helper()
	var check llm.Checker
	for e, err := range dialect.Events(frame.SSE(in), Client{}.Decoder("messages")) {
		if err != nil {
			return got, err
		}
		if err := check.Check(e); err != nil {
			t.Fatalf("after %d events: %v", len(got), err)
		}
		got = append(got, e)
	}
	if err := check.End(); err != nil {
		t.Fatalf("a stream without error: %v", err)
	}
	return got, nil
}

// frames spells data as a stream without event names.
func frames(data ...string) string {
	var out strings.Builder
	for _, d := range data {
		out.WriteString("data: " + d + "\n\n")
	}
	return out.String()
}

// lines returns events as JSON, for comparison and for people.
func lines(events []llm.Event) string {
	var out []byte
	for _, e := range events {
		out, _ = llm.AppendEvent(out, e)
	}
	return string(out)
}

const (
	begun = `{"type":"message_start","message":{"id":"msg_1","model":"c","usage":{"input_tokens":7,"cache_read_input_tokens":4,"output_tokens":1}}}`
	ended = `{"type":"message_stop"}`
)

var start = llm.Start{ID: "msg_1", Model: "c", Usage: &llm.Usage{Input: 7, CacheRead: 4, Output: 1}}

func TestDecodeStream(t *testing.T) {
	finish := func(reason llm.FinishReason, raw string) llm.Finish {
		return llm.Finish{Reason: reason, Raw: raw, Usage: start.Usage}
	}
	stop := `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null}}`
	tests := []struct {
		name string
		data []string
		want []llm.Event
	}{
		{"text, pings and events of the future", []string{begun, `{"type":"ping"}`,
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}`,
			`{"type":"news","delta":"not ours"}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"news_delta"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"x"}}}`,
			`{"type":"content_block_stop","index":0}`,
			`{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"x"},"usage":{"output_tokens":9,"output_tokens_details":{"thinking_tokens":3}}}`,
			ended, ended, `[DONE]`},
			[]llm.Event{start, llm.BlockStart{Block: llm.Text{}}, llm.Delta{Text: "Hi"},
				llm.Delta{Citation: &llm.Citation{Dialect: "anthropic", JSON: json.RawMessage(`{"type":"x"}`)}}, llm.BlockEnd{},
				llm.Finish{Reason: llm.FinishStop, Raw: "stop_sequence", StopSequence: "x",
					Usage: &llm.Usage{Input: 7, CacheRead: 4, Output: 9, Reasoning: 3}}}},
		{"thinking, then a call whose end is not called one", []string{begun,
			`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":""}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}`,
			`{"type":"content_block_stop","index":0}`,
			`{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"d"}}`,
			`{"type":"content_block_stop","index":1}`,
			`{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}`,
			`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}`,
			`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\":1}"}}`,
			`{"type":"content_block_stop","index":2}`, stop, ended},
			[]llm.Event{start, llm.BlockStart{Block: llm.Thinking{}}, llm.Delta{Text: "hm"}, llm.BlockEnd{Signature: "s"},
				llm.BlockStart{Block: llm.RedactedThinking{Data: "d"}}, llm.BlockEnd{},
				llm.BlockStart{Block: llm.ToolCall{ID: "t", Name: "f"}}, llm.Delta{Text: `{"a`}, llm.Delta{Text: `":1}`}, llm.BlockEnd{},
				finish(llm.FinishToolCalls, "end_turn")}},
		{"a server's tool gets its input", []string{begun,
			`{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","input":{},"id":"s"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"q\":"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"1}"}}`,
			`{"type":"content_block_stop","index":0}`, stop, ended},
			[]llm.Event{start, llm.BlockStart{Block: llm.Opaque{Dialect: "anthropic", Kind: "server_tool_use",
				JSON: json.RawMessage(`{"type":"server_tool_use","input":{"q":1},"id":"s"}`)}}, llm.BlockEnd{}, finish(llm.FinishStop, "end_turn")}},
		{"blocks that begin with their content", []string{begun,
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hi"}}`,
			`{"type":"content_block_stop","index":0}`,
			`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a":1}}}`,
			`{"type":"content_block_stop","index":1}`, ended},
			[]llm.Event{start, llm.BlockStart{Block: llm.Text{}}, llm.Delta{Text: "Hi"}, llm.BlockEnd{},
				llm.BlockStart{Block: llm.ToolCall{ID: "t", Name: "f"}}, llm.Delta{Text: `{"a":1}`}, llm.BlockEnd{}, finish(llm.FinishToolCalls, "")}},
		{"neither start nor stops", []string{
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}`,
			`{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"b"}}`, ended},
			[]llm.Event{llm.Start{}, llm.BlockStart{Block: llm.Text{}}, llm.Delta{Text: "a"}, llm.BlockEnd{},
				llm.BlockStart{Block: llm.Text{}}, llm.Delta{Text: "b"}, llm.BlockEnd{}, llm.Finish{Reason: llm.FinishStop}}},
		{"nothing at all", []string{begun, stop, ended}, []llm.Event{start, finish(llm.FinishStop, "end_turn")}},
		{"a cut call keeps its reason", []string{begun,
			`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}`,
			`{"type":"message_delta","delta":{"stop_reason":"max_tokens"}}`, ended},
			[]llm.Event{start, llm.BlockStart{Block: llm.ToolCall{ID: "t", Name: "f"}}, llm.BlockEnd{}, finish(llm.FinishLength, "max_tokens")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := events(t, strings.NewReader(frames(tt.data...)))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got\n%swant\n%s", lines(got), lines(tt.want))
			}
		})
	}
}

func TestDecodeStreamFails(t *testing.T) {
	tests := []struct {
		name, data string
		want       llm.Code
	}{
		{"an error", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, llm.CodeOverloaded},
		{"an error of another server", `{"error":{"message":"boom"}}`, llm.CodeUpstream},
		{"broken JSON", `{"type":"ping"`, llm.CodeUpstream},
		{"a delta of no block", `{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"x"}}`, llm.CodeUpstream},
		{"a block of no kind", `{"type":"content_block_start","index":0,"content_block":{}}`, llm.CodeUpstream},
		{"no block", `{"type":"content_block_start","index":0}`, llm.CodeUpstream},
		{"a wrong shape", `{"type":"content_block_start","index":"0"}`, llm.CodeUpstream},
		{"wrong counts", `{"type":"message_delta","usage":[]}`, llm.CodeUpstream},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := events(t, strings.NewReader(frames(begun, tt.data, ended)))
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != tt.want || len(got) != 1 {
				t.Errorf("got %d events and %v, want 1 and %s", len(got), err, tt.want)
			}
		})
	}
	if _, err := events(t, strings.NewReader(frames(begun))); !errors.Is(err, llm.ErrTruncated) {
		t.Errorf("got %v for half a stream, want ErrTruncated", err)
	}
}

// TestTruncatedStreamNeverFinishes breaks a stream off behind every byte, by
// an error of the connection.
func TestTruncatedStreamNeverFinishes(t *testing.T) {
	whole := encode(t, "m", spoken())
	last := bytes.LastIndex(whole, []byte("event: message_stop"))
	complete := last + len("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
	for n := range len(whole) {
		broken := io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(io.ErrUnexpectedEOF))
		got, err := events(t, broken)
		finished := len(got) > 0 && reflect.TypeOf(got[len(got)-1]) == reflect.TypeFor[llm.Finish]()
		if finished != (n >= complete) || err == nil {
			t.Fatalf("cut behind byte %d of %d: finished %v, error %v", n, len(whole), finished, err)
		}
	}
}

// spoken is an answer with all that clients of the dialect can see.
func spoken() []llm.Event {
	return []llm.Event{
		start,
		llm.BlockStart{Block: llm.Thinking{}}, llm.Delta{Text: "Let me"}, llm.BlockEnd{},
		llm.BlockStart{Block: llm.Thinking{}}, llm.BlockEnd{Signature: "real"},
		llm.BlockStart{Block: llm.RedactedThinking{Data: "d"}}, llm.BlockEnd{},
		llm.BlockStart{Block: llm.Audio{}}, llm.BlockEnd{},
		llm.BlockStart{Block: llm.Opaque{Dialect: "other", Kind: "x", JSON: json.RawMessage(`{}`)}}, llm.BlockEnd{},
		llm.BlockStart{Block: llm.Text{}}, llm.Delta{Text: "<Hi> ✓"}, llm.Delta{},
		llm.Delta{Citation: &llm.Citation{Dialect: "anthropic", JSON: json.RawMessage(`{"type":"x"}`)}},
		llm.Delta{Citation: &llm.Citation{Dialect: "other", JSON: json.RawMessage(`{}`)}}, llm.BlockEnd{},
		llm.BlockStart{Block: llm.ToolCall{ID: "toolu_1", Name: "get_weather"}},
		llm.Delta{Text: `{"location":`}, llm.Delta{Text: `"Boston"}`}, llm.BlockEnd{},
		llm.BlockStart{Block: llm.ToolCall{ID: "toolu_2", Name: "get_time"}}, llm.BlockEnd{},
		llm.Finish{Reason: llm.FinishToolCalls, Usage: &llm.Usage{Input: 7, CacheRead: 4, Output: 9, Reasoning: 2}},
	}
}

func encode(t testing.TB, model string, events []llm.Event) []byte {
	t.Helper()
	e := dialect.Encoder(&encoder{model: "before"})
	e.(*encoder).model = model
	e = e.Restart()
	var out []byte
	for _, event := range events {
		var err error
		if out, err = e.Event(out, event); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

const spokenStream = `event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"mine","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":1}}}

event: ping
data: {"type":"ping"}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"allama1.-9BfsD-e9Sd0CAoPzy0NqknPLTzzHy6EYO3B8hWVBMQ"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"signature_delta","signature":"real"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"redacted_thinking","data":"d"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"<Hi> ✓"}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"citations_delta","citation":{"type":"x"}}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: content_block_start
data: {"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"{\"location\":"}}

event: content_block_delta
data: {"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"\"Boston\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":4}

event: content_block_start
data: {"type":"content_block_start","index":5,"content_block":{"type":"tool_use","id":"toolu_2","name":"get_time","input":{}}}

event: content_block_stop
data: {"type":"content_block_stop","index":5}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":9,"output_tokens_details":{"thinking_tokens":2}}}

event: message_stop
data: {"type":"message_stop"}

`

func TestEncodeStream(t *testing.T) {
	got := string(encode(t, "mine", spoken()))
	if got != spokenStream {
		t.Errorf("got\n%s\nwant\n%s", got, spokenStream)
	}
}

func TestEncodeStreamMakesIDs(t *testing.T) {
	got := string(encode(t, "m", []llm.Event{llm.Start{}, llm.BlockStart{Block: llm.ToolCall{Name: "f"}}, llm.BlockEnd{}, llm.Finish{}}))
	for _, want := range []string{`"id":"msg_`, `"id":"toolu_`, `"stop_reason":"end_turn","stop_sequence":null`,
		`"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, `"id":""`) {
		t.Errorf("an empty id in\n%s", got)
	}
}

func TestEndings(t *testing.T) {
	tests := []struct {
		in       llm.Finish
		reason   string
		sequence any
	}{
		{llm.Finish{Reason: llm.FinishStop}, "end_turn", nil},
		{llm.Finish{Reason: llm.FinishStop, StopSequence: "x"}, "stop_sequence", "x"},
		{llm.Finish{Reason: llm.FinishLength, StopSequence: "x"}, "max_tokens", nil},
		{llm.Finish{Reason: llm.FinishToolCalls}, "tool_use", nil},
		{llm.Finish{Reason: llm.FinishContentFilter}, "refusal", nil},
		{llm.Finish{Reason: llm.FinishPause}, "pause_turn", nil},
	}
	for _, tt := range tests {
		body, err := (&encoder{model: "m"}).Whole(&llm.Response{ID: "msg_1", Finish: tt.in})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		sequence, present := got["stop_sequence"]
		if got["stop_reason"] != tt.reason || sequence != tt.sequence || !present {
			t.Errorf("%+v: got %s", tt.in, body)
		}
	}
}

func TestFraming(t *testing.T) {
	f := Server{}.Framing("messages")
	if f.ContentType != "text/event-stream" || string(f.KeepAlive) != "event: ping\ndata: {\"type\":\"ping\"}\n\n" {
		t.Errorf("got %q and %q", f.ContentType, f.KeepAlive)
	}
	const want = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"full\\nup\"}}\n\n"
	if got := string(f.Error(&llm.Error{Code: llm.CodeOverloaded, Message: "full\nup"})); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func BenchmarkDecodeDelta(b *testing.B) {
	d := &decoder{started: true, open: llm.Text{}}
	f := frame.Frame{Event: "content_block_delta", Data: []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some words"}}`)}
	for b.Loop() {
		if _, err := d.Step(f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeDelta(b *testing.B) {
	e := &encoder{open: llm.Text{}}
	var out []byte
	for b.Loop() {
		var err error
		if out, err = e.Event(out[:0], llm.Delta{Text: "some words"}); err != nil {
			b.Fatal(err)
		}
	}
}
