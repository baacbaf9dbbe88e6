package ingress

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

func TestCallOfTheSameDialectPassesThrough(t *testing.T) {
	g := newRig(t, nil)
	for provider, w := range map[string]wire{"oai": wires()[0], "claude": wires()[1], "llama": wires()[2]} {
		var rec recorder
		contentType := g.server.calls[w.path].Framing("").ContentType
		play := frames(bus.Head{ContentType: contentType + "; charset=utf-8"}, bus.End{Usage: &llm.Usage{Input: 4, Output: 2}}, "one\n\n", "two\n\n", "three\n\n")
		g.worker(provider, rec.plays(func() bus.Handler { return play }()))
		t.Run(w.name, func(t *testing.T) {
			body := " {\"unknown\" : 1e400,\n\"model\":\"" + w.model + "\", \"stream\":true, \"x\": [1, 2 ]} "
			got := g.post(w.path, body)
			if got.status != 200 || got.body != "one\n\ntwo\n\nthree\n\n" {
				t.Fatalf("got %d %q", got.status, got.body)
			}
			if ct := got.header.Get("Content-Type"); ct != contentType {
				t.Errorf("got the content type %q want %q", ct, contentType)
			}
			job := rec.last(t)
			listed := map[string]string{"oai": "gpt-4o", "claude": "claude-x", "llama": "tiny:latest"}[provider]
			if string(job.Body) != body {
				t.Errorf("the job's body is %q want the client's %q", job.Body, body)
			}
			if job.Encoding != bus.Native || job.Dialect != w.name || !job.Stream || job.Model != w.model {
				t.Errorf("the job is %+v", job)
			}
			if left := time.Until(job.Deadline); left < 29*time.Minute || left > 30*time.Minute {
				t.Errorf("the job's deadline is in %v want about 30m", left)
			}
			for name, want := range map[string]string{
				"X-Allama-Provider": provider, "X-Allama-Model": listed, "X-Allama-Attempts": "1",
				"Cache-Control": "no-cache", "X-Accel-Buffering": "no", "Content-Length": "",
			} {
				if v := got.header.Get(name); v != want {
					t.Errorf("the header %s is %q want %q", name, v, want)
				}
			}
			if got.header.Get("X-Allama-Queue-Ms") == "" || !strings.HasPrefix(got.header.Get("X-Request-Id"), "req_") {
				t.Errorf("headers are missing in %v", got.header)
			}
			if id := got.header.Get("Request-Id"); (id != "") != (w.name == "anthropic") {
				t.Errorf("the header request-id is %q", id)
			}
		})
	}
}

func TestNativeAnswerThatIsWhole(t *testing.T) {
	g := newRig(t, nil)
	whole := bus.Head{Whole: true, ContentType: "application/json; charset=utf-8"}
	g.worker("llama", frames(whole, bus.End{}, `{"done":true,`, `"done_reason":"load"}`))
	for _, stream := range []string{"true", "false"} {
		got := g.post("/api/chat", `{"model":"tiny","stream":`+stream+`}`)
		if got.status != 200 || got.body != `{"done":true,"done_reason":"load"}` || got.header.Get("Content-Length") != "34" {
			t.Errorf("stream %s: got %d %q %v", stream, got.status, got.body, got.header)
		}
		if ct := got.header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
			t.Errorf("stream %s: got the content type %q", stream, ct)
		}
	}
}

func TestCallAcrossDialects(t *testing.T) {
	g := newRig(t, nil)
	var rec recorder
	for _, p := range []string{"oai", "claude", "llama"} {
		g.worker(p, rec.plays(says(bus.End{Usage: &llm.Usage{Input: 3, Output: 2}}, hello()...)))
	}
	for _, w := range wires() {
		for _, other := range wires() {
			if w.name == other.name {
				continue
			}
			t.Run(w.name+" to "+other.name, func(t *testing.T) {
				whole := g.post(w.path, ask(other.model, false))
				if whole.status != 200 || !json.Valid([]byte(whole.body)) || !strings.Contains(whole.body, `"Hello there"`) {
					t.Errorf("whole: got %d %s", whole.status, whole.body)
				}
				if want := g.server.calls[w.path].json; whole.header.Get("Content-Type") != want {
					t.Errorf("whole: got the content type %q want %q", whole.header.Get("Content-Type"), want)
				}
				job := rec.last(t)
				var request llm.Request
				if err := json.Unmarshal(job.Body, &request); err != nil {
					t.Fatal(err)
				}
				if job.Encoding != bus.Canonical || request.Model != job.Model || request.Stream || len(request.Messages) != 1 {
					t.Errorf("the job is %+v with %s", job, job.Body)
				}
				if f := request.Facts; (f != nil) != (job.Model == "gpt-4o") || f != nil && f.MaxOutput != 16_384 {
					t.Errorf("the job knows %+v of %s", f, job.Model)
				}
				stream := g.post(w.path, ask(other.model, true))
				if stream.status != 200 || !strings.Contains(stream.body, w.terminal) || !strings.Contains(stream.body, " there") {
					t.Errorf("stream: got %d %s", stream.status, stream.body)
				}
				if ct := stream.header.Get("Content-Type"); ct != g.server.calls[w.path].Framing("").ContentType {
					t.Errorf("stream: got the content type %q", ct)
				}
				if !strings.Contains(stream.body, `"model":"`+other.model+`"`) {
					t.Errorf("the model is not shown as the client named it: %s", stream.body)
				}
			})
		}
	}
}

func TestWhatWasNotCarriedIsListed(t *testing.T) {
	g := newRig(t, nil)
	warnings := []llm.Warning{
		{Policy: llm.Dropped, Field: "logit_bias"}, {Policy: llm.Dropped, Field: "x\r\nSet-Cookie: a,b"},
		{Policy: llm.Emulated, Field: "response_format"}, {Policy: llm.Dropped, Field: "logit_bias"},
	}
	g.worker("oai", frames(bus.Head{Whole: true, Warnings: warnings}, bus.End{}, "{}"))
	got := g.post("/v1/chat/completions", ask("gpt-4o", false))
	if v := got.header.Get("X-Allama-Dropped"); v != "logit_bias,x__Set-Cookie__a_b" {
		t.Errorf("x-allama-dropped is %q", v)
	}
	if v := got.header.Get("X-Allama-Emulated"); v != "response_format" {
		t.Errorf("x-allama-emulated is %q", v)
	}
}

func TestTheSamePathsBelowAPI(t *testing.T) {
	g := newRig(t, nil)
	g.worker("oai", frames(bus.Head{Whole: true}, bus.End{}, "{}"))
	got := g.post("/api/v1/chat/completions", ask("oai/gpt-4o", false))
	if got.status != 200 || got.body != "{}" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %v", got.status, got.body, got.header)
	}
}

func TestStreamIsTheDialectsDefault(t *testing.T) {
	g := newRig(t, nil)
	var rec recorder
	for _, p := range []string{"oai", "llama"} {
		g.worker(p, rec.plays(frames(bus.Head{}, bus.End{}, "x")))
	}
	for _, tt := range []struct {
		path, body string
		want       bool
	}{
		{"/api/chat", `{"model":"tiny"}`, true},
		{"/api/chat", `{"model":"tiny","stream":null}`, true},
		{"/api/chat", `{"model":"tiny","stream":false}`, false},
		{"/v1/chat/completions", `{"model":"gpt-4o"}`, false},
		{"/v1/chat/completions", `{"model":"gpt-4o","stream":null}`, false},
		{"/v1/chat/completions", `{"model":"gpt-4o","stream":true}`, true},
	} {
		g.post(tt.path, tt.body)
		if got := rec.last(t).Stream; got != tt.want {
			t.Errorf("%s %s: stream is %v want %v", tt.path, tt.body, got, tt.want)
		}
	}
}

func TestCallIsLoggedOnce(t *testing.T) {
	g := newRig(t, nil)
	g.worker("oai", frames(bus.Head{}, bus.End{Usage: &llm.Usage{Input: 4, CacheRead: 3, Output: 2}}, "secret answer"))
	got := g.post("/v1/chat/completions", ask("gpt-4o", true))
	g.get("/livez")
	g.get("/v1/models")
	eventually(t, "a line about the call", func() bool { return len(g.log.lines("call")) > 0 })
	line := g.log.lines("call")[0]
	for name, want := range map[string]any{
		"level": "INFO", "request": got.header.Get("X-Request-Id"), "dialect": "openai", "operation": "chat/completions",
		"provider": "oai", "model": "gpt-4o", "status": 200.0, "stream": true, "encoding": "native", "attempts": 1.0,
		"input_tokens": 7.0, "output_tokens": 2.0,
	} {
		if line[name] != want {
			t.Errorf("%s is %v want %v", name, line[name], want)
		}
	}
	for _, name := range []string{"ms", "ttfb_ms", "queue_ms"} {
		if _, ok := line[name].(float64); !ok {
			t.Errorf("%s is missing in %v", name, line)
		}
	}
	eventually(t, "a line about the list", func() bool { return len(g.log.lines("request")) == 1 })
	if bytes.Contains(g.log.text.Bytes(), []byte("secret answer")) {
		t.Error("the answer is in the log")
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	g := newRig(t, nil)
	g.worker("oai", says(bus.End{}, hello()...))
	results := make(chan reply)
	for range 50 {
		go func() { results <- g.post("/v1/messages", ask("gpt-4o", true)) }()
	}
	for range 50 {
		if got := <-results; got.status != 200 || !strings.HasSuffix(got.body, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n") {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
}
