package main

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Whoever keeps the catalog knows of providers what their workers say, and goes on
// knowing it while there is none.
func TestTheCatalogIsWhatWorkersTell(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s, bus, dir := newStack(t), freeAddress(t), t.TempDir()
	nats := "NATS_URL=nats://" + bus
	s.run(t, "broker", "ALLAMA_NATS_LISTEN="+bus)
	s.runIn(t, dir, "sync", nats, "ALLAMA_SYNC_INTERVAL=1h", "IS_ANTHROPIC_ACTIVE=false")
	s.run(t, "ingress", nats, "PORT="+s.port())
	within(t, "the catalog is empty", func() bool {
		status, text := s.get(t, "GET", "/api/v1/providers")
		return status == http.StatusOK && strings.Count(text, `"active":false`) == 3
	})

	worker := func() {
		s.run(t, "worker", append(u.env(), nats, "IS_OLLAMA_ACTIVE=false", "OPENAI_MAX_CONCURRENCY=7")...)
	}
	worker()
	within(t, "the models are listed as soon as there is a worker", func() bool {
		status, _ := s.get(t, "GET", "/v1/models/openai%2Fecho")
		return status == http.StatusOK
	})
	within(t, "the provider is shown as its worker has it", func() bool {
		_, text := s.get(t, "GET", "/api/v1/providers/openai")
		return strings.Contains(text, `"base_url":"`+u.URL+`/v1","source":"environment","read_only":true,"active":true,"has_key":true`) &&
			strings.Contains(text, `"max_concurrency":7`)
	})
	if status, text := s.get(t, "POST", "/api/v1/providers/openai/test"); status != http.StatusOK || !strings.Contains(text, `"ok":true`) {
		t.Errorf("a test of the provider: got %d %s", status, text)
	}
	if status, _ := s.get(t, "GET", "/v1/models/anthropic%2Fecho"); status != http.StatusNotFound {
		t.Errorf("a model of a provider that is switched off: got %d, want 404", status)
	}

	s.processes["worker"].signal(syscall.SIGKILL)
	<-s.processes["worker"].exited
	if _, text := s.get(t, "POST", "/api/v1/sync"); !strings.Contains(text, "no worker of openai runs") {
		t.Errorf("without a worker: got %s", text)
	}
	s.processes["sync"].signal(syscall.SIGTERM)
	<-s.processes["sync"].exited
	s.runIn(t, dir, "sync", nats, "ALLAMA_SYNC_INTERVAL=1h")
	within(t, "the models are known after a restart", func() bool {
		_, text := s.get(t, "POST", "/api/v1/sync")
		status, _ := s.get(t, "GET", "/v1/models/openai%2Fecho")
		return strings.Contains(text, "no worker of openai runs") && status == http.StatusOK
	})
	worker()
	within(t, "they are listed again", func() bool {
		_, text := s.get(t, "GET", "/api/v1/providers/openai")
		return strings.Contains(text, `"stale":false`) && !strings.Contains(text, "no worker")
	})
}

// get calls the program, and returns the answer.
func (s *stack) get(t *testing.T, method, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 15s", what)
		}
	}
}
