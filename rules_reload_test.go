package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// An endless is an upstream whose streams go on until it is released.
type endless struct {
	*httptest.Server
	open    atomic.Int32
	release chan struct{}
}

func newEndless(t *testing.T) *endless {
	t.Helper()
	u := &endless{release: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"object":"list","data":[{"id":"endless"},{"id":"other"}]}`)
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		say := func(delta, finish string) {
			fmt.Fprintf(w, `data: {"id":"1","object":"chat.completion.chunk","model":"endless","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`+"\n\n", delta, finish)
			w.(http.Flusher).Flush()
		}
		say(`{"role":"assistant","content":"a"}`, "null")
		u.open.Add(1)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				say(`{"content":"b"}`, "null")
			case <-u.release:
				say(`{}`, `"stop"`)
				fmt.Fprint(w, "data: [DONE]\n\n")
				return
			case <-r.Context().Done():
				return
			}
		}
	})
	u.Server = httptest.NewServer(mux)
	t.Cleanup(u.Close)
	return u
}

// read makes a call and returns what is wrong with its stream.
func (u *endless) read(base string) error {
	resp, err := http.Post(base+"/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"fast","stream":true,"messages":[{"role":"user","content":"x"}]}`))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var last string
	chunks := 0
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if last = data; data != "[DONE]" && !strings.Contains(data, `"model":"fast"`) {
				return fmt.Errorf("a chunk without the alias: %s", data)
			}
			chunks++
		}
	}
	if err := lines.Err(); err != nil || last != "[DONE]" || chunks < 10 {
		return fmt.Errorf("status %d, %d chunks, the last is %q: %w", resp.StatusCode, chunks, last, err)
	}
	return nil
}

// Rules are read again, good ones and bad ones, by themselves and when told to:
// no stream breaks, and bad ones change nothing.
func TestRulesAreReadAgainUnderOpenStreams(t *testing.T) {
	t.Parallel()
	const streams = 100
	u := newEndless(t)
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, rulesFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("aliases: {fast: openai/endless}\n")
	s := newStack(t)
	p := s.runIn(t, dir, "serve", "PORT="+s.port(), "OPENAI_HOST="+u.URL, "OPENAI_API_KEY=k", "IS_OLLAMA_ACTIVE=false", "IS_DEMO_ACTIVE=false")
	s.log.wait(t, "point clients here")
	waitForModels(t, s.url, []string{"endless", "fast", "other"})

	failed := make(chan error, streams)
	var running sync.WaitGroup
	for range streams {
		running.Go(func() { failed <- u.read(s.url) })
	}
	for began := time.Now(); u.open.Load() < streams; <-time.After(10 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%d of %d streams are open", u.open.Load(), streams)
		}
	}

	write("aliases: {quick: openai/endless}\n")
	began := time.Now()
	waitForModels(t, s.url, []string{"endless", "other", "quick"})
	t.Logf("in force after %v", time.Since(began))

	write("aliases:\n  quick: []\n")
	p.signal(syscall.SIGHUP)
	s.log.wait(t, "allama.yaml:2: aliases.quick: has no target")
	if got := listedAt(t, s.url); !slices.Contains(got, "quick") {
		t.Errorf("after bad rules: %q", got)
	}

	write("disabled: [endless]\n")
	p.signal(syscall.SIGHUP)
	waitForModels(t, s.url, []string{"other"})
	if status, body := s.post(t, "/v1/chat/completions", `{"model":"openai/endless","messages":[{"role":"user","content":"x"}]}`); status != http.StatusNotFound {
		t.Errorf("a call of a disabled model: got %d %s", status, body)
	}

	<-time.After(time.Second) // of streaming under the last rules
	if got := len(failed); got > 0 {
		t.Errorf("%d streams have ended", got)
	}
	close(u.release)
	running.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			t.Error(err)
		}
	}
	if got := strings.Count(s.log.String(), "has no target"); got != 1 {
		t.Errorf("the mistake was logged %d times", got)
	}
}
