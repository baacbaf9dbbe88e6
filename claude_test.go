package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// claude is an upstream of Anthropic's kind that says what its one model can
// do: long answers, but no schemas for them. It calls the tool of the request.
type claude struct {
	*httptest.Server

	mu   sync.Mutex
	body []byte // of the last call
}

const claudeModel = "claude-opus-9"

func newClaude(t *testing.T) *claude {
	t.Helper()
	c := &claude{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(rw, `{"data":[{"type":"model","id":%q,"max_tokens":30000,"capabilities":{"structured_outputs":{"supported":false},
			"thinking":{"supported":true,"types":{"enabled":{"supported":true},"disabled":{"supported":true}}}}}],"has_more":false}`, claudeModel)
	})
	mux.HandleFunc("POST /v1/messages", c.answer)
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *claude) answer(rw http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c.mu.Lock()
	c.body = data
	c.mu.Unlock()
	var body struct {
		Stream bool
		Tools  []struct{ Name string }
	}
	if json.Unmarshal(data, &body) != nil || !body.Stream || len(body.Tools) != 1 {
		http.Error(rw, `{"type":"error","error":{"type":"invalid_request_error","message":"a stream and a tool, please"}}`, http.StatusBadRequest)
		return
	}
	rw.Header().Set("Content-Type", "text/event-stream")
	for _, f := range anthropicStream(nil, []toolCall{{body.Tools[0].Name, `{"name":"Ann"}`}}) {
		io.WriteString(rw, f)
	}
}

// What a provider says of its model reaches the calls that are translated for
// it; and what has to be changed for them is changed back in their answers.
func TestCallsOfClaudeGoByWhatItsProviderSays(t *testing.T) {
	t.Parallel()
	u := newClaude(t)
	s := newStack(t)
	s.run(t, "serve", "ANTHROPIC_HOST="+u.URL, "ANTHROPIC_API_KEY=sk-canary-anthropic", "IS_OLLAMA_ACTIVE=false", "PORT="+s.port())
	s.waitForModel(t, claudeModel)
	formats := map[string]string{"openai": "response_format", "ollama": "format"}
	for i, c := range clients {
		if c.name == "anthropic" {
			continue // its calls are not translated
		}
		c.body = func(model, text string, stream bool) string {
			const schema = `{"type":"object","properties":{"name":{"type":"string"}}}`
			format := `"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":` + schema + `}}`
			if c.name == "ollama" {
				format = `"format":` + schema
			}
			return fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":%q}],%s}`, model, stream, text, format)
		}
		for _, stream := range []bool{false, true} {
			got := c.must(t, s, claudeModel, fmt.Sprintf("call %d", i), stream)
			if got.status != http.StatusOK || got.text != `{"name":"Ann"}` || len(got.tools) > 0 || got.finish != "stop" || !got.terminal {
				t.Errorf("%s, stream %t: got %+v, want the object as text", c.name, stream, got)
			}
			if e := got.header.Get("X-Allama-Emulated"); e != formats[c.name] {
				t.Errorf("%s, stream %t: x-allama-emulated is %q", c.name, stream, e)
			}
			u.mu.Lock()
			body := string(u.body)
			u.mu.Unlock()
			for _, want := range []string{`"max_tokens":30000`, `"stream":true`, `"tool_choice":{"type":"tool","name":"answer"`} {
				if !strings.Contains(body, want) {
					t.Errorf("%s, stream %t: the upstream got %s, want %s in it", c.name, stream, body, want)
				}
			}
		}
	}
}

// A whole answer that may take long is asked for as a stream, which keeps the
// connection alive.
func TestLongAnswersOfClaudeAreStreamed(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startServe(t, u.env()...)
	c := clients[0]
	for limit, streams := range map[int]bool{21_333: false, 21_334: true} {
		c.body = func(model, text string, stream bool) string {
			return fmt.Sprintf(`{"model":%q,"stream":%t,"max_tokens":%d,"messages":[{"role":"user","content":%q}]}`, model, stream, limit, text)
		}
		const text = "all of it, word by word"
		got := c.must(t, s, "anthropic/echo", text, false)
		if got.status != http.StatusOK || got.text != text || got.finish != "stop" || !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
			t.Errorf("%d tokens: got %+v, want the whole answer", limit, got)
		}
		calls := u.called("echo")
		if body := string(calls[len(calls)-1].body); strings.Contains(body, `"stream":true`) != streams {
			t.Errorf("%d tokens: the upstream got %s, want it streamed: %t", limit, body, streams)
		}
	}
}
