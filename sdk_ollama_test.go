package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// An ollamaUser calls one provider's models like a user of curl, who says
// neither what is sent nor what is wanted.
type ollamaUser struct {
	*stack
	provider string
}

// ask calls a path with the model and some more fields.
func (c ollamaUser) ask(t *testing.T, path, model, fields string, stream bool) (*ollamaAnswer, error) {
	t.Helper()
	body := fmt.Sprintf(`{"model":%q%s}`, named(c.provider, model), fields)
	if !stream {
		body = strings.TrimSuffix(body, "}") + `,"stream":false}`
	}
	response, err := http.Post(c.url+path, "application/x-www-form-urlencoded", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	a, err := readOllama(response, stream)
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d: %w", response.StatusCode, err)
	}
	return a, err
}

// must is ask for calls that do not fail.
func (c ollamaUser) must(t *testing.T, path, model, fields string, stream bool) *ollamaAnswer {
	t.Helper()
	a, err := c.ask(t, path, model, fields, stream)
	if err == nil {
		err = a.last.measured()
	}
	if err != nil {
		t.Fatalf("%s%s: %v", model, fields, err)
	}
	// Where the upstream is an Ollama, its own words are handed on.
	if want := c.provider + "/" + model; c.provider != "ollama" && a.last.Model != want {
		t.Errorf("the model is called %q, want %q as in the request", a.last.Model, want)
	}
	if a.last.DoneReason != "stop" || stream != (a.lines > 1) {
		t.Errorf("%s%s: got %+v", model, fields, a)
	}
	return a
}

func TestOllamaUser(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		for _, w := range wires {
			user := ollamaUser{s, w.name}
			for _, stream := range []bool{true, false} {
				t.Run(fmt.Sprintf("chat with %s, stream %t", w.name, stream), func(t *testing.T) { user.chat(t, stream) })
				t.Run(fmt.Sprintf("generate with %s, stream %t", w.name, stream), func(t *testing.T) { user.generate(t, stream) })
				t.Run(fmt.Sprintf("tool calls of %s, stream %t", w.name, stream), func(t *testing.T) { user.tools(t, stream) })
				t.Run(fmt.Sprintf("errors of %s, stream %t", w.name, stream), func(t *testing.T) { user.failures(t, stream) })
			}
			t.Run("a stream torn by "+w.name, user.torn)
			if w.name != "ollama" {
				t.Run("load and unload a model of "+w.name, func(t *testing.T) { user.load(t, u) })
			}
		}
		t.Run("the list of models", ollamaUser{stack: s}.tags)
		t.Run("signs of life", ollamaUser{stack: s}.alive)
	})
}

const ollamaText = "Grüße, 世界! 👩‍🚀 \"quoted\" \\ and more"

func (c ollamaUser) chat(t *testing.T, stream bool) {
	more := []string{""}
	if stream {
		more = []string{"", `,"stream":null`, `,"stream":true`}
	}
	for _, more := range more {
		fields := fmt.Sprintf(`,"messages":[{"role":"user","content":"ignored"},{"role":"assistant","content":"ignored"},{"role":"user","content":%q}]%s`, ollamaText, more)
		if a := c.must(t, "/api/chat", "echo", fields, stream); a.text != ollamaText || a.thinking != "" || len(a.calls) != 0 {
			t.Errorf("got %+v", a)
		}
	}
}

func (c ollamaUser) generate(t *testing.T, stream bool) {
	if a := c.must(t, "/api/generate", "echo", fmt.Sprintf(`,"prompt":%q`, ollamaText), stream); a.text != ollamaText || a.last.Response == nil {
		t.Errorf("got %+v", a)
	}
}

// tools has a model call tools, and tells it what came of that, in the way of
// the many clients that know tools by their names only.
func (c ollamaUser) tools(t *testing.T, stream bool) {
	question := fmt.Sprintf(`{"role":"system","content":%q},{"role":"user","content":"Is it time for a walk?"}`, systemPrompt)
	first := c.must(t, "/api/chat", "tools", `,"messages":[`+question+`],`+toolsField, stream)
	if first.text != "" || len(first.calls) != 2 || len(first.last.Message.ToolCalls) != 0 && stream {
		t.Errorf("got %+v, want two calls before the last line", first)
	}
	results := ""
	for i, call := range first.calls {
		if call.Function.Index == nil || *call.Function.Index != i || call.ID == "" {
			t.Errorf("call %d: no index or id in %+v", i, call)
		}
		results += fmt.Sprintf(`,{"role":"tool","tool_name":%q,"content":%q}`, call.Function.Name, toolResults[call.Function.Name])
	}
	calls, err := json.Marshal(first.calls)
	if err != nil {
		t.Fatal(err)
	}
	history := fmt.Sprintf(`,"messages":[%s,{"role":"assistant","content":"","tool_calls":%s}%s],%s`, question, calls, results, toolsField)
	if second := c.must(t, "/api/chat", "recall", history, stream); second.text != recalledBoth {
		t.Errorf("got %+v, want %s", second, recalledBoth)
	}
}

func (c ollamaUser) failures(t *testing.T, stream bool) {
	for _, tt := range []struct{ path, model, want string }{
		{"/api/chat", "nowhere", `404: error: "model 'nowhere' not found"`},
		{"/api/generate", "nowhere", `404: error: "model 'nowhere' not found"`},
		{"/api/chat", "fail-400", `400: error: "`},
		{"/api/chat", "fail-401", `502: error: "`},
		{"/api/chat", "fail-429", `429: error: "`},
		{"/api/chat", "fail-500", `502: error: "`},
	} {
		a, err := c.ask(t, tt.path, tt.model, `,"messages":[{"role":"user","content":"x"}]`, stream)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s of %s: got %+v, %v, want %s", tt.path, tt.model, a, err, tt.want)
		}
	}
}

// torn shows that half of a stream ends with an error, and nothing after it.
func (c ollamaUser) torn(t *testing.T) {
	const text = "one two three four"
	a, err := c.ask(t, "/api/chat", "torn", fmt.Sprintf(`,"messages":[{"role":"user","content":%q}]`, text), true)
	if err == nil || !strings.HasPrefix(err.Error(), `error: "`) || *a.last.Done || a.text == "" || !strings.HasPrefix(text, a.text) {
		t.Errorf("got %+v, %v, want the beginning of %q and an error", a, err, text)
	}
}

// load asks for models that are never loaded: that is answered here.
func (c ollamaUser) load(t *testing.T, u *upstream) {
	before := len(u.called("echo"))
	for _, tt := range []struct{ path, fields, reason string }{
		{"/api/chat", ``, "load"},
		{"/api/chat", `,"messages":[]`, "load"},
		{"/api/chat", `,"messages":[],"keep_alive":0`, "unload"},
		{"/api/generate", ``, "load"},
		{"/api/generate", `,"prompt":"","keep_alive":"5m"`, "load"},
		{"/api/generate", `,"keep_alive":"0"`, "unload"},
	} {
		// One object, though it might have been a stream.
		response, err := http.Post(c.url+tt.path, "", strings.NewReader(fmt.Sprintf(`{"model":%q%s}`, c.provider+"/echo", tt.fields)))
		if err != nil {
			t.Fatal(err)
		}
		a, err := readOllama(response, false)
		if err != nil || a.last.DoneReason != tt.reason || a.text != "" || a.last.Model != c.provider+"/echo" {
			t.Errorf("%s with %s: got %+v, %v", tt.path, tt.fields, a, err)
		}
	}
	if n := len(u.called("echo")) - before; n != 0 {
		t.Errorf("%d calls upstream", n)
	}
}

func (c ollamaUser) tags(t *testing.T) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+"/api/tags", nil)
	if err != nil {
		t.Fatal(err)
	}
	status, body := do(t, request)
	var list struct {
		Models []struct {
			Name, Model, Digest string
			ModifiedAt          time.Time `json:"modified_at"`
			Size                int64
			Details             struct {
				Format, Family    string
				ParameterSize     string `json:"parameter_size"`
				QuantizationLevel string `json:"quantization_level"`
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || status != http.StatusOK {
		t.Fatalf("%d %v: %.300s", status, err, body)
	}
	digest := regexp.MustCompile(`^[0-9a-f]{64}$`)
	names, servers := map[string]bool{}, map[string]bool{}
	for i, m := range list.Models {
		d := m.Details
		if m.Name != m.Model || !strings.Contains(m.Name, ":") || names[m.Name] || m.Size < 1 || !digest.MatchString(m.Digest) ||
			d.Format == "" || d.Family == "" || d.ParameterSize == "" || d.QuantizationLevel == "" {
			t.Fatalf("a model is not as clients expect it: %+v", m)
		}
		if i > 0 && m.ModifiedAt.After(list.Models[i-1].ModifiedAt) {
			t.Errorf("%s is newer than the one before it", m.Name)
		}
		if names[m.Name] = true; strings.Contains(m.Name, "echo") {
			servers[clients[2].must(t, c.stack, m.Name, "x", true).header.Get("X-Allama-Provider")] = true
		}
	}
	if len(servers) != len(wires) {
		t.Errorf("the models called echo in the list are those of %v, want of all providers", servers)
	}
}

func (c ollamaUser) alive(t *testing.T) {
	for _, tt := range []struct{ method, path, body string }{
		{http.MethodGet, "/", `^Ollama is running$`},
		{http.MethodHead, "/", `^$`},
		{http.MethodGet, "/api/version", `^\{"version":"\d+\.\d+\.\d+"\}\s*$`},
		{http.MethodHead, "/api/version", `^$`},
		{http.MethodHead, "/api/tags", `^$`},
	} {
		request, err := http.NewRequestWithContext(t.Context(), tt.method, c.url+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if status, body := do(t, request); status != http.StatusOK || !regexp.MustCompile(tt.body).MatchString(body) {
			t.Errorf("%s %s: got %d %q, want %s", tt.method, tt.path, status, body, tt.body)
		}
	}
}

// generateEcho is the upstream's answer to Ollama's older call.
func generateEcho(rw http.ResponseWriter, r *http.Request) {
	body := struct {
		Prompt string
		Stream *bool
	}{}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(rw, `{"error":"bad request"}`, http.StatusBadRequest)
		return
	}
	const line = "{\"model\":\"up\",\"created_at\":\"2024-01-01T00:00:00Z\",\"response\":%s,%s}\n"
	if body.Stream != nil && !*body.Stream {
		rw.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprintf(rw, line, quoted(body.Prompt), `"done":true,"done_reason":"stop",`+ollamaMetrics)
		return
	}
	rw.Header().Set("Content-Type", "application/x-ndjson")
	for _, word := range strings.SplitAfter(body.Prompt, " ") {
		fmt.Fprintf(rw, line, quoted(word), `"done":false`)
	}
	fmt.Fprintf(rw, line, `""`, `"done":true,"done_reason":"stop",`+ollamaMetrics)
}
