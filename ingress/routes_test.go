package ingress

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/offbeat-studio/allama/shared/bus"
)

func TestUnknownPathsAndMethods(t *testing.T) {
	g := newRig(t, nil)
	version := []string{"Anthropic-Version", "2023-06-01"}
	for _, tt := range []struct {
		method, path string
		headers      []string
		status       int
		body         string // or, after a ~, a part of it
		allow        string
	}{
		{"GET", "/api/nothing", nil, 404, "404 page not found", ""},
		{"POST", "/nothing", nil, 404, "404 page not found", ""},
		{"GET", "/api/chat/", nil, 404, "404 page not found", ""},
		{"GET", "//", nil, 404, "404 page not found", ""},
		{"GET", "/api/chat", nil, 405, "405 method not allowed", "POST"},
		{"PUT", "/api/tags", nil, 405, "405 method not allowed", "GET, HEAD"},
		{"POST", "/", nil, 405, "405 method not allowed", "GET, HEAD"},
		{"POST", "/v1/nothing", nil, 404, `~"code":"unknown_url"`, ""},
		{"POST", "/api/v1/nothing", nil, 404, `~"code":"unknown_url"`, ""},
		{"POST", "/v1/nothing", version, 404, `~"type":"not_found_error"`, ""},
		{"POST", "/v1/complete", version, 404, `~"type":"error"`, ""},
		{"GET", "/v1/chat/completions", nil, 405, `~"code":"unknown_url"`, "POST"},
		{"GET", "/v1/messages", nil, 405, `~"type":"not_found_error"`, "POST"},
		{"POST", "/v1/models", nil, 405, `~"code":"unknown_url"`, "GET, HEAD"},
		{"PUT", "/v1/models/gpt-4o", version, 405, `~"type":"not_found_error"`, "GET, HEAD, DELETE"},
		{"DELETE", "/v1/models/gpt-4o", nil, 403, `~"type":"permission_error"`, ""},
	} {
		got := g.do(g.request(tt.method, tt.path, "", tt.headers...))
		part, isPart := strings.CutPrefix(tt.body, "~")
		if got.status != tt.status || !isPart && got.body != tt.body || !strings.Contains(got.body, part) {
			t.Errorf("%s %s: got %d %q want %d %q", tt.method, tt.path, got.status, got.body, tt.status, tt.body)
		}
		if allow := got.header.Get("Allow"); allow != tt.allow {
			t.Errorf("%s %s: allow is %q want %q", tt.method, tt.path, allow, tt.allow)
		}
		if plain := strings.HasPrefix(got.header.Get("Content-Type"), "text/plain"); plain == isPart || got.header.Get("X-Request-Id") == "" {
			t.Errorf("%s %s: got the headers %v", tt.method, tt.path, got.header)
		}
	}
}

func TestSmallAnswers(t *testing.T) {
	g := newRig(t, nil)
	for path, want := range map[string]string{
		"/":            "Ollama is running",
		"/livez":       "ok",
		"/readyz":      "ok",
		"/api/version": `{"version":"` + ollamaVersion + `"}`,
		"/api/status":  `{"cloud":{"disabled":true,"source":"config"}}`,
	} {
		if got := g.get(path); got.status != 200 || got.body != want {
			t.Errorf("GET %s: got %d %q want %q", path, got.status, got.body, want)
		}
		if got := g.do(g.request(http.MethodHead, path, "")); got.status != 200 || got.body != "" {
			t.Errorf("HEAD %s: got %d %q", path, got.status, got.body)
		}
	}
}

func TestHealth(t *testing.T) {
	g := newRig(t, nil)
	for _, p := range []string{"oai", "claude", "llama"} {
		g.worker(p, frames(bus.Head{}, bus.End{}))
	}
	read := func() (h health) {
		got := g.get("/health")
		if err := json.Unmarshal([]byte(got.body), &h); err != nil || got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		return h
	}
	h := read()
	if h.Status != "degraded" || !h.Bus || h.Models != 5 || len(h.Providers) != 4 || h.Providers[0] != (providerHealth{"oai", 1}) {
		t.Errorf("got %+v", h)
	}
	g.worker("void", frames(bus.Head{}, bus.End{}))
	if h := read(); h.Status != "ok" {
		t.Errorf("with a worker for each: got %+v", h)
	}
}

func TestNotReadyWithoutABus(t *testing.T) {
	g := newRig(t, nil)
	g.outage()
	eventually(t, "not being ready", func() bool { return g.get("/readyz").status == 503 })
	if got := g.get("/readyz"); !strings.Contains(got.body, "bus") {
		t.Errorf("the reason is missing: %s", got.body)
	}
	if got := g.get("/health"); got.status != 200 || !strings.Contains(got.body, `"degraded"`) || !strings.Contains(got.body, `"bus":false`) {
		t.Errorf("health: got %d %s", got.status, got.body)
	}
	if got := g.get("/livez"); got.status != 200 {
		t.Errorf("livez: got %d", got.status)
	}
	eventually(t, "a refusal", func() bool { return g.post("/v1/chat/completions", ask("gpt-4o", false)).status == 503 })
}

// panics adds a route that panics, before or after a part of its answer.
func (g *rig) panics(path string, after bool) {
	router := mux.NewRouter()
	router.Handle(path, handler(func(w *response, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		if after {
			_, _ = w.Write([]byte("half")) // the rest does not come either
		}
		panic("the reason")
	}))
	g.server.handler = g.server.front(router)
}

func TestPanicIsTheFailureOfOneRequest(t *testing.T) {
	for _, w := range wires() {
		g := newRig(t, nil)
		g.panics(w.path, false)
		g.serves()
		got := g.post(w.path, "{}")
		outcome, message := w.outcome(got)
		want := failure{openai: "500 server_error", anthropic: "500 api_error", ollama: 500}.want(w.name)
		if outcome != want || message != "internal error" || !json.Valid([]byte(got.body)) {
			t.Errorf("%s: got %d %s", w.name, got.status, got.body)
		}
		if lines := g.log.lines("handler panicked"); len(lines) != 1 || lines[0]["panic"] != "the reason" {
			t.Errorf("the log says %v", lines)
		}
	}
}

func TestPanicInTheMiddleCutsTheConnection(t *testing.T) {
	g := newRig(t, nil)
	g.panics("/v1/chat/completions", true)
	g.serves()
	resp, err := http.DefaultClient.Do(g.request(http.MethodPost, "/v1/chat/completions", "{}"))
	if err != nil {
		return // cut before anything was sent
	}
	defer resp.Body.Close()
	var body [100]byte
	for err == nil {
		_, err = resp.Body.Read(body[:])
	}
	if err.Error() != "unexpected EOF" {
		t.Errorf("the answer ends with %v want a cut", err)
	}
}
