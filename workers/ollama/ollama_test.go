package ollama

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

func TestHostsInOllamasOwnForms(t *testing.T) {
	tests := []struct{ host, want string }{
		{"", "http://127.0.0.1:11434/api"},
		{"0.0.0.0", "http://127.0.0.1:11434/api"},
		{"0.0.0.0:8080", "http://127.0.0.1:8080/api"},
		{":8080", "http://127.0.0.1:8080/api"},
		{"gpu1", "http://gpu1:11434/api"},
		{"gpu1.example.com", "http://gpu1.example.com:11434/api"},
		{" gpu1:8080/ ", "http://gpu1:8080/api"},
		{"http://gpu1", "http://gpu1/api"},
		{"http://gpu1:11434/", "http://gpu1:11434/api"},
		{"https://ollama.example.com", "https://ollama.example.com/api"},
		{"https://example.com/ollama/", "https://example.com/ollama/api"},
		{"http://gpu1:11434/v1", "http://gpu1:11434/api"},
		{"http://gpu1:11434/api", "http://gpu1:11434/api"},
		{"[::]", "http://[::1]:11434/api"},
		{"[fd00::7]:8080", "http://[fd00::7]:8080/api"},
		{"http://0.0.0.0:11434", "http://127.0.0.1:11434/api"},
	}
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			p, err := New(upstream.Config{Host: tt.host})
			if err != nil || p.BaseURL() != tt.want {
				t.Errorf("New(%q): %v, %v want %s", tt.host, p, err, tt.want)
			}
		})
	}
	if _, err := New(upstream.Config{Host: "a b"}); err == nil {
		t.Error("a host that is none: no error")
	}
}

func TestModels(t *testing.T) {
	const body = `{"models":[
{"name":"llama3.2:latest","model":"llama3.2:latest","modified_at":"2025-05-04T17:37:44.706015396-07:00","size":2019393189,"digest":"a80c",
 "details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"3.2B","quantization_level":"Q4_K_M","context_length":131072,"embedding_length":3072},
 "capabilities":["completion","tools"]},
{"name":"embedder:latest","model":"embedder:latest","capabilities":["embedding"]},
{"name":"old-bert:latest","details":{"family":"nomic-bert","families":null}},
{"name":"odd:latest","size":"7 GB","details":[]}]}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path != "/api/tags" || q.Header.Get("Authorization") != "" {
			t.Errorf("asked %s with %q", q.URL, q.Header.Get("Authorization"))
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Write([]byte(body))
	}))
	defer server.Close()
	p, err := New(upstream.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if len(got[i].Raw) == 0 {
			t.Errorf("model %s has no raw record", got[i].ID)
		}
		got[i].Raw, got[i].Modified = nil, got[i].Modified.UTC()
	}
	unthinking := llm.Facts{Thinking: []string{"false"}}
	want := []catalog.Model{
		{ID: "llama3.2:latest", Kind: "chat", Capabilities: []string{"completion", "tools"}, ContextLength: 131072, Facts: unthinking,
			Modified: time.Date(2025, 5, 5, 0, 37, 44, 706015396, time.UTC),
			Details: catalog.Details{Digest: "a80c", Size: 2019393189, Format: "gguf", Family: "llama", Families: []string{"llama"},
				ParameterSize: "3.2B", Quantization: "Q4_K_M", EmbeddingLength: 3072}},
		{ID: "embedder:latest", Kind: "embedding", Capabilities: []string{"embedding"}, Facts: unthinking},
		{ID: "old-bert:latest", Kind: "embedding", Details: catalog.Details{Family: "nomic-bert"}},
		{ID: "odd:latest", Kind: "chat"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// A model that was loaded is one object, even where a stream was asked for.
func TestALoadedModelIsOneObject(t *testing.T) {
	for operation, object := range map[string]string{
		"chat":     `{"model":"m","created_at":"2026-01-02T03:04:05Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"load"}`,
		"generate": `{"model":"m","created_at":"2026-01-02T03:04:05Z","response":"","done":true,"done_reason":"unload"}`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Write([]byte(object))
		}))
		t.Cleanup(server.Close)
		p, err := New(upstream.Config{Host: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := p.Forward(t.Context(), &upstream.Call{
			Operation: operation, Body: []byte(`{"model":"m"}`), Stream: true, Wait: func(time.Duration) error { return nil },
		})
		if err != nil || !answer.Whole || answer.Events != nil {
			t.Fatalf("%s: got %+v, %v, want a whole answer", operation, answer, err)
		}
		for piece, err := range answer.Pieces {
			if string(piece.Raw) != object || err != nil {
				t.Errorf("%s: got %s, %v, want %s", operation, piece.Raw, err, object)
			}
		}
	}
}
