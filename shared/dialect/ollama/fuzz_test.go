package ollama

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A body that is read can be written again, or is refused with an error that
// clients may see.
func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"assistant","thinking":"t","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","content":"x"}],"tools":[{"function":{"name":"f"}}],"options":{"num_ctx":1,"stop":["a"],"seed":1e300},"think":"low"}`))
	f.Add([]byte(`{"model":"m","prompt":"hi","images":["` + png + `"],"keep_alive":"5m","format":{"type":"object"},"logprobs":true}`))
	f.Add([]byte(`{"model":"m","keep_alive":1e300}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if rawjson.Check(body) != nil {
			return
		}
		for _, op := range operations {
			call, err := newServer().Decode(op.route.Operation, body)
			if err != nil {
				if _, ok := errors.AsType[*llm.Error](err); !ok {
					t.Fatalf("%s: got %v, want an error for clients", op.route.Operation, err)
				}
				continue
			}
			out, err := Client{}.Encode(call.Request)
			if _, refused := errors.AsType[*llm.Error](err); refused {
				continue // a field that means something in another dialect
			}
			if err != nil {
				t.Fatalf("%s: cannot be written again: %v", op.route.Operation, err)
			}
			if !json.Valid(out.Body) {
				t.Fatalf("%s: got %s, want JSON", op.route.Operation, out.Body)
			}
		}
	})
}

// A stream that decodes is well formed, and can be written for clients: lines
// of JSON without an error, the last of them done.
func FuzzDecodeStream(f *testing.F) {
	f.Add([]byte(chatLines))
	f.Add([]byte(`{"response":"a","thinking":"b","done":true,"done_reason":"length"}`))
	f.Add([]byte(`{"error":"x"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		list, err := stream(t, bytes.NewReader(in))
		if err != nil {
			return
		}
		x := newEncoder("m", spellChat, newServer().now)
		var out []byte
		for _, e := range list {
			if out, err = x.Event(out, e); err != nil {
				t.Fatal(err)
			}
		}
		again, err := stream(t, bytes.NewReader(out))
		if err != nil {
			t.Fatalf("got %v for what was written: %s", err, out)
		}
		if got, want := plain(t, again), plain(t, list); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

// plain is what a stream says, without its numbers.
func plain(t *testing.T, list []llm.Event) string {
	var c llm.Collector
	for _, e := range list {
		if err := c.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	r, err := c.Response()
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, b := range r.Content {
		if call, ok := b.(llm.ToolCall); ok {
			out = append(out, call.ID+"("+call.Name+string(rawjson.Object(call.Arguments))+")"...)
		}
	}
	return r.Content.PlainText("") + string(out) + string(r.Finish.Reason)
}

// A whole answer that decodes can be written in either form.
func FuzzDecodeWhole(f *testing.F) {
	f.Add([]byte(`{"model":"m","message":{"content":"hi","tool_calls":[{"function":{"name":"f","arguments":{}}}]},"done":true,"prompt_eval_count":-1,"eval_count":2}`))
	f.Add([]byte(`{"response":"a","done":true,"logprobs":[{"token":"a","logprob":-1}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Client{}.Whole("chat", body)
		if err != nil {
			return
		}
		for _, spell := range []spelling{spellChat, spellGenerate} {
			out, err := newEncoder("m", spell, newServer().now).Whole(r)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Client{}.Whole("chat", out)
			if err != nil {
				t.Fatalf("got %v for what was written: %s", err, out)
			}
			if got, want := again.Content.PlainText(""), r.Content.PlainText(""); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	})
}

// Whatever an upstream answers with, there is an error that can be shown.
func FuzzError(f *testing.F) {
	f.Add(500, []byte(`{"error":"{\"error\":{\"message\":\"x\"}}"}`))
	f.Add(502, []byte(`<html>`))
	f.Add(404, []byte(`{"error":{"error":{"error":{"error":{"message":"x"}}}}}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := (Client{}).Error(status, body)
		if e == nil || e.Code == "" || e.Message == "" || len(e.Message) > 2*2<<10 || !utf8.ValidString(e.Message) {
			t.Fatalf("got %#v, want a short message", e)
		}
		if _, out := (Server{}).Refuse(e, ""); !json.Valid(out) {
			t.Fatalf("got %s, want JSON", out)
		}
	})
}
