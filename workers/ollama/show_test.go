package ollama

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/workers/upstream"
)

// An old Ollama lists neither capabilities nor lengths.
type oldOllama struct {
	mu      sync.Mutex
	digests map[string]string // by model
	fails   bool
	asked   []string
	most    atomic.Int32 // at a time
	now     atomic.Int32
}

func (o *oldOllama) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/api/tags" {
		o.mu.Lock()
		defer o.mu.Unlock()
		var list []string
		for model, digest := range o.digests {
			list = append(list, fmt.Sprintf(`{"name":%q,"digest":%q,"details":{"family":"llama"}}`, model, digest))
		}
		slices.Sort(list)
		fmt.Fprintf(w, `{"models":[%s]}`, strings.Join(list, ","))
		return
	}
	n := o.now.Add(1)
	defer o.now.Add(-1)
	for most := o.most.Load(); n > most && !o.most.CompareAndSwap(most, n); most = o.most.Load() {
	}
	body, _ := io.ReadAll(r.Body)
	o.mu.Lock()
	o.asked = append(o.asked, r.Method+" "+r.URL.Path+" "+string(body))
	fails := o.fails
	o.mu.Unlock()
	time.Sleep(2 * time.Millisecond) // so that some are asked for at a time
	if fails {
		http.Error(w, `{"error":"busy"}`, http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, `{"capabilities":["completion","vision"],"model_info":{"general.architecture":"llama","llama.context_length":8192,"llama.embedding_length":"x"}}`)
}

func (o *oldOllama) has(model, digest string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.digests[model] = digest
}

func TestModelsAsksForWhatIsNotListedOncePerFile(t *testing.T) {
	o := &oldOllama{digests: map[string]string{"a:latest": "d1"}}
	server := httptest.NewServer(o)
	defer server.Close()
	p, err := New(upstream.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	list := func(want int) {
		t.Helper()
		models, err := p.Models(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range models {
			if !slices.Equal(m.Capabilities, []string{"completion", "vision"}) || m.ContextLength != 8192 || m.EmbeddingLength != 0 || m.Kind != "chat" ||
				!slices.Equal(m.Thinking, []string{"false"}) {
				t.Errorf("got %+v", m)
			}
		}
		if len(o.asked) != want {
			t.Errorf("asked %d times in all, want %d: %q", len(o.asked), want, o.asked)
		}
	}
	list(1)
	list(1)
	o.has("b:latest", "d2")
	list(2)
	o.has("a:latest", "d3") // pulled again
	list(3)
	if got := o.asked[0]; got != `POST /api/show {"model":"a:latest"}` {
		t.Errorf("asked %s", got)
	}
	if n := len(p.copies[0].memory.shown); n != 2 {
		t.Errorf("%d files are remembered, want those of the last list", n)
	}
	for i := range 50 {
		o.has(fmt.Sprint("m", i), fmt.Sprint("m", i))
	}
	list(53)
	if got := o.most.Load(); got > showing {
		t.Errorf("asked for %d at a time", got)
	}
}

func TestModelsThatAreNotShownAreListedAndAskedForAgain(t *testing.T) {
	o := &oldOllama{digests: map[string]string{"a:latest": "d1"}, fails: true}
	server := httptest.NewServer(o)
	defer server.Close()
	p, err := New(upstream.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if models, err := p.Models(t.Context()); err != nil || len(models) != 1 || models[0].Capabilities != nil {
		t.Errorf("got %+v, %v", models, err)
	}
	o.mu.Lock()
	o.fails = false
	o.mu.Unlock()
	if models, err := p.Models(t.Context()); err != nil || len(models) != 1 || len(models[0].Capabilities) != 2 {
		t.Errorf("got %+v, %v", models, err)
	}
}
