package ollama

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/workers/upstream"
)

// A fake is an Ollama with room for one model at a time. It counts how often it
// loads one.
type fake struct {
	t      *testing.T
	server *httptest.Server
	takes  time.Duration // of each answer

	mu     sync.Mutex
	free   *sync.Cond
	models map[string]string // digests, by name
	loaded string
	also   string // another one that is loaded, and stays
	busy   int
	most   int // at once
	loads  int
	asked  []string // method, operation and body, but for chats
	chats  []string // bodies
}

func newFake(t *testing.T, models ...string) *fake {
	f := &fake{t: t, models: map[string]string{}, takes: time.Millisecond}
	f.free = sync.NewCond(&f.mu)
	for _, m := range models {
		name, digest, _ := strings.Cut(m, "=")
		f.models[name] = digest
	}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	return f
}

func (f *fake) host() string { return strings.TrimPrefix(f.server.URL, "http://") }

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var in struct{ Model, Name, Source, Destination, From string }
	_ = json.Unmarshal(body, &in)
	operation := strings.TrimPrefix(r.URL.Path, "/api/")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if operation == "chat" || operation == "embed" {
		f.chat(w, r, in.Model, string(body))
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if operation != "tags" && operation != "ps" {
		f.asked = append(f.asked, operation+" "+string(body))
	}
	name := in.Model + in.Name + in.Source
	if _, ok := f.models[nameOf(name)]; !ok && slices.Contains([]string{"show", "delete", "copy", "push"}, operation) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"error":"model '%s' not found"}`, name)
		return
	}
	switch operation {
	case "tags":
		var list []string
		for _, name := range slices.Sorted(maps.Keys(f.models)) {
			list = append(list, fmt.Sprintf(`{"name":%q,"model":%q,"digest":%q,"capabilities":["completion"],"details":{"context_length":4096}}`, name, name, f.models[name]))
		}
		fmt.Fprintf(w, `{"models":[%s]}`, strings.Join(list, ","))
	case "ps":
		var list []string
		for _, name := range []string{f.loaded, f.also} {
			if name != "" {
				list = append(list, fmt.Sprintf(`{"name":%q,"model":%q,"digest":%q}`, name, name, f.models[name]))
			}
		}
		fmt.Fprintf(w, `{"models":[%s]}`, strings.Join(list, ","))
	case "show":
		fmt.Fprintf(w, `{"host":%q}`, f.host())
	case "delete":
		delete(f.models, nameOf(name))
	case "copy":
		f.models[nameOf(in.Destination)] = f.models[nameOf(name)]
	case "pull", "create", "push":
		w.Header().Set("Content-Type", "application/x-ndjson")
		f.models[nameOf(name)] = "new"
		fmt.Fprintf(w, "{\"status\":\"at %s\"}\n{\"status\":\"success\"}\n", f.host())
	}
}

// chat answers once it has the model loaded.
func (f *fake) chat(w http.ResponseWriter, r *http.Request, model, body string) {
	name := nameOf(model)
	f.mu.Lock()
	f.chats = append(f.chats, body)
	if _, ok := f.models[name]; !ok {
		f.mu.Unlock()
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"error":"model '%s' not found"}`, model)
		return
	}
	for f.loaded != name && f.also != name && f.busy > 0 {
		f.free.Wait()
	}
	if f.loaded != name && f.also != name {
		f.loaded = name
		f.loads++
	}
	f.busy++
	f.most = max(f.most, f.busy)
	f.mu.Unlock()
	select {
	case <-time.After(f.takes):
	case <-r.Context().Done():
	}
	f.mu.Lock()
	f.busy--
	f.free.Broadcast()
	f.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/embed") {
		fmt.Fprintf(w, `{"model":%q,"embeddings":[[1]]}`, model)
		return
	}
	fmt.Fprintf(w, `{"model":%q,"created_at":"2026-01-02T03:04:05Z","message":{"role":"assistant","content":"at %s"},"done":true,"done_reason":"stop"}`, model, f.host())
}

// sum adds up a number of several fakes.
func sum(fakes []*fake, number func(*fake) int) (n int) {
	for _, f := range fakes {
		f.mu.Lock()
		n += number(f)
		f.mu.Unlock()
	}
	return n
}

func loadsOf(fakes ...*fake) int { return sum(fakes, func(f *fake) int { return f.loads }) }

// open returns a provider of the fakes.
func open(t *testing.T, pool upstream.Pool, fakes ...*fake) *Provider {
	var hosts []string
	for _, f := range fakes {
		hosts = append(hosts, f.host())
	}
	p, err := New(upstream.Config{Host: strings.Join(hosts, ","), Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func noWait(time.Duration) error { return nil }

// chatCall is a call of a model in Ollama's words.
func chatCall(model string) *upstream.Call {
	return &upstream.Call{
		Operation: "chat", Wait: noWait,
		Body: fmt.Appendf(nil, `{"model":%q,"stream":false,"messages":[{"role":"user","content":"hi"}]}`, model),
	}
}

// ask forwards a call, and returns the answer.
func ask(t *testing.T, p *Provider, c *upstream.Call) (string, error) {
	_, body, err := forward(t, p, c)
	return body, err
}
