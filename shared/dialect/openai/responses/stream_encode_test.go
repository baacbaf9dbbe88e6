package responses

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

var (
	begin = llm.Start{ID: "resp_a", Model: "upstream's", Created: time.Unix(1700000000, 0)}
	end   = llm.BlockEnd{}
)

func say(s string) llm.Delta { return llm.Delta{Text: s} }

func open(b llm.Block) llm.BlockStart { return llm.BlockStart{Block: b} }

func stop(reason llm.FinishReason) llm.Finish {
	return llm.Finish{Reason: reason, Usage: &llm.Usage{Input: 7, CacheRead: 4, Output: 9, Reasoning: 3}}
}

// object matches what of a response object is told by other tests.
var object = regexp.MustCompile(`"object":"response",.*`)

// frames writes events and shows the frames, one a line: without what all of
// them share, and of response objects the beginning only.
func frames(t *testing.T, enc dialect.Encoder, events ...llm.Event) string {
	t.Helper()
	var stream []byte
	for _, e := range events {
		var err error
		if stream, err = enc.Event(stream, e); err != nil {
			t.Fatalf("%T: %v", e, err)
		}
	}
	var out strings.Builder
	n := 0
	for f, err := range frame.SSE(strings.NewReader(string(stream))) {
		if err != nil {
			t.Fatal(err)
		}
		head := fmt.Sprintf(`{"type":"%s","sequence_number":%d,`, f.Event, n)
		rest, ok := strings.CutPrefix(string(f.Data), head)
		if want := "event: " + f.Event + "\ndata: " + string(f.Data) + "\n\n"; !ok || string(f.Raw) != want {
			t.Errorf("frame %d is %q, want it to begin with %s", n, f.Raw, head)
		}
		out.WriteString(f.Event + " {" + object.ReplaceAllString(rest, "…") + "\n")
		n++
	}
	return out.String()
}

func TestStreamsAreExactlyThese(t *testing.T) {
	const created = `response.created {"response":{"id":"resp_a",…
response.in_progress {"response":{"id":"resp_a",…
`
	const completed = `response.completed {"response":{"id":"resp_a",…
`
	citation := llm.Citation{Dialect: name, JSON: json.RawMessage(`{"type":"url_citation","url":"https://example.org"}`)}
	tests := []struct {
		name    string
		request string
		events  []llm.Event
		want    string
	}{
		{
			"thoughts and text", `{"model":"m","input":"Hi"}`,
			[]llm.Event{
				begin, open(llm.Thinking{}), say("Let me"), say(" think"), llm.BlockEnd{Signature: "s"},
				open(llm.Text{}), say("H"), say("i"), end, stop(llm.FinishStop),
			},
			created + `response.output_item.added {"output_index":0,"item":{"type":"reasoning","id":"rs_a_0","summary":[]}}
response.reasoning_summary_part.added {"item_id":"rs_a_0","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}
response.reasoning_summary_text.delta {"item_id":"rs_a_0","output_index":0,"summary_index":0,"delta":"Let me"}
response.reasoning_summary_text.delta {"item_id":"rs_a_0","output_index":0,"summary_index":0,"delta":" think"}
response.reasoning_summary_text.done {"item_id":"rs_a_0","output_index":0,"summary_index":0,"text":"Let me think"}
response.reasoning_summary_part.done {"item_id":"rs_a_0","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":"Let me think"}}
response.output_item.done {"output_index":0,"item":{"type":"reasoning","id":"rs_a_0","summary":[{"type":"summary_text","text":"Let me think"}]}}
response.output_item.added {"output_index":1,"item":{"id":"msg_a_1","type":"message","status":"in_progress","role":"assistant","content":[]}}
response.content_part.added {"item_id":"msg_a_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}
response.output_text.delta {"item_id":"msg_a_1","output_index":1,"content_index":0,"delta":"H","logprobs":[]}
response.output_text.delta {"item_id":"msg_a_1","output_index":1,"content_index":0,"delta":"i","logprobs":[]}
response.output_text.done {"item_id":"msg_a_1","output_index":1,"content_index":0,"text":"Hi","logprobs":[]}
response.content_part.done {"item_id":"msg_a_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"Hi","annotations":[],"logprobs":[]}}
response.output_item.done {"output_index":1,"item":{"id":"msg_a_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[],"logprobs":[]}]}}
` + completed,
		},
		{
			"calls, between which a text is a message of its own", `{"model":"m","input":"Hi"}`,
			[]llm.Event{
				begin, open(llm.ToolCall{ID: "call_1", Name: "get_weather"}), say(`{"location":`), say(`"Boston"}`), end,
				open(llm.Text{}), say("And"), end, open(llm.ToolCall{ID: "call_2", Name: "get_time"}), end, stop(llm.FinishToolCalls),
			},
			created + `response.output_item.added {"output_index":0,"item":{"type":"function_call","id":"fc_a_0","status":"in_progress","call_id":"call_1","name":"get_weather","arguments":""}}
response.function_call_arguments.delta {"item_id":"fc_a_0","output_index":0,"delta":"{\"location\":"}
response.function_call_arguments.delta {"item_id":"fc_a_0","output_index":0,"delta":"\"Boston\"}"}
response.function_call_arguments.done {"item_id":"fc_a_0","output_index":0,"name":"get_weather","arguments":"{\"location\":\"Boston\"}"}
response.output_item.done {"output_index":0,"item":{"type":"function_call","id":"fc_a_0","status":"completed","call_id":"call_1","name":"get_weather","arguments":"{\"location\":\"Boston\"}"}}
response.output_item.added {"output_index":1,"item":{"id":"msg_a_1","type":"message","status":"in_progress","role":"assistant","content":[]}}
response.content_part.added {"item_id":"msg_a_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}
response.output_text.delta {"item_id":"msg_a_1","output_index":1,"content_index":0,"delta":"And","logprobs":[]}
response.output_text.done {"item_id":"msg_a_1","output_index":1,"content_index":0,"text":"And","logprobs":[]}
response.content_part.done {"item_id":"msg_a_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"And","annotations":[],"logprobs":[]}}
response.output_item.done {"output_index":1,"item":{"id":"msg_a_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"And","annotations":[],"logprobs":[]}]}}
response.output_item.added {"output_index":2,"item":{"type":"function_call","id":"fc_a_2","status":"in_progress","call_id":"call_2","name":"get_time","arguments":""}}
response.function_call_arguments.delta {"item_id":"fc_a_2","output_index":2,"delta":"{}"}
response.function_call_arguments.done {"item_id":"fc_a_2","output_index":2,"name":"get_time","arguments":"{}"}
response.output_item.done {"output_index":2,"item":{"type":"function_call","id":"fc_a_2","status":"completed","call_id":"call_2","name":"get_time","arguments":"{}"}}
` + completed,
		},
		{
			"a refusal and a cited text are parts of one message", `{"model":"m","input":"Hi"}`,
			[]llm.Event{
				begin, open(llm.Text{}), llm.Delta{Text: "a", Logprobs: []llm.Logprob{{Token: "a", Logprob: -1}}}, llm.Delta{Citation: &citation},
				llm.Delta{Citation: &llm.Citation{Dialect: "other"}}, end, open(llm.Text{Refusal: true}), say("No"), end, stop(llm.FinishStop),
			},
			created + `response.output_item.added {"output_index":0,"item":{"id":"msg_a_0","type":"message","status":"in_progress","role":"assistant","content":[]}}
response.content_part.added {"item_id":"msg_a_0","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}
response.output_text.delta {"item_id":"msg_a_0","output_index":0,"content_index":0,"delta":"a","logprobs":[{"token":"a","logprob":-1,"bytes":null,"top_logprobs":[]}]}
response.output_text.annotation.added {"item_id":"msg_a_0","output_index":0,"content_index":0,"annotation_index":0,"annotation":{"type":"url_citation","url":"https://example.org"}}
response.output_text.done {"item_id":"msg_a_0","output_index":0,"content_index":0,"text":"a","logprobs":[{"token":"a","logprob":-1,"bytes":null,"top_logprobs":[]}]}
response.content_part.done {"item_id":"msg_a_0","output_index":0,"content_index":0,"part":{"type":"output_text","text":"a","annotations":[{"type":"url_citation","url":"https://example.org"}],"logprobs":[{"token":"a","logprob":-1,"bytes":null,"top_logprobs":[]}]}}
response.content_part.added {"item_id":"msg_a_0","output_index":0,"content_index":1,"part":{"type":"refusal","refusal":""}}
response.refusal.delta {"item_id":"msg_a_0","output_index":0,"content_index":1,"delta":"No"}
response.refusal.done {"item_id":"msg_a_0","output_index":0,"content_index":1,"refusal":"No"}
response.content_part.done {"item_id":"msg_a_0","output_index":0,"content_index":1,"part":{"type":"refusal","refusal":"No"}}
response.output_item.done {"output_index":0,"item":{"id":"msg_a_0","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[{"type":"url_citation","url":"https://example.org"}],"logprobs":[{"token":"a","logprob":-1,"bytes":null,"top_logprobs":[]}]},{"type":"refusal","refusal":"No"}]}}
` + completed,
		},
		{
			"a call of a tool whose input is a text, in a namespace",
			`{"model":"m","input":"Hi","tools":[{"type":"namespace","name":"files","tools":[{"type":"custom","name":"patch"}]}]}`,
			[]llm.Event{
				begin, open(llm.ToolCall{ID: "call_1", Name: "files__patch"}), say(`{"inp`), say(`ut":"*** Begin\n"}`), end, stop(llm.FinishToolCalls),
			},
			created + `response.output_item.added {"output_index":0,"item":{"type":"custom_tool_call","id":"ctc_a_0","status":"in_progress","call_id":"call_1","name":"patch","namespace":"files","input":""}}
response.custom_tool_call_input.delta {"item_id":"ctc_a_0","output_index":0,"delta":"*** Begin\n"}
response.custom_tool_call_input.done {"item_id":"ctc_a_0","output_index":0,"input":"*** Begin\n"}
response.output_item.done {"output_index":0,"item":{"type":"custom_tool_call","id":"ctc_a_0","status":"completed","call_id":"call_1","name":"patch","namespace":"files","input":"*** Begin\n"}}
` + completed,
		},
		{
			"an answer that is cut", `{"model":"m","input":"Hi"}`,
			[]llm.Event{begin, open(llm.ToolCall{ID: "call_1", Name: "f"}), say(`{"a`), end, stop(llm.FinishLength)},
			created + `response.output_item.added {"output_index":0,"item":{"type":"function_call","id":"fc_a_0","status":"in_progress","call_id":"call_1","name":"f","arguments":""}}
response.function_call_arguments.delta {"item_id":"fc_a_0","output_index":0,"delta":"{\"a"}
response.function_call_arguments.done {"item_id":"fc_a_0","output_index":0,"name":"f","arguments":"{\"a"}
response.output_item.done {"output_index":0,"item":{"type":"function_call","id":"fc_a_0","status":"incomplete","call_id":"call_1","name":"f","arguments":"{\"a"}}
response.incomplete {"response":{"id":"resp_a",…
`,
		},
		{
			"thoughts without a text, and secret ones, for who did not ask", `{"model":"m","input":"Hi"}`,
			[]llm.Event{
				begin, open(llm.Thinking{}), llm.BlockEnd{Signature: "s"}, open(llm.RedactedThinking{Data: "x"}), end,
				open(llm.Image{}), end, stop(llm.FinishStop),
			},
			created + `response.output_item.added {"output_index":0,"item":{"type":"reasoning","id":"rs_a_0","summary":[]}}
response.output_item.done {"output_index":0,"item":{"type":"reasoning","id":"rs_a_0","summary":[]}}
` + completed,
		},
		{
			"an item of a tool that the provider has run", `{"model":"m","input":"Hi"}`,
			[]llm.Event{begin, open(llm.Opaque{Dialect: name, Kind: "x_call", JSON: json.RawMessage("{\"type\":\n\"x_call\"}")}), end, stop(llm.FinishStop)},
			created + `response.output_item.added {"output_index":0,"item":{"type":"x_call"}}
response.output_item.done {"output_index":0,"item":{"type":"x_call"}}
` + completed,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := frames(t, decoded(t, tt.request).Encoder, tt.events...); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestFailedStreamEndsWithTheResponse(t *testing.T) {
	enc := decoded(t, `{"model":"m","input":"Hi"}`).Encoder.(*encoder)
	got := frames(t, enc, begin, open(llm.Text{}), say("Hi"))
	if n := strings.Count(got, "\n"); n != 5 {
		t.Fatalf("got %d frames want 5: %s", n, got)
	}
	last := string(enc.Fail(nil, &llm.Error{Code: llm.CodeRateLimited, Message: "slow\ndown"}))
	want := `event: response.failed
data: {"type":"response.failed","sequence_number":5,"response":{"id":"resp_a","object":"response","created_at":1700000000,"completed_at":null,"status":"failed","error":{"code":"rate_limit_exceeded","message":"slow\ndown"},"incomplete_details":null,"model":"m","output":[],"usage":null,`
	if !strings.HasPrefix(last, want) || !strings.HasSuffix(last, "}}\n\n") {
		t.Errorf("got  %s\nwant %s…", last, want)
	}
}

func TestFailureToWriteStillEndsTheStream(t *testing.T) {
	enc := decoded(t, `{"model":"m","input":"Hi"}`).Encoder.(*encoder)
	frames(t, enc, begin)
	broken := llm.Opaque{Dialect: name, Kind: "x_call", JSON: json.RawMessage("{")}
	if _, err := enc.Event(nil, open(broken)); err == nil {
		t.Error("an item that is no JSON was written")
	}
	if got := string(enc.Fail(nil, &llm.Error{Message: "m"})); !strings.HasPrefix(got, `event: response.failed
data: {"type":"response.failed","sequence_number":2,`) {
		t.Errorf("got %q", got)
	}
}

func TestFailedStreamOfWhichNothingIsKnown(t *testing.T) {
	got := string(Server{}.Framing(operation).Error(&llm.Error{Code: llm.CodeUpstream, Message: "it broke"}))
	if !strings.HasPrefix(got, "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":0,\"response\":{\"id\":\"resp_") ||
		!strings.Contains(got, `"status":"failed","error":{"code":"server_error","message":"it broke"},`) || !strings.HasSuffix(got, "}}\n\n") {
		t.Errorf("got %s", got)
	}
}
