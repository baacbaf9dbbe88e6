package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A faulty is an upstream of OpenAI's dialect that does to each call what the
// model is called after, and keeps a history of its own.
type faulty struct {
	*httptest.Server

	mu    sync.Mutex
	calls map[string]int // by model
}

// A fault is how an upstream treats the nth call of a model.
type fault func(w http.ResponseWriter, r *http.Request, stream bool, n int)

var faults = map[string]fault{
	"reset": func(w http.ResponseWriter, _ *http.Request, _ bool, _ int) { reset(w) },
	"429":   status(429, `{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}`),
	"500":   status(500, `{"error":{"message":"no way","type":"server_error"}}`),
	"401":   status(401, `{"error":{"message":"bad key","type":"invalid_request_error","code":"invalid_api_key"}}`),
	"400":   status(400, `{"error":{"message":"bad request","type":"invalid_request_error"}}`),
	"503-once": func(w http.ResponseWriter, r *http.Request, stream bool, n int) {
		if n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fine(w, r, stream, n)
	},
	"hang": func(_ http.ResponseWriter, r *http.Request, _ bool, _ int) { <-r.Context().Done() },
	"silent": func(w http.ResponseWriter, r *http.Request, stream bool, _ int) {
		head(w, stream)
		<-r.Context().Done()
	},
	"cut": func(w http.ResponseWriter, _ *http.Request, stream bool, _ int) {
		head(w, stream)
		text := openaiWhole("once upon", nil)
		if stream {
			text = openaiStream([]string{"once "}, nil)[0] // there is no content in it
		}
		io.WriteString(w, text[:len(text)/2])
		w.(http.Flusher).Flush()
		reset(w)
	},
	"empty":     func(w http.ResponseWriter, _ *http.Request, stream bool, _ int) { head(w, stream) },
	"error-200": inside(`{"error":{"message":"out of order","type":"server_error"}}`),
	"malformed": inside(`{"choices":[{"delta":`),
	"flapping": func(w http.ResponseWriter, r *http.Request, stream bool, n int) {
		if n%2 == 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fine(w, r, stream, n)
	},
	"brown-out": func(w http.ResponseWriter, r *http.Request, stream bool, n int) {
		if n%2 == 1 {
			pauseFor(r, 300*time.Millisecond)
		}
		fine(w, r, stream, n)
	},
	"drip": func(w http.ResponseWriter, r *http.Request, stream bool, _ int) {
		head(w, stream)
		text := openaiWhole("one two", nil)
		if stream {
			text = ": wait\n\n" + strings.Join(openaiStream([]string{"one ", "two"}, nil), "")
		}
		for _, b := range []byte(text) {
			w.Write([]byte{b})
			w.(http.Flusher).Flush()
		}
	},
	"fine": fine,
}

func fine(w http.ResponseWriter, _ *http.Request, stream bool, _ int) {
	head(w, stream)
	if stream {
		io.WriteString(w, strings.Join(openaiStream([]string{"one ", "two"}, nil), ""))
		return
	}
	io.WriteString(w, openaiWhole("one two", nil))
}

func head(w http.ResponseWriter, stream bool) {
	w.Header().Set("Content-Type", map[bool]string{true: "text/event-stream", false: "application/json"}[stream])
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
}

func status(code int, body string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ bool, _ int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

// inside answers with something else than an answer.
func inside(object string) fault {
	return func(w http.ResponseWriter, _ *http.Request, stream bool, _ int) {
		head(w, stream)
		if stream {
			io.WriteString(w, "data: "+object+"\n\n")
			return
		}
		io.WriteString(w, object)
	}
}

// reset closes the connection without a word.
func reset(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

func pauseFor(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

func newFaulty(t *testing.T) *faulty {
	t.Helper()
	u := &faulty{calls: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		var models []string
		for name := range faults {
			models = append(models, fmt.Sprintf(`{"id":%q}`, name))
		}
		fmt.Fprintf(w, `{"object":"list","data":[%s]}`, strings.Join(models, ","))
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Model  string
			Stream bool
		}
		data, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(data, &body) != nil {
			t.Errorf("the upstream got %q, %v", data, err)
			return
		}
		u.mu.Lock()
		u.calls[body.Model]++
		n := u.calls[body.Model]
		u.mu.Unlock()
		faults[body.Model](w, r, body.Stream, n)
	})
	u.Server = httptest.NewServer(mux)
	t.Cleanup(u.Close)
	return u
}

func (u *faulty) called(model string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.calls[model]
}

// startFailover runs the program with a faulty upstream, a good one, and one
// that has just gone away, and for each fault an alias that falls back to the good one.
func startFailover(t *testing.T, extra string) (*stack, *faulty, *upstream) {
	t.Helper()
	bad, ghost, good := newFaulty(t), newFaulty(t), newUpstream(t)
	rules := strings.Builder{}
	rules.WriteString("aliases:\n  a-refused: [ghost/fine, anthropic/echo]\n")
	for name := range faults {
		fmt.Fprintf(&rules, "  a-%s: [openai/%s, anthropic/echo]\n", name, name)
	}
	rules.WriteString(extra)
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStack(t)
	s.run(t, "serve", "PORT="+s.port(),
		"OPENAI_HOST="+bad.URL+"/v1", "OPENAI_API_KEY=sk-canary-openai", "OPENAI_TIMEOUT=700ms",
		"ANTHROPIC_HOST="+good.URL, "ANTHROPIC_API_KEY=sk-canary-anthropic",
		"ALLAMA_PROVIDERS=ghost", "GHOST_KIND=openai", "GHOST_HOST="+ghost.URL+"/v1", "GHOST_API_KEY=sk-canary-ghost",
		"IS_OLLAMA_ACTIVE=false", "ALLAMA_CONFIG_FILE="+path)
	for _, model := range []string{"openai/500", "anthropic/echo", "ghost/fine"} {
		s.waitForModel(t, model)
	}
	ghost.Close()
	return s, bad, good
}

// Whatever goes wrong at one target before there is content, the client does not
// notice where there is another one.
func TestFaultsBeforeTheFirstByteAreNotNoticed(t *testing.T) {
	t.Parallel()
	s, bad, _ := startFailover(t, "")
	names := []string{"refused"}
	for name := range faults {
		if name != "400" {
			names = append(names, name)
		}
	}
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			for _, c := range clients {
				for _, stream := range []bool{true, false} {
					before := bad.called(name)
					f, err := c.call(t.Context(), s, "a-"+name, "one two", stream)
					if err != nil || f.status != http.StatusOK || f.text != "one two" || !f.terminal || f.failed != "" {
						t.Errorf("%s by %s, stream %t: got %+v, %v", name, c.name, stream, f, err)
					}
					if n := bad.called(name) - before; n > 2 {
						t.Errorf("%s by %s, stream %t: the first target was called %d times", name, c.name, stream, n)
					}
				}
			}
		})
	}
	all.Wait()
	for _, name := range []string{"brown-out", "drip", "fine"} {
		if n := bad.called(name); n != 2*len(clients) {
			t.Errorf("%s: the first target was called %d times, want one for each call", name, n)
		}
	}
}

// Without a fallback one more attempt is made, if that can help.
func TestFaultsOfTheOnlyTarget(t *testing.T) {
	t.Parallel()
	s, bad, _ := startFailover(t, "")
	for _, tt := range []struct {
		name          string
		status, calls int
	}{
		{"503-once", 200, 2}, {"400", 400, 1}, {"401", 502, 1}, {"500", 502, 2}, {"429", 429, 2}, {"malformed", 502, 2}, {"hang", 504, 2},
	} {
		f := clients[0].must(t, s, "openai/"+tt.name, "one two", false)
		if f.status != tt.status || bad.called(tt.name) != tt.calls || f.header.Get("X-Allama-Attempts") != fmt.Sprint(tt.calls) {
			t.Errorf("%s: got %d after %d calls, and x-allama-attempts %s, want %d after %d: %s",
				tt.name, f.status, bad.called(tt.name), f.header.Get("X-Allama-Attempts"), tt.status, tt.calls, f.failed)
		}
		if retry := f.header.Get("X-Should-Retry"); tt.status != 200 && tt.status != 429 && retry != "false" {
			t.Errorf("%s: x-should-retry is %q", tt.name, retry)
		}
	}
	before := bad.called("400")
	for _, c := range clients {
		if f := c.must(t, s, "a-400", "x", true); f.status != 400 {
			t.Errorf("%s: got %+v", c.name, f)
		}
	}
	if n := bad.called("400") - before; n != len(clients) {
		t.Errorf("%d bad requests came to %d upstream calls", len(clients), n)
	}
}

// Once the client has content, a fault is told, and nobody is called again.
func TestFaultsAfterTheFirstByteAreTold(t *testing.T) {
	t.Parallel()
	s, _, good := startFailover(t, "  a-torn: [anthropic/torn, openai/fine]\n")
	for _, c := range clients {
		f := <-c.begin(t, s, "a-torn", strings.Repeat("word ", 20))
		if f.terminal || f.failed == "" || !strings.HasPrefix(f.text, "word ") {
			t.Errorf("%s: got %+v", c.name, f)
		}
	}
	if n := len(good.called("torn")); n != len(clients) {
		t.Errorf("%d calls came to %d upstream calls", len(clients), n)
	}
}

func TestATotalOutageCostsFewUpstreamCalls(t *testing.T) {
	t.Parallel()
	s, bad, _ := startFailover(t, "  dead: [openai/500, ghost/fine, openai/reset]\n")
	const calls = 150
	for n := range calls {
		for _, model := range []string{"dead", "openai/500"} {
			if f := clients[n%3].must(t, s, model, "x", n%2 == 0); f.status < 500 {
				t.Fatalf("%s: got %+v", model, f)
			}
		}
	}
	if n := bad.called("500") + bad.called("reset"); n > 2*calls*110/100 {
		t.Errorf("%d calls came to %d upstream calls, want at most 1.10 for each", 2*calls, n)
	}
}
