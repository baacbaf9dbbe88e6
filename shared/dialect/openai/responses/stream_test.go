package responses

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
)

// describe spells events in short: start(id model) text("a" "b") finish(stop).
func describe(events []llm.Event) string {
	var out strings.Builder
	for _, e := range events {
		switch e := e.(type) {
		case llm.Start:
			fmt.Fprintf(&out, "start(%s %s)", e.ID, e.Model)
		case llm.BlockStart:
			out.WriteString(" " + describeBlock(e.Block) + "(")
		case llm.Delta:
			fmt.Fprintf(&out, "%q", e.Text)
			if e.Citation != nil {
				fmt.Fprintf(&out, "%s", e.Citation.JSON)
			}
		case llm.BlockEnd:
			s, _ := unseal(e.Signature)
			out.WriteString(s.Encrypted + ")")
		case llm.Finish:
			fmt.Fprintf(&out, " finish(%s %s)", e.Reason, e.Raw)
		}
	}
	return generated.ReplaceAllString(out.String(), "call_NEW")
}

var generated = regexp.MustCompile(`call_[A-Z2-7]{26}`)

func describeBlock(b llm.Block) string {
	switch b := b.(type) {
	case llm.Text:
		if b.Refusal {
			return "refusal"
		}
		return "text"
	case llm.Thinking:
		return "thinking"
	case llm.ToolCall:
		return "call:" + b.ID + ":" + b.Name
	case llm.Opaque:
		return b.Kind
	default:
		return fmt.Sprintf("%+v", b)
	}
}

func sse(lines ...string) string {
	return "data: " + strings.Join(lines, "\n\ndata: ") + "\n\n"
}

func decodeAll(tb testing.TB, stream string) ([]llm.Event, error) {
	tb.Helper()
	return llmtest.Prefix(tb, dialect.Events(frame.SSE(strings.NewReader(stream)), Client{}.Decoder(operation)))
}

const (
	createdLine   = `{"type":"response.created","response":{"id":"r","model":"m","created_at":1700000000.5}}`
	completedLine = `{"type":"response.completed","response":{"status":"completed","output":[]}}`
)

func TestOddStreamsAreRead(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  string
	}{
		{"an empty answer", []string{createdLine, completedLine}, "start(r m) finish(stop completed)"},
		{"nothing but the end, with all in it", []string{
			`{"type":"response.completed","response":{"id":"r","model":"m","status":"completed","output":[{"type":"reasoning","summary":[{"text":"a"},{"text":"b"}],"encrypted_content":"E"},{"type":"message","content":[{"type":"output_text","text":"c","annotations":[{"n":1}]},{"type":"refusal","refusal":"d"}]},{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"type":"x_call"}]}}`,
		}, `start(r m) thinking("a\n\nb"E) text("c"""{"n":1}) refusal("d") call:1:f("{}") x_call() finish(tool_calls completed)`},
		{"no beginning, and no ends of items", []string{
			`{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a"}`,
			`{"type":"response.incomplete","response":{"id":"r","incomplete_details":{"reason":"content_filter"},"status":"incomplete"}}`,
		}, `start( ) text("a") finish(content_filter content_filter)`},
		{"a limit", []string{createdLine, `{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"},"status":"incomplete"}}`}, "start(r m) finish(length max_output_tokens)"},
		{"a limit of which nothing is said", []string{createdLine, `{"type":"response.incomplete","response":{"status":"incomplete"}}`}, "start(r m) finish(length incomplete)"},
		{"a thought that ends behind the text, with its signature", []string{
			createdLine, `{"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"delta":"a"}`,
			`{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"b"}`,
			`{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text","text":"b"}]}}`,
			`{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","content":[{"text":"a"}],"encrypted_content":"E"}}`,
			completedLine, `[DONE]`,
		}, `start(r m) thinking("a") text("b") thinking(E) finish(stop completed)`},
		{"thoughts and their summary", []string{
			createdLine, `{"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"delta":"a"}`,
			`{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"b"}`,
			`{"type":"response.reasoning_text.delta","output_index":0,"content_index":1,"delta":"c"}`, completedLine,
		}, `start(r m) thinking("a""\n\nc") finish(stop completed)`},
		{"two calls, piece by piece in turn, and a text in between", []string{
			createdLine,
			`{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"1","name":"f","arguments":""}}`,
			`{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","call_id":"2","name":"g","arguments":""}}`,
			`{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{\"b"}`,
			`{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a"}`,
			`{"type":"response.output_text.delta","output_index":2,"content_index":0,"delta":"c"}`,
			`{"type":"response.function_call_arguments.delta","output_index":1,"delta":"\":1}"}`,
			`{"type":"response.function_call_arguments.delta","output_index":0,"delta":"\":1}"}`,
			`{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"1","name":"f","arguments":"{\"a\":1}"}}`,
			`{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"2","name":"g","arguments":"{\"b\":1}"}}`,
			`{"type":"response.output_text.delta","output_index":2,"content_index":0,"delta":"d"}`, completedLine,
		}, `start(r m) call:1:f("{\"a""\":1}") call:2:g("{\"b""\":1}") text("c""d") finish(tool_calls completed)`},
		{"a call whose name comes late, and whose arguments come at once", []string{
			createdLine, `{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call"}}`,
			`{"type":"response.function_call_arguments.done","output_index":0,"arguments":"{}"}`,
			`{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","id":"fc","namespace":"n","name":"f","arguments":"{}"}}`, completedLine,
		}, `start(r m) call:fc:n__f("{}") finish(tool_calls completed)`},
		{"citations as they come and at the end", []string{
			createdLine, `{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a"}`,
			`{"type":"response.output_text.annotation.added","output_index":0,"content_index":0,"annotation_index":0,"annotation":{"n":1}}`,
			`{"type":"response.content_part.done","output_index":0,"content_index":0,"part":{"type":"output_text","text":"a","annotations":[{"n":1},{"n":2}]}}`,
			`{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"a","annotations":[{"n":1},{"n":2}]}]}}`, completedLine,
		}, `start(r m) text("a"""{"n":1}""{"n":2}) finish(stop completed)`},
		{"runes that are cut between pieces", []string{
			createdLine, `{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"\ud83d"}`,
			`{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"\ude00"}`,
			`{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"a\ud83d"}`,
			`{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"\ude00b\ud83d"}`,
			`{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text","text":"a😀b\ufffd"}]}}`,
			`{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","call_id":"c","name":"f"}}`,
			`{"type":"response.function_call_arguments.delta","output_index":2,"delta":"{\"a\":\"\ud83d"}`,
			`{"type":"response.function_call_arguments.delta","output_index":2,"delta":"\ude00\"}"}`, completedLine,
		}, `start(r m) thinking("😀") text("a""😀b""�") call:c:f("{\"a\":\"""😀\"}") finish(tool_calls completed)`},
		{"a custom tool's call", []string{
			createdLine, `{"type":"response.output_item.added","output_index":0,"item":{"type":"custom_tool_call","name":"f","input":""}}`,
			`{"type":"response.custom_tool_call_input.delta","output_index":0,"delta":"a"}`,
			`{"type":"response.output_item.done","output_index":0,"item":{"type":"custom_tool_call","name":"f","input":"a"}}`, completedLine,
		}, `start(r m) custom_tool_call() finish(stop completed)`},
		{"a thought of which nothing is known", []string{
			createdLine, `{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","summary":[]}}`, completedLine,
		}, "start(r m) finish(stop completed)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			events, err := decodeAll(t, sse(tt.lines...))
			if got := describe(events); got != tt.want || err != nil {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

func TestFailuresInStreamsAreErrors(t *testing.T) {
	tests := []struct {
		line string
		code llm.Code
	}{
		{`{"type":"error","code":"rate_limit_exceeded","message":"slow","param":null}`, llm.CodeRateLimited},
		{`{"type":"error","error":{"type":"invalid_request_error","code":"context_length_exceeded","message":"long"}}`, llm.CodeContextLength},
		{`{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"oh"}}}`, llm.CodeUpstream},
		{`{"type":"response.failed","response":{"error":{"code":"insufficient_quota","message":"You exceeded your quota"}}}`, llm.CodeUpstreamBill},
		{`{"type":"response.failed","response":{}}`, llm.CodeUpstream},
		{`{"error":{"message":"oh","code":502}}`, llm.CodeUpstream},
		{`{"type":"response.completed","response":{"status":"cancelled","output":[]}}`, llm.CodeUpstream},
		{`{"type":"response.completed","response":7}`, llm.CodeUpstream},
		{`{"type":"response.output_text.delta","delta":7}`, llm.CodeUpstream},
		{`{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[7]}}`, llm.CodeUpstream},
		{`{"type":"response.output_item.done","output_index":0,"item":{}}`, llm.CodeUpstream},
		{`<html>`, llm.CodeUpstream},
	}
	for _, tt := range tests {
		events, err := decodeAll(t, sse(createdLine, tt.line, completedLine))
		e, ok := errors.AsType[*llm.Error](err)
		if !ok || e.Code != tt.code || e.Message == "" || llmtest.Finished(events) {
			t.Errorf("%s: got %#v behind %s, want %s", tt.line, err, describe(events), tt.code)
		}
	}
}

func TestWholeAnswersThatAreNone(t *testing.T) {
	tests := []struct {
		body string
		code llm.Code // empty: truncated
	}{
		{`{"id":"r","status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"},"output":[]}`, llm.CodeRateLimited},
		{`{"error":{"message":"slow","code":429}}`, llm.CodeRateLimited},
		{`{"id":"r","status":"completed"}`, llm.CodeUpstream},
		{`{"id":"r","status":"completed","output":[{"type":"function_call","arguments":"{}"}]}`, llm.CodeUpstream},
		{`{"id":"r","status":"completed","output":[7]}`, llm.CodeUpstream},
		{`{"id":"r","status":"in_progress","output":[]}`, ""},
		{`{"id":"r","status":"queued","output":[]}`, ""},
	}
	for _, tt := range tests {
		_, err := Client{}.Whole(operation, []byte(tt.body))
		if tt.code == "" && errors.Is(err, llm.ErrTruncated) {
			continue
		}
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != tt.code || e.Message == "" {
			t.Errorf("%s: got %#v want %s", tt.body, err, tt.code)
		}
	}
}
