package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(minimal("")))
	f.Add([]byte(minimal(`,"system":[{"type":"text","text":"s","cache_control":{}}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f"}`)))
	f.Add([]byte(minimal(`,"thinking":{"type":"enabled","budget_tokens":1},"output_config":{"effort":"x","format":{"type":"json_schema","schema":{"oneOf":[{"minimum":1}]}}}`)))
	f.Add([]byte(`{"model":"claude-sonnet-4-5","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":".","name":"f","input":{}},{"type":"thinking"}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":".","content":[{"type":"image","source":{}}]},{"type":"document","source":{"type":"content","content":"x"}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if rawjson.Check(body) != nil {
			return
		}
		count, counted := Server{}.Decode("messages/count_tokens", body)
		if counted == nil && rawjson.Check(count.Reply) != nil {
			t.Fatalf("counted as %s", count.Reply)
		}
		call, err := Server{}.Decode("messages", body)
		if err == nil && counted != nil {
			t.Fatalf("not counted, though it can be answered: %v", counted)
		}
		if err != nil {
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeInvalid || e.Message == "" {
				t.Fatalf("got %#v, want an invalid request", err)
			}
			return
		}
		if _, err := json.Marshal(call.Request); err != nil {
			t.Fatalf("the request cannot go over the bus: %v", err)
		}
		out, err := Client{}.Encode(call.Request)
		if err != nil {
			if _, ok := errors.AsType[*llm.Error](err); !ok {
				t.Fatalf("got %v, want an *llm.Error", err)
			}
			return
		}
		if err := rawjson.Check(out.Body); err != nil {
			t.Fatalf("encoded as %s: %v", out.Body, err)
		}
	})
}

func FuzzDecodeStream(f *testing.F) {
	f.Add([]byte(spokenStream))
	f.Add([]byte(frames(begun, `{"type":"content_block_start","content_block":{"type":"server_tool_use"}}`,
		`{"type":"content_block_delta","delta":{"partial_json":"{}"}}`, ended)))
	f.Add([]byte(frames(`{"type":"error","error":{"type":"overloaded_error"}}`)))
	f.Fuzz(func(t *testing.T, stream []byte) {
		got, err := events(t, bytes.NewReader(stream)) // checks that they are well formed
		if err == nil {
			encode(t, "m", got)
		}
	})
}

func FuzzDecodeWhole(f *testing.F) {
	f.Add([]byte(`{"id":"msg_1","content":[{"type":"text","text":"Hi"},{"type":"tool_use","name":"f","input":[]}],"stop_reason":"tool_use","usage":{"input_tokens":-1}}`))
	f.Add([]byte(`{"content":[],"error":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Client{}.Whole("messages", body)
		if err != nil {
			if _, ok := errors.AsType[*llm.Error](err); !ok {
				t.Fatalf("got %v, want an *llm.Error", err)
			}
			return
		}
		if _, err := llm.Collect(r.Events()); err != nil {
			t.Fatal(err)
		}
		out, err := (&encoder{model: "m"}).Whole(r)
		if err != nil || rawjson.Check(out) != nil {
			t.Fatalf("encoded as %s: %v", out, err)
		}
	})
}

func FuzzError(f *testing.F) {
	f.Add(400, []byte(`{"type":"error","error":{"type":"invalid_request_error","message":"no"}}`))
	f.Add(502, []byte(`<html>`))
	f.Add(422, []byte(`{"detail":[{"msg":"x"}],"message":"sk-ant-123456"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := Client{}.Error(status, body)
		if e == nil || e.Code == "" || e.Message == "" || len(e.Message) > 2<<10 || !utf8.ValidString(e.Message) {
			t.Fatalf("got %+v", e)
		}
		if _, refused := (Server{}).Refuse(e, "req_1"); rawjson.Check(refused) != nil {
			t.Fatalf("refused with %s", refused)
		}
	})
}
