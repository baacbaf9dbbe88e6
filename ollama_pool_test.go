package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A smallOllama has two models, and room for one of them.
type smallOllama struct {
	*httptest.Server
	mu     sync.Mutex
	free   *sync.Cond
	loaded string
	busy   int
	loads  int
}

func newSmallOllama(t *testing.T) *smallOllama {
	o := &smallOllama{}
	o.free = sync.NewCond(&o.mu)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/tags", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprint(rw, `{"models":[{"name":"a:latest","digest":"aa"},{"name":"b:latest","digest":"bb"}]}`)
	})
	mux.HandleFunc("GET /api/ps", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.loaded == "" {
			fmt.Fprint(rw, `{"models":[]}`)
			return
		}
		fmt.Fprintf(rw, `{"models":[{"name":%q}]}`, o.loaded)
	})
	mux.HandleFunc("POST /api/chat", o.chat)
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	return o
}

func (o *smallOllama) chat(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	model := "b:latest"
	if strings.Contains(string(body), `"model":"a`) {
		model = "a:latest"
	}
	o.mu.Lock()
	for o.loaded != model && o.busy > 0 {
		o.free.Wait()
	}
	if o.loaded != model {
		o.loaded = model
		o.loads++
	}
	o.busy++
	o.mu.Unlock()
	time.Sleep(5 * time.Millisecond) // as an answer takes a while
	o.mu.Lock()
	o.busy--
	o.free.Broadcast()
	o.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json")
	fmt.Fprint(rw, ollamaWhole("hello", nil))
}

func (o *smallOllama) loadsSoFar() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.loads
}

// Two hosts of one provider, with room for one model each: calls that alternate
// between two models have each of them loaded once.
func TestHostsOfAPoolKeepTheirModels(t *testing.T) {
	t.Parallel()
	one, two := newSmallOllama(t), newSmallOllama(t)
	s := startServe(t, append(newUpstream(t).env(), "ALLAMA_PROVIDERS=pool", "POOL_KIND=ollama",
		"POOL_HOST="+strings.TrimPrefix(one.URL, "http://")+","+two.URL)...)
	read := func(path string) string {
		return string(get(t, s.url+path))
	}
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(read("/v1/models"), `"b:latest"`) {
		if time.Now().After(deadline) {
			t.Fatalf("the models are not listed: %s", read("/v1/models"))
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got := read("/api/v1/catalog"); strings.Count(got, `"hosts":[{"host":"`) != 2 || strings.Count(got, `"digest":"aa"`) != 3 {
		t.Errorf("the catalog has not both hosts' copies: %s", got)
	}
	var calls sync.WaitGroup
	for i := range 60 {
		call := func() {
			if f := clients[0].must(t, s, []string{"a", "b"}[i%2], "hi", false); f.text != "hello" {
				t.Errorf("call %d: got %+v", i, f)
			}
		}
		if i < 10 {
			call() // one after another, then at once
			continue
		}
		calls.Go(call)
	}
	calls.Wait()
	if n := one.loadsSoFar() + two.loadsSoFar(); n > 2 {
		t.Errorf("60 calls of two models took %d loads, want 2", n)
	}
	one.Close()
	for range 3 { // the first one finds out, and is made anew at the other host
		if f := clients[0].must(t, s, "a", "hi", false); f.text != "hello" {
			t.Errorf("without one host: got %+v", f)
		}
	}
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
