package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// badInput is what no client should send. The model exists wherever it is
// needed to get as far as the fault.
var badInput = []struct {
	name   string
	body   string
	status int
}{
	{"nothing", "", 400},
	{"no JSON", "{", 400},
	{"trailing garbage", `{"model":"openai/echo"} x`, 400},
	{"a list", `[]`, 400},
	{"null", `null`, 400},
	{"100,000 levels", `{"model":"openai/echo","messages":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, 400},
	{"an unknown model", `{"model":"no-such-model","max_tokens":1,"messages":[{"role":"user","content":"x"}]}`, 404},
	{"a model that is a number", `{"model":1,"messages":[{"role":"user","content":"x"}]}`, 400},
	{"two models", `{"model":"openai/echo","model":"ollama/echo","messages":[{"role":"user","content":"x"}]}`, 400},
	{"stream that is a string", `{"model":"openai/echo","stream":"yes","messages":[{"role":"user","content":"x"}]}`, 400},
	{"over the limit", `{"model":"openai/echo","messages":[{"role":"user","content":"` + strings.Repeat("x", 2<<20) + `"}]}`, 413},
}

// Bad input is refused in the caller's dialect, and the program lives.
func TestBadInput(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startServe(t, append(u.env(), "ALLAMA_MAX_BODY_BYTES=1048576")...)
	shapes := map[string]string{
		"openai": `{"error":{"message":"`, "anthropic": `{"type":"error","error":{"type":"`, "ollama": `{"error":"`,
	}
	for _, c := range clients {
		for _, tt := range badInput {
			status, body := s.post(t, c.path, tt.body)
			if status != tt.status || !strings.HasPrefix(body, shapes[c.name]) {
				t.Errorf("%s, %s: got %d %.200s, want %d %s…", c.name, tt.name, status, body, tt.status, shapes[c.name])
			}
		}
		// Wrong types deeper down are found by whoever reads them: the dialect,
		// where the upstream speaks another one.
		other := map[string]string{"openai": "anthropic", "anthropic": "ollama", "ollama": "openai"}[c.name]
		for _, messages := range []string{`"x"`, `[1]`, `[{"role":1}]`, `{}`} {
			status, body := s.post(t, c.path, fmt.Sprintf(`{"model":"%s/echo","max_tokens":1,"messages":%s}`, other, messages))
			if status != 400 || !strings.HasPrefix(body, shapes[c.name]) {
				t.Errorf("%s, messages %s: got %d %.200s", c.name, messages, status, body)
			}
		}
		if f := c.must(t, s, "openai/echo", "still alive", true); f.text != "still alive" {
			t.Errorf("%s after all that: %+v", c.name, f)
		}
	}
}

func TestWrongMethodAndPath(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startServe(t, u.env()...)
	for _, tt := range []struct {
		method, path string
		status       int
		prefix       string
	}{
		{"GET", "/api/chat", 405, "405 method not allowed"},
		{"GET", "/v1/chat/completions", 405, `{"error":{"message":"`},
		{"POST", "/v1/nope", 404, `{"error":{"message":"`},
		{"POST", "/api/nope", 404, "404 page not found"},
		{"DELETE", "/", 405, "405 method not allowed"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), tt.method, s.url+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		status, body := do(t, request)
		if status != tt.status || !strings.HasPrefix(body, tt.prefix) {
			t.Errorf("%s %s: got %d %q, want %d %q", tt.method, tt.path, status, body, tt.status, tt.prefix)
		}
	}
}

func (s *stack) post(t testing.TB, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return do(t, request)
}

func do(t testing.TB, request *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", request.Method, request.URL.Path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
