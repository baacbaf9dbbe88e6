package openai

import (
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","messages":[` + user + `]}`,
		`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}},{"type":"file","file":{"file_id":"f"}},"x",null]}]}`,
		`{"model":"m","messages":[{"role":"assistant","content":null,"reasoning_details":[{"signature":"s"}],"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{"}}]},{"role":"tool","tool_call_id":"c","content":"x"}]}`,
		`{"model":"m","messages":[null],"tools":[null],"tool_choice":{"type":"allowed_tools"},"stop":[],"response_format":{"type":"json_schema"}}`,
		`{"model":"m","messages":[` + user + `],"functions":[{"name":"f"}],"function_call":"auto","tools":[{"type":"custom"}],"n":2}`,
		`{"model":"m","messages":[` + user + `],"tools":[{"type":"custom","custom":{"name":"f","format":{"grammar":{"definition":"x"}}}}],"tool_choice":{"type":"custom","custom":{"name":"f"}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if rawjson.Check(body) != nil {
			return
		}
		call, err := Server{}.Decode(chatCompletions, body)
		if err != nil {
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Message == "" {
				t.Fatalf("got %v, want an *llm.Error with a message", err)
			}
			return
		}
		encoded, err := Client{}.Encode(call.Request)
		if err != nil {
			return
		}
		if err := rawjson.Check(encoded.Body); err != nil {
			t.Fatalf("encoded %s: %v", encoded.Body, err)
		}
		if !utf8.Valid(body) {
			return // what is not UTF-8 may stand in schemas, which are handed on as they are
		}
		if !utf8.Valid(encoded.Body) {
			t.Fatalf("encoded %q, want UTF-8", encoded.Body)
		}
	})
}

func FuzzDecodeStream(f *testing.F) {
	for _, seed := range [][]string{
		deltas(`{"content":"a"}`, `{"reasoning":"b"}`, `{"refusal":"c"}`),
		deltas(`{"content":"ä"}`, `{"annotations":[{"type":"url_citation","url_citation":{"url":"u","start_index":-1,"end_index":9}},1]}`, `{"reasoning":"b"}`, `{"annotations":[]}`),
		deltas(`{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{"}},{"index":1,"id":"y","function":{"name":"g","arguments":{}}}]}`, `{"content":"t"}`, `{"function_call":{"name":"f"}}`),
		deltas("{\"content\":\"\xf0\x9f\"}", `{"content":"\ud83c"}`, `{"reasoning_details":[{"signature":"S"},{"data":"D"}]}`),
		deltas(`{"tool_calls":[{"index":0,"id":"x","type":"custom","custom":{"name":"f","input":"\ud83d"}}]}`, `{"tool_calls":[{"index":0,"custom":{"input":"\""}},{"index":1,"function":{"name":"g"}}]}`),
		{`{"error":{"message":"m"}}`}, {`{"choices":[{"index":-1,"delta":[]}],"usage":{"prompt_tokens":-1}}`, "[DONE]"},
	} {
		var body bytes.Buffer
		if _, err := body.ReadFrom(sse(seed...)); err != nil {
			f.Fatal(err)
		}
		f.Add(body.Bytes())
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := read(bytes.NewReader(body))
		var c llm.Checker
		for i, e := range events {
			if err := c.Check(e); err != nil {
				t.Fatalf("event %d of %s: %v", i, describe(events), err)
			}
			if d, ok := e.(llm.Delta); ok && !utf8.ValidString(d.Text) {
				t.Fatalf("event %d: got %q, want UTF-8", i, d.Text)
			}
		}
		if (err == nil) != (c.End() == nil) {
			t.Fatalf("got error %v with %s", err, describe(events))
		}
	})
}

func FuzzDecodeWhole(f *testing.F) {
	f.Add([]byte(`{"id":"c","choices":[{"index":0,"message":{"content":"a","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{}}`))
	f.Add([]byte(`{"choices":[{"message":{"content":[{"type":"thinking","thinking":"x"}],"reasoning_details":[{"signature":"s"}]},"finish_reason":""}]}`))
	f.Add([]byte(`{"error":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Client{}.Whole(chatCompletions, body)
		if err != nil {
			return
		}
		if _, err := llm.Collect(r.Events()); err != nil {
			t.Fatal(err)
		}
		if _, err := (&chatEncoder{}).Whole(r); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzError(f *testing.F) {
	for _, seed := range []string{`{"error":{"message":"m","code":5}}`, `{"error":"m"}`, `[{"error":{}}]`, `{"detail":[{"msg":"m"}]}`, `<html>`, ``, `null`, `[null]`} {
		f.Add(400, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := Client{}.Error(status, body)
		if e.Code == "" || e.Message == "" || len(e.Message) > 2<<10 || !utf8.ValidString(e.Message) {
			t.Fatalf("got %s %q", e.Code, e.Message)
		}
		if rawjson.Check(mustRefuse(e)) != nil {
			t.Fatal("got a refusal that is no JSON")
		}
	})
}

func mustRefuse(e *llm.Error) []byte {
	_, body := Server{}.Refuse(e, "")
	return body
}
