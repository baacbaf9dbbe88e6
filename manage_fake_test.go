package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// An ollamaHost is a server that has models, files and a registry to pull from,
// as an Ollama does.
type ollamaHost struct {
	*httptest.Server
	mu     sync.Mutex
	models map[string]bool // by name with tag; true: loaded
	files  map[string]bool // by digest
	seen   []string        // the requests for changes
	left   chan string     // models whose pull was given up
}

// newOllamaHost returns one with models of these names.
func newOllamaHost(t *testing.T, models ...string) *ollamaHost {
	h := &ollamaHost{models: map[string]bool{}, files: map[string]bool{}, left: make(chan string, 1)}
	for _, m := range models {
		h.models[m] = false
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/tags", h.tags)
	mux.HandleFunc("GET /api/ps", h.ps)
	mux.HandleFunc("POST /api/show", h.asked(h.show))
	mux.HandleFunc("POST /api/generate", h.asked(h.generate))
	mux.HandleFunc("POST /api/chat", h.asked(h.generate))
	mux.HandleFunc("POST /api/pull", h.asked(h.pull))
	mux.HandleFunc("POST /api/push", h.asked(h.push))
	mux.HandleFunc("POST /api/create", h.asked(h.create))
	mux.HandleFunc("POST /api/copy", h.asked(h.copy))
	mux.HandleFunc("DELETE /api/delete", h.asked(h.remove))
	mux.HandleFunc("POST /api/me", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprint(rw, `{"id":"7","name":"alice","email":"alice@example.com"}`)
	})
	mux.HandleFunc("/api/blobs/{digest}", h.file)
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h
}

// hostAsked is a body of any call.
type hostAsked struct {
	Model, Name, Source, Destination, From, Prompt string
	Files                                          map[string]string
	Messages                                       []struct{ Content string }
	KeepAlive                                      json.RawMessage `json:"keep_alive"`
	Stream                                         *bool
}

func (a *hostAsked) name() string { return withTag(a.Model + strings.TrimPrefix(a.Name, a.Model)) }

func withTag(name string) string {
	if name == "" || strings.Contains(name, ":") {
		return name
	}
	return name + ":latest"
}

func (h *ollamaHost) asked(serve func(http.ResponseWriter, *http.Request, *hostAsked)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		a := new(hostAsked)
		if err != nil || json.Unmarshal(body, a) != nil {
			hostFails(rw, 400, "missing request body")
			return
		}
		h.mu.Lock()
		h.seen = append(h.seen, r.Method+" "+r.URL.Path+" "+a.name()+a.Source)
		h.mu.Unlock()
		rw.Header().Set("Content-Type", "application/json; charset=utf-8")
		serve(rw, r, a)
	}
}

func hostFails(rw http.ResponseWriter, status int, text string) {
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(status)
	fmt.Fprintf(rw, `{"error":%q}`, text)
}

// has reports whether there is a model.
func (h *ollamaHost) has(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.models[withTag(name)]
	return ok
}

func (h *ollamaHost) put(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.models[withTag(name)] = false
}

// requests returns what was asked for of a kind.
func (h *ollamaHost) requests(prefix string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []string
	for _, r := range h.seen {
		if strings.HasPrefix(r, prefix) {
			found = append(found, r)
		}
	}
	return found
}

func hostModel(name string) string {
	return fmt.Sprintf(`"name":%q,"model":%q,"size":7,"digest":"%x","details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"1B","quantization_level":"Q4_0"}`,
		name, name, sha256.Sum256([]byte(name)))
}

func (h *ollamaHost) list(rw http.ResponseWriter, one func(name string, loaded bool) string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []string
	for name, loaded := range h.models {
		if text := one(name, loaded); text != "" {
			list = append(list, text)
		}
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(rw, `{"models":[%s]}`, strings.Join(list, ","))
}

func (h *ollamaHost) tags(rw http.ResponseWriter, _ *http.Request) {
	h.list(rw, func(name string, _ bool) string {
		return fmt.Sprintf(`{%s,"modified_at":"2026-01-02T03:04:05Z","capabilities":["completion"]}`, hostModel(name))
	})
}

func (h *ollamaHost) ps(rw http.ResponseWriter, _ *http.Request) {
	h.list(rw, func(name string, loaded bool) string {
		if !loaded {
			return ""
		}
		return fmt.Sprintf(`{%s,"expires_at":%q,"size_vram":0,"context_length":4096}`, hostModel(name), time.Now().Add(5*time.Minute).Format(time.RFC3339Nano))
	})
}

func (h *ollamaHost) show(rw http.ResponseWriter, _ *http.Request, a *hostAsked) {
	if !h.has(a.name()) {
		hostFails(rw, 404, fmt.Sprintf("model '%s' not found", a.Model))
		return
	}
	fmt.Fprintf(rw, `{"license":"MIT of %s","modelfile":"FROM x","template":"{{ .Prompt }}","details":{"format":"gguf","family":"llama","families":["llama"],"parameter_size":"1B","quantization_level":"Q4_0"},`+
		`"model_info":{"general.architecture":"llama","llama.context_length":4096},"tensors":[{"name":"a","type":"F16","shape":[1]}],"capabilities":["completion"],"modified_at":"2026-01-02T03:04:05Z"}`, a.name())
}

// generate answers both kinds of call, and loads the model or unloads it.
func (h *ollamaHost) generate(rw http.ResponseWriter, r *http.Request, a *hostAsked) {
	if !h.has(a.name()) {
		hostFails(rw, 404, fmt.Sprintf("model '%s' not found", a.Model))
		return
	}
	unload := string(a.KeepAlive) == "0" || string(a.KeepAlive) == `"0s"`
	h.mu.Lock()
	h.models[a.name()] = !unload
	h.mu.Unlock()
	const stamp = `"created_at":"2026-01-02T03:04:05Z"`
	switch chat := strings.HasSuffix(r.URL.Path, "chat"); {
	case a.Prompt == "" && len(a.Messages) == 0:
		reason := map[bool]string{true: "unload", false: "load"}[unload]
		fmt.Fprintf(rw, `{"model":%q,%s,"response":"","done":true,"done_reason":%q}`, a.Model, stamp, reason)
	case chat:
		rw.Header().Set("Content-Type", "application/x-ndjson")
		fmt.Fprintf(rw, `{"model":%q,%s,"message":{"role":"assistant","content":"hello"},"done":false}`+"\n", a.Model, stamp)
		fmt.Fprintf(rw, `{"model":%q,%s,"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}`+"\n", a.Model, stamp)
	default:
		rw.Header().Set("Content-Type", "application/x-ndjson")
		fmt.Fprintf(rw, `{"model":%q,%s,"response":"hello","done":false}`+"\n", a.Model, stamp)
		fmt.Fprintf(rw, `{"model":%q,%s,"response":"","done":true,"done_reason":"stop"}`+"\n", a.Model, stamp)
	}
}

// progress says how far it has come; where nobody wants to know, only the last.
func (a *hostAsked) progress(rw http.ResponseWriter, lines ...string) {
	if a.Stream != nil && !*a.Stream {
		fmt.Fprint(rw, lines[len(lines)-1])
		return
	}
	rw.Header().Set("Content-Type", "application/x-ndjson")
	for _, line := range lines {
		fmt.Fprintln(rw, line)
		http.NewResponseController(rw).Flush() //nolint:errcheck // this one can
	}
}

const hostSuccess = `{"status":"success"}`

// hostLayers are lines as of a model that is pulled.
var hostLayers = []string{
	`{"status":"pulling manifest"}`,
	`{"status":"pulling 0123456789ab","digest":"sha256:0123456789abcdef","total":10}`,
	`{"status":"pulling 0123456789ab","digest":"sha256:0123456789abcdef","total":10,"completed":10}`,
}

// pull knows some names for what can go wrong.
func (h *ollamaHost) pull(rw http.ResponseWriter, r *http.Request, a *hostAsked) {
	switch a.name() {
	case "missing:latest":
		a.progress(rw, hostLayers[0], `{"error":"pull model manifest: file does not exist"}`)
	case "torn:latest":
		a.progress(rw, hostLayers...)
		panic(http.ErrAbortHandler)
	case "quiet:latest": // ends in good order, but not well
		a.progress(rw, hostLayers...)
	case "endless:latest":
		a.progress(rw, hostLayers...)
		<-r.Context().Done()
		h.left <- a.name()
	default:
		h.put(a.name())
		a.progress(rw, append(hostLayers, `{"status":"verifying sha256 digest"}`, `{"status":"writing manifest"}`, hostSuccess)...)
	}
}

func (h *ollamaHost) push(rw http.ResponseWriter, _ *http.Request, a *hostAsked) {
	if !h.has(a.name()) {
		a.progress(rw, `{"error":"couldn't find model"}`)
		return
	}
	a.progress(rw, `{"status":"retrieving manifest"}`, `{"status":"pushing manifest"}`, hostSuccess)
}

func (h *ollamaHost) create(rw http.ResponseWriter, _ *http.Request, a *hostAsked) {
	for _, digest := range a.Files {
		h.mu.Lock()
		known := h.files[digest]
		h.mu.Unlock()
		if !known {
			hostFails(rw, 400, "invalid digest format")
			return
		}
	}
	switch {
	case a.From != "" && !h.has(a.From):
		a.progress(rw, `{"status":"pulling manifest"}`, `{"error":"pull model manifest: file does not exist"}`)
	case a.From == "" && len(a.Files) == 0:
		hostFails(rw, 400, "neither 'from' or 'files' was specified")
	default:
		h.put(a.name())
		a.progress(rw, `{"status":"using existing layer sha256:00"}`, `{"status":"writing manifest"}`, hostSuccess)
	}
}

func (h *ollamaHost) copy(rw http.ResponseWriter, _ *http.Request, a *hostAsked) {
	rw.Header().Del("Content-Type")
	if !h.has(a.Source) {
		hostFails(rw, 404, fmt.Sprintf("model %q not found", a.Source))
		return
	}
	h.put(a.Destination)
}

func (h *ollamaHost) remove(rw http.ResponseWriter, _ *http.Request, a *hostAsked) {
	rw.Header().Del("Content-Type")
	if !h.has(a.name()) {
		hostFails(rw, 404, fmt.Sprintf("model '%s' not found", a.name()))
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.models, a.name())
}

func (h *ollamaHost) file(rw http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	digest := r.PathValue("digest")
	if r.Method == http.MethodHead {
		if !h.files[digest] {
			rw.WriteHeader(http.StatusNotFound)
		}
		return
	}
	if h.files[digest] {
		return
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, r.Body); err != nil {
		return
	}
	if got := fmt.Sprintf("sha256:%x", sum.Sum(nil)); got != digest {
		hostFails(rw, 400, fmt.Sprintf("digest mismatch, expected %q, got %q", digest, got))
		return
	}
	h.files[digest] = true
	rw.WriteHeader(http.StatusCreated)
}

// A hostUser is whoever speaks to Ollama as its command does.
type hostUser struct {
	*stack
	t *testing.T
}

// do makes a request, and returns its status and its answer.
func (c hostUser) do(method, path, body string) (int, string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("User-Agent", "ollama/0.32.15 (amd64 linux) Go/go1.26.0")
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	return do(c.t, request)
}

// A hostStep is one request of a command, and what comes of it: the answer has
// all of these parts.
type hostStep struct {
	method, path, body string
	status             int
	parts              []string
}

func (c hostUser) must(command string, steps ...hostStep) {
	c.t.Helper()
	for _, s := range steps {
		status, body := c.do(s.method, s.path, s.body)
		wordless := s.path == "/api/copy" || s.path == "/api/delete"
		if status != s.status || status == 200 && wordless && body != "" {
			c.t.Errorf("%s: %s %s: got %d %s want %d", command, s.method, s.path, status, body, s.status)
		}
		for _, part := range s.parts {
			if absent, ok := strings.CutPrefix(part, "not "); strings.Contains(body, absent) == ok {
				c.t.Errorf("%s: %s %s: got %s want in it: %s", command, s.method, s.path, body, part)
			}
		}
	}
}
