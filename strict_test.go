package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A strictCase is a call that cannot be carried as it is.
type strictCase struct {
	client   client
	provider string
	fields   string // of the body
	name     string // of the one that is in the way, as the client calls it
	header   string // which lists it where the call is not strict
}

var strictCases = []strictCase{
	{clients[0], "anthropic", `"seed":1`, "seed", "X-Allama-Dropped"},
	{clients[0], "ollama", `"user":"u"`, "user", "X-Allama-Dropped"},
	{clients[0], "ollama", `"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"`, "tool_choice", "X-Allama-Emulated"},
	{clients[0], "cerebras", `"frequency_penalty":1`, "frequency_penalty", "X-Allama-Dropped"}, // as it is, but for that
	{clients[0], "demo", `"logit_bias":{"1":1}`, "logit_bias", "X-Allama-Dropped"},
	{clients[1], "openai", `"max_tokens":9,"top_k":3`, "top_k", "X-Allama-Dropped"},
	{clients[1], "ollama", `"max_tokens":9,"metadata":{"user_id":"u"}`, "metadata.user_id", "X-Allama-Dropped"},
	{clients[1], "demo", `"max_tokens":9,"metadata":{"user_id":"u"}`, "metadata.user_id", "X-Allama-Dropped"},
	{clients[2], "openai", `"options":{"min_p":0.5}`, "options.min_p", "X-Allama-Dropped"},
	{clients[2], "anthropic", `"options":{"seed":1}`, "options.seed", "X-Allama-Dropped"},
	{clients[2], "demo", `"options":{"num_ctx":9}`, "options.num_ctx", "X-Allama-Dropped"},
}

// post makes the call of a case.
func (c strictCase) post(t *testing.T, s *stack, provider string, stream bool, headers ...string) (*http.Response, string) {
	t.Helper()
	model := provider + "/echo"
	if c.provider == nameDemo {
		model = provider + "/demo"
	}
	return s.postWith(t, c.client.path, fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":"x"}],%s}`, model, stream, c.fields), headers...)
}

// postWith makes a call with headers and returns the answer, read.
func (s *stack) postWith(t *testing.T, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// refused checks the error in the client's dialect.
func (c strictCase) refused(t *testing.T, status int, body string) {
	t.Helper()
	if status != http.StatusBadRequest || !strings.Contains(body, c.name+" can") {
		t.Errorf("got %d %s, want a 400 that names %s", status, body, c.name)
	}
	var e struct{ Error struct{ Param, Code string } }
	if c.client.name != "openai" {
		return
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error.Param != c.name || e.Error.Code != "unsupported_parameter" {
		t.Errorf("got %s, %v want the param %s", body, err, c.name)
	}
}

// Whoever wants all or nothing gets that: by the call, by its key, or because
// the provider is so.
func TestStrictCalls(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("loose:sk-loose\ntight:sk-tight [strict]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u := newUpstream(t)
	start := func(env ...string) *stack {
		s := newStack(t)
		s.run(t, "serve", slices.Concat(u.env(), env, []string{"ALLAMA_KEYS_FILE=" + keys, "CEREBRAS_API_KEY=k", "CEREBRAS_HOST=" + u.URL, "PORT=" + s.port()})...)
		for _, model := range []string{"openai/echo", "anthropic/echo", "ollama/echo", "cerebras/echo", "demo/demo"} {
			s.waitModel(t, "sk-loose", model)
		}
		return s
	}
	s := start()
	strict := start("OPENAI_STRICT=true", "ANTHROPIC_STRICT=true", "OLLAMA_STRICT=true", "CEREBRAS_STRICT=true", "DEMO_STRICT=true")
	asked := func() int { return len(u.called("echo")) }
	for _, c := range strictCases {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, %s to %s, stream %t", c.name, c.client.name, c.provider, stream), func(t *testing.T) {
				for _, headers := range [][]string{{"X-Api-Key", "sk-loose"}, {"X-Api-Key", "sk-loose", "X-Allama-Strict", "false"}} {
					response, body := c.post(t, s, c.provider, stream, headers...)
					if got := response.Header.Get(c.header); response.StatusCode != http.StatusOK || got != c.name {
						t.Errorf("not strict: got %d %s, and %s is %q, want %q", response.StatusCode, body, c.header, got, c.name)
					}
				}
				before := asked()
				for _, way := range []struct {
					stack   *stack
					headers []string
				}{
					{s, []string{"X-Api-Key", "sk-loose", "X-Allama-Strict", "true"}},
					{s, []string{"X-Api-Key", "sk-tight"}},
					{s, []string{"X-Api-Key", "sk-tight", "X-Allama-Strict", "false"}},
					{strict, []string{"X-Api-Key", "sk-loose"}},
					{strict, []string{"X-Api-Key", "sk-loose", "X-Allama-Strict", "false"}},
				} {
					response, body := c.post(t, way.stack, c.provider, stream, way.headers...)
					c.refused(t, response.StatusCode, body)
				}
				if n := asked() - before; n > 0 {
					t.Errorf("the upstream was called %d times, want none", n)
				}
				fits := c
				if fits.fields = `"max_tokens":9`; c.client.name == "ollama" {
					fits.fields = `"options":{"num_predict":9}`
				}
				if response, body := fits.post(t, strict, c.provider, stream, "X-Api-Key", "sk-tight"); response.StatusCode != http.StatusOK {
					t.Errorf("a call that can be carried: got %d %s", response.StatusCode, body)
				}
			})
		}
	}
	response, body := s.postWith(t, "/v1/embeddings", `{"model":"ollama/echo","input":"x","x_unknown":1}`, "X-Api-Key", "sk-tight")
	strictCase{client: clients[0], name: "x_unknown"}.refused(t, response.StatusCode, body)
}
