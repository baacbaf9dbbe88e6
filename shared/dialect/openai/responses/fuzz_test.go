package responses

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// FuzzStream reads anything as a stream: out comes an answer or an error, the
// same in whatever pieces it arrives, and never an answer without its end.
func FuzzStream(f *testing.F) {
	f.Add(sse(createdLine, completedLine))
	f.Add(sse(createdLine,
		`{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"1","name":"f"}}`,
		`{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}`,
		`{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"c"}`,
		`{"type":"response.output_item.done","output_index":0,"item":{"type":"x_call"}}`,
		`{"type":"response.reasoning_text.delta","output_index":0,"delta":"a"}`,
		`{"type":"response.output_text.annotation.added","output_index":1,"annotation":{}}`, completedLine))
	f.Add(sse(createdLine, `{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","summary":[{"text":"a"}],"encrypted_content":"allama1.eyJyZWRhY3RlZCI6IngifQ"}}`, completedLine))
	f.Fuzz(func(t *testing.T, stream string) {
		events, err := decodeAll(t, stream)
		slow := dialect.Events(frame.SSE(iotest.OneByteReader(strings.NewReader(stream))), Client{}.Decoder(operation))
		again, errAgain := llmtest.Prefix(t, slow)
		if describe(events) != describe(again) || (err == nil) != (errAgain == nil) {
			t.Errorf("got %s, %v\nand  %s, %v", describe(events), err, describe(again), errAgain)
		}
		if err == nil {
			checkRewrites(t, llmtest.Fold(t, events))
		}
	})
}

// FuzzWhole reads anything as a whole answer.
func FuzzWhole(f *testing.F) {
	f.Add(`{"id":"r","status":"completed","output":[{"type":"reasoning","summary":[{"text":"a"}],"encrypted_content":"E"},{"type":"message","content":[{"type":"output_text","text":"c","annotations":[{"n":1}],"logprobs":[{"token":"c","top_logprobs":[{}]}]}]},{"type":"function_call","name":"f"},{"type":"x"}],"usage":{"input_tokens":1}}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, err := Client{}.Whole(operation, []byte(body))
		if err == nil {
			llmtest.Check(t, r.Events())
			checkRewrites(t, r)
		} else if _, ok := errors.AsType[*llm.Error](err); !ok && !errors.Is(err, llm.ErrTruncated) {
			t.Errorf("got the error %v want an *llm.Error", err)
		}
	})
}

func checkRewrites(t *testing.T, r *llm.Response) {
	t.Helper()
	whole := written(t, decoded(t, `{"model":"m","input":"Hi","include":["reasoning.encrypted_content"]}`).Encoder, r, false)
	if err := rawjson.Check(whole); err != nil {
		t.Fatalf("written as %s: %v", whole, err)
	}
	if _, err := (Client{}).Whole(operation, whole); err != nil {
		t.Fatalf("written as %s: %v", whole, err)
	}
}

// FuzzRequest reads any object as a request: it is refused, or can be written
// and read again.
func FuzzRequest(f *testing.F) {
	f.Add(asks)
	for body := range bad {
		f.Add(body)
	}
	for body := range foreign {
		f.Add(body)
	}
	f.Add(`{"model":"m","input":[{"type":"reasoning","summary":[{"text":"a"}],"encrypted_content":"E"},{"type":"custom_tool_call","call_id":"1","name":"f","input":"a"},{"type":"custom_tool_call_output","call_id":"1","output":[{"type":"input_image","file_id":"x"}]}],"tools":[{"type":"namespace","name":"n","tools":[{"type":"custom","name":"f"}]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if rawjson.Check([]byte(body)) != nil {
			return // the caller has seen to that
		}
		call, err := Server{}.Decode(operation, []byte(body))
		if err != nil {
			if _, ok := errors.AsType[*llm.Error](err); !ok {
				t.Fatalf("got the error %v want an *llm.Error", err)
			}
			return
		}
		if start, err := call.Encoder.Event(nil, llm.Start{}); err != nil || rawjson.Check(lastResponse(t, start)) != nil {
			t.Fatalf("the response is %s, %v", start, err)
		}
		encoded, err := Client{PlainReasoning: true}.Encode(call.Request)
		if _, ok := errors.AsType[*llm.Error](err); ok {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := rawjson.Check(encoded.Body); err != nil {
			t.Fatalf("written as %s: %v", encoded.Body, err)
		}
		if _, err := (Server{}).Decode(operation, encoded.Body); err != nil && len(call.Request.Messages) > 0 {
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeInvalid {
				t.Fatalf("written as %s: %v", encoded.Body, err)
			}
		}
	})
}
