package ingress

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A failure is a row of the table of errors: what clients get for a code.
type failure struct {
	code      llm.Code
	openai    string // status and code, or type where there is no code
	anthropic string // status and type
	ollama    int
	retry     string // x-should-retry
}

func failures() []failure {
	return []failure{
		{llm.CodeInvalid, "400 invalid_request_error", "400 invalid_request_error", 400, "false"},
		{llm.CodeUnsupported, "400 unsupported_parameter", "400 invalid_request_error", 400, "false"},
		{llm.CodeModelNotFound, "404 model_not_found", "404 not_found_error", 404, "false"},
		{llm.CodeTooLarge, "413 invalid_request_error", "413 request_too_large", 413, "false"},
		{llm.CodeContextLength, "400 context_length_exceeded", "400 invalid_request_error", 400, "false"},
		{llm.CodeContentFilter, "400 content_filter", "400 invalid_request_error", 400, "false"},
		{llm.CodeRateLimited, "429 rate_limit_exceeded", "429 rate_limit_error", 429, "true"},
		{llm.CodeOverloaded, "503 overloaded", "529 overloaded_error", 503, "true"},
		{llm.CodeUpstream, "502 upstream_error", "500 api_error", 502, "false"},
		{llm.CodeUpstreamAuth, "502 upstream_auth_error", "502 api_error", 502, "false"},
		{llm.CodeUpstreamBill, "502 upstream_billing", "502 api_error", 502, "false"},
		{llm.CodeUnreachable, "502 upstream_unreachable", "502 api_error", 502, "false"},
		{llm.CodeTimeout, "504 upstream_timeout", "504 timeout_error", 504, "false"},
		{llm.CodeInternal, "500 server_error", "500 api_error", 500, ""},
	}
}

func (f failure) want(dialect string) string {
	switch dialect {
	case "openai":
		return f.openai
	case "anthropic":
		return f.anthropic
	}
	return fmt.Sprintf("%d ", f.ollama)
}

// outcome words a refusal for comparing.
func (w wire) outcome(r reply) (outcome, message string) {
	kind, message := w.errorOf(r.body)
	return fmt.Sprintf("%d %s", r.status, kind), message
}

func TestFailureBeforeContentHasAStatus(t *testing.T) {
	g := newRig(t, nil)
	var next atomic.Pointer[llm.Error]
	play := func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End { return fails(next.Load())(ctx, j, r) }
	for _, p := range []string{"oai", "claude", "llama"} {
		g.worker(p, play)
	}
	for _, f := range failures() {
		for _, w := range wires() {
			for _, other := range wires() {
				name := fmt.Sprintf("%s by %s to %s", f.code, w.name, other.name)
				next.Store(&llm.Error{Code: f.code, Message: "it broke", RetryAfter: 10500 * time.Millisecond}) // too long to wait for here
				got := g.post(w.path, ask(other.model, w.name != "ollama"))
				if outcome, message := w.outcome(got); outcome != f.want(w.name) || message == "" {
					t.Errorf("%s: got %q, %q want %q: %s", name, outcome, message, f.want(w.name), got.body)
				}
				for header, want := range map[string]string{
					"X-Should-Retry": f.retry, "Retry-After": "11", "Retry-After-Ms": "10500",
					"Content-Type": g.server.calls[w.path].json, "X-Allama-Attempts": "1",
				} {
					if v := got.header.Get(header); v != want {
						t.Errorf("%s: the header %s is %q want %q", name, header, v, want)
					}
				}
			}
		}
	}
}

// TestALostModelIsNamedByWhatIsKnownOfIt is about a provider's 404, for a model
// that its list has and for one that it has not.
func TestALostModelIsNamedByWhatIsKnownOfIt(t *testing.T) {
	g := newRig(t, nil)
	g.worker("oai", fails(&llm.Error{Code: llm.CodeModelNotFound, Message: "the provider does not have this model"}))
	for model, want := range map[string]string{
		"gpt-4o": "the provider no longer offers this model", "oai/gpt-9": "the provider does not have this model",
	} {
		outcome, message := wires()[0].outcome(g.post("/v1/chat/completions", ask(model, false)))
		if outcome != "404 model_not_found" || message != want {
			t.Errorf("%s: got %q, %q want %q", model, outcome, message, want)
		}
	}
}

func TestLongWaitIsLeftToTheUser(t *testing.T) {
	g := newRig(t, nil)
	g.worker("oai", fails(&llm.Error{Code: llm.CodeRateLimited, Message: "tomorrow", RetryAfter: time.Hour}))
	got := g.post("/v1/chat/completions", ask("gpt-4o", false))
	if v := got.header.Get("X-Should-Retry"); v != "false" || got.header.Get("Retry-After") != "3600" {
		t.Errorf("x-should-retry is %q, retry-after %q", v, got.header.Get("Retry-After"))
	}
}

func TestUpstreamsOwnAnswerIsShownAsItIs(t *testing.T) {
	g := newRig(t, nil)
	own := `{"error":{"message":"no","type":"odd","param":"x","code":"odd"}}`
	g.worker("oai", fails(&llm.Error{Code: llm.CodeInvalid, Message: "no", Status: 422, Body: json.RawMessage(own)}))
	got := g.post("/v1/chat/completions", ask("gpt-4o", true))
	if got.status != 422 || got.body != own {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestNoWorker(t *testing.T) {
	g := newRig(t, nil)
	// The server has to listen for a while before silence means something.
	eventually(t, "a refusal", func() bool { return g.post("/v1/chat/completions", ask("nobody-has-me", false)).status == 503 })
	for _, w := range wires() {
		began := time.Now()
		got := g.post(w.path, ask("nobody-has-me", true))
		outcome, message := w.outcome(got)
		want := failure{openai: "503 overloaded", anthropic: "529 overloaded_error", ollama: 503}.want(w.name)
		if outcome != want || !strings.Contains(message, `"void"`) {
			t.Errorf("%s: got %q, %q", w.name, outcome, message)
		}
		if got.header.Get("Retry-After") != "5" || got.header.Get("X-Should-Retry") != "true" || time.Since(began) > time.Second {
			t.Errorf("%s: after %v got the headers %v", w.name, time.Since(began), got.header)
		}
	}
}

func TestUnknownModel(t *testing.T) {
	g := newRig(t, nil)
	for _, tt := range []struct {
		path, model, outcome, message string
	}{
		{"/v1/chat/completions", "gpt-4", "404 model_not_found", "The model 'gpt-4' does not exist; did you mean gpt-4o?"},
		{"/v1/chat/completions", "zzzzzzzzzzzzzzzzzzzzzzz", "404 model_not_found", "The model 'zzzzzzzzzzzzzzzzzzzzzzz' does not exist"},
		{"/v1/messages", "claude-y", "404 not_found_error", "model: claude-y; did you mean claude-x?"},
		{"/api/chat", "gpt-4", "404 ", "model 'gpt-4' not found"},
		{"/api/generate", "gpt-4", "404 ", "model 'gpt-4' not found"},
		{"/api/chat", "", "400 ", "model is required"},
		{"/v1/chat/completions", "", "400 invalid_request_error", ""},
		{"/v1/messages", "", "400 invalid_request_error", ""},
	} {
		for _, w := range wires() {
			if w.name != g.server.calls[tt.path].Name() {
				continue
			}
			outcome, message := w.outcome(g.post(tt.path, ask(tt.model, false)))
			if outcome != tt.outcome || tt.message != "" && message != tt.message {
				t.Errorf("%s %q: got %q, %q want %q, %q", tt.path, tt.model, outcome, message, tt.outcome, tt.message)
			}
		}
	}
	eventually(t, "a line for each call", func() bool { return len(g.log.lines("call")) == 8 })
	if line := g.log.lines("call")[0]; line["error"] != "model_not_found" || line["status"] != 404.0 {
		t.Errorf("the log says %v", line)
	}
}

func TestBadBodies(t *testing.T) {
	g := newRig(t, nil)
	deep := func(n int) string {
		return `{"model":"gpt-4o","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}"
	}
	for name, body := range map[string]string{
		"empty":                  "",
		"blank":                  " \n\t",
		"cut":                    `{"model":"gpt-4o","messages":[`,
		"an array":               `[{"model":"gpt-4o"}]`,
		"a string":               `"gpt-4o"`,
		"null":                   `null`,
		"two objects":            `{"model":"gpt-4o"}{"model":"gpt-4o"}`,
		"NaN":                    `{"model":"gpt-4o","temperature":NaN}`,
		"a byte order mark":      "\ufeff" + `{"model":"gpt-4o"}`,
		"single quotes":          `{'model':'gpt-4o'}`,
		"100,000 deep":           deep(100_000),
		"100,000 open":           strings.Repeat(`{"model":`, 100_000),
		"model twice":            `{"model":"gpt-4o","model":"claude-x"}`,
		"model twice, escaped":   `{"model":"gpt-4o","\u006dodel":"claude-x"}`,
		"model in another case":  `{"model":"gpt-4o","Model":"claude-x"}`,
		"only in another case":   `{"MODEL":"gpt-4o"}`,
		"model is a number":      `{"model":5}`,
		"model is null":          `{"model":null}`,
		"model is a list":        `{"model":["gpt-4o"]}`,
		"a long model":           `{"model":"` + strings.Repeat("m", 5000) + `"}`,
		"stream is a string":     `{"model":"gpt-4o","stream":"true"}`,
		"stream is a number":     `{"model":"gpt-4o","stream":1}`,
		"stream twice":           `{"model":"gpt-4o","stream":true,"stream":false}`,
		"stream in another case": `{"model":"gpt-4o","Stream":true}`,
	} {
		for _, w := range wires() {
			began := time.Now()
			got := g.post(w.path, body)
			_, message := w.outcome(got)
			if got.status != 400 || message == "" || got.header.Get("X-Should-Retry") != "false" {
				t.Errorf("%s by %s: got %d %.300s", name, w.name, got.status, got.body)
			}
			if d := time.Since(began); d > time.Second {
				t.Errorf("%s by %s: took %v", name, w.name, d)
			}
		}
	}
	if got := g.post("/api/chat", ""); got.body != `{"error":"missing request body"}` {
		t.Errorf("empty: got %s", got.body)
	}
	if got := g.post("/v1/chat/completions", `{"model":"gpt-4o","stream":1}`); !strings.Contains(got.body, `"param":"stream"`) {
		t.Errorf("the param is not named: %s", got.body)
	}
}

func TestRequestThatCannotBeTranslated(t *testing.T) {
	g := newRig(t, nil)
	var rec recorder
	g.worker("claude", rec.plays(says(bus.End{}, hello()...)))
	got := g.post("/v1/chat/completions", `{"model":"claude-x","messages":"no list"}`)
	if got.status != 400 || len(rec.jobs) != 0 {
		t.Errorf("got %d %s and %d jobs", got.status, got.body, len(rec.jobs))
	}
}

func TestReplyWithoutAnUpstream(t *testing.T) {
	g := newRig(t, nil)
	got := g.post("/api/chat", `{"model":"gpt-4o"}`) // loads the model
	if got.status != 200 || !strings.Contains(got.body, `"done_reason":"load"`) || strings.Contains(got.body, "\n") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got.header.Get("X-Allama-Provider") != "oai" || got.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("got the headers %v", got.header)
	}
}
