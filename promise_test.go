package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// OPENAI_HOST may be any server that speaks OpenAI's API: its models are there
// for the clients of all dialects, under their own names.
func TestOpenAIHost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		model, recording string
		path             string // at the end of OPENAI_HOST
	}{
		{"gpt-4.1-nano", "long-stream-gpt-4.1-nano", ""},
		{"gpt-4o-mini", "tool-call-gpt-4o-mini", "/v1"},
		{"qwen3:8b", "ollama-compat-tool-call-stream-qwen3", "/v1/"},
	} {
		t.Run(tt.model, func(t *testing.T) {
			t.Parallel()
			rec := recorded(t, "openai-chat", tt.recording)[0]
			s := newStack(t)
			s.run(t, "serve", "PORT="+s.port(), "OPENAI_HOST="+vendor(t, tt.model, rec)+tt.path, "OPENAI_API_KEY=sk-canary", "IS_OLLAMA_ACTIVE=false")
			s.waitForModel(t, tt.model)
			want := openaiSaid(rec.answer, rec.meta.Stream)
			for _, c := range clients {
				got, err := replayer{stack: s, provider: "openai", model: tt.model}.ask(t, c.name, rec.meta.Stream)
				if err != nil || !got.equal(want) {
					t.Errorf("%s: error %v\ngot  %+v\nwant %+v", c.name, err, got, want)
				}
			}
		})
	}
}

// vendor is a server that has one model and nothing else, and returns where it
// is.
func vendor(t *testing.T, model string, rec recording) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(rw, `{"object":"list","data":[{"id":%q,"object":"model","created":1700000000,"owned_by":"vendor"}]}`, model)
	})
	mux.HandleFunc("POST /v1/chat/completions", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", rec.ctype)
		rw.Write(rec.answer)
	})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sk-canary" {
			http.Error(rw, `{"error":{"message":"no key"}}`, http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// waitForModel waits until there is a model of that name.
func (s *stack) waitForModel(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		response, err := http.Get(s.url + "/v1/models/" + url.PathEscape(name))
		if err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("there is no model %s after 20s", name)
}
