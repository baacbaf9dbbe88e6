package openai

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

func TestHosts(t *testing.T) {
	tests := []struct{ host, want string }{
		{"", "https://api.openai.com/v1"},
		{"api.openai.com", "https://api.openai.com/v1"},
		{"https://api.openai.com/", "https://api.openai.com/v1"},
		{"https://api.openai.com/v1/", "https://api.openai.com/v1"},
		{"localhost:8000", "http://localhost:8000/v1"},
		{"http://localhost:8000/v1", "http://localhost:8000/v1"},
		{"https://api.example.com/openai/v1", "https://api.example.com/openai/v1"},
		{"https://api.example.com/v1beta/openai/", "https://api.example.com/v1beta/openai"},
		{"https://api.example.com/v1/chat/completions", "https://api.example.com/v1"},
		{"https://user:secret@api.example.com", "https://api.example.com/v1"},
		{"https://api.groq.com", "https://api.groq.com/openai/v1"},
		{"api.perplexity.ai", "https://api.perplexity.ai"},
		{"https://x.openai.azure.com", "https://x.openai.azure.com/openai/v1"},
		{"https://x.openai.azure.com/openai/deployments/d?api-version=2024-10-21", "https://x.openai.azure.com/openai/deployments/d"},
	}
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			p, err := New(upstream.Config{Host: tt.host})
			if err != nil || p.BaseURL() != tt.want {
				t.Errorf("New(%q): %v, %v want %s", tt.host, p, err, tt.want)
			}
		})
	}
	for _, bad := range []upstream.Config{
		{Host: "ftp://example.com"}, {Host: "https://example.com/?key=secret"}, {Vendor: "azure"}, {Vendor: "nobody"},
	} {
		if p, err := New(bad); err == nil {
			t.Errorf("New(%+v): %v want an error", bad, p.BaseURL())
		}
	}
}

// models lists what a server with the given body has.
func models(t *testing.T, body string) []catalog.Model {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(body))
	}))
	defer server.Close()
	p, err := New(upstream.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	list, err := p.Models(t.Context())
	if err != nil {
		t.Fatalf("list models: %v", err)
	}
	for i := range list {
		if len(list[i].Raw) == 0 {
			t.Errorf("model %s has no raw record", list[i].ID)
		}
		list[i].Raw = nil
	}
	return list
}

func TestModelsOfManyVendors(t *testing.T) {
	tests := []struct {
		name, record string
		want         catalog.Model
	}{
		{"OpenAI", `{"id":"gpt-4o","object":"model","created":1715367049,"owned_by":"system"}`,
			catalog.Model{ID: "gpt-4o", Kind: "chat", OwnedBy: "system", Created: time.Unix(1715367049, 0).UTC()}},
		{"limits in the manner of Groq", `{"id":"k","context_window":131072,"max_completion_tokens":16384,"active":true,"public_apps":null}`,
			catalog.Model{ID: "k", Kind: "chat", ContextLength: 131072, Facts: llm.Facts{MaxOutput: 16384}}},
		{"limits in the manner of vLLM", `{"id":"k","max_model_len":4096,"permission":[{}]}`,
			catalog.Model{ID: "k", Kind: "chat", ContextLength: 4096}},
		{"OpenRouter", `{"id":"a/b","name":"B","context_length":1000,"architecture":{"input_modalities":["text","image"],"output_modalities":["text"]},
			"pricing":{"prompt":"0.000003","completion":"0.000015"},"top_provider":{"max_completion_tokens":500},"supported_parameters":["tools","reasoning"]}`,
			catalog.Model{ID: "a/b", DisplayName: "B", Kind: "chat", ContextLength: 1000, Facts: llm.Facts{MaxOutput: 500},
				Modalities:   catalog.Modalities{Input: []string{"text", "image"}, Output: []string{"text"}},
				Capabilities: []string{"tools", "thinking", "vision"},
				Prices:       catalog.Prices{Input: new(0.000003 * 1e6), Output: new(0.000015 * 1e6)}}},
		{"Mistral", `{"id":"m","max_context_length":32768,"capabilities":{"completion_chat":true,"function_calling":true,"vision":false}}`,
			catalog.Model{ID: "m", Kind: "chat", ContextLength: 32768, Capabilities: []string{"completion", "tools"}}},
		{"an embedding", `{"id":"text-embedding-3-small"}`, catalog.Model{ID: "text-embedding-3-small", Kind: "embedding"}},
		{"a type of its own", `{"id":"x","type":"image"}`, catalog.Model{ID: "x", Kind: "image"}},
		{"everything of another type", `{"id":"x","name":7,"created":"soon","owned_by":[],"context_length":{},"architecture":1,"pricing":"free","capabilities":["a"],"supported_parameters":"all","top_provider":null,"type":{}}`,
			catalog.Model{ID: "x", Kind: "chat"}},
		{"absurd numbers", `{"id":"x","created":-1,"context_length":1e300,"max_completion_tokens":-5,"pricing":{"prompt":"-1"}}`,
			catalog.Model{ID: "x", Kind: "chat"}},
		{"a name only", `{"name":"x"}`, catalog.Model{ID: "x", DisplayName: "x", Kind: "chat"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := models(t, `{"object":"list","data":[`+tt.record+`]}`)
			if want := []catalog.Model{tt.want}; !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, want)
			}
		})
	}
}

func TestListsOfManyVendors(t *testing.T) {
	tests := []struct {
		name, list string
		want       int
	}{
		{"an array", `[{"id":"a"},{"id":"b"}]`, 2},
		{"null", `{"object":"list","data":null}`, 0},
		{"records without an id", `{"data":[{"id":""},{},7,{"id":"a"}]}`, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := models(t, tt.list); len(got) != tt.want {
				t.Errorf("got %d models want %d", len(got), tt.want)
			}
		})
	}
}

func TestRecordedLists(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "fixtures", "openai-models", "*-list", "response.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("there are no recorded exchanges: they belong into the folder shared/fixtures beside the project")
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list := models(t, string(body))
		if len(list) < 3 {
			t.Errorf("%s has %d models", file, len(list))
		}
	}
}

// FuzzList: whatever a vendor sends, each model that comes of it has an id and
// its numbers make sense.
func FuzzList(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"id":"a","created":1,"pricing":{"prompt":"0.1"}}]}`, `[{"id":"a"}]`, `{"data":[[],1,null,{"id":{}}]}`,
		`{"data":[{"id":"x","context_length":1e400,"capabilities":{"vision":true}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var l list
		if json.Unmarshal(body, &l) != nil {
			return
		}
		for _, m := range l.models() {
			if m.ID == "" || m.ContextLength < 0 || m.MaxOutput < 0 || m.Kind == "" {
				t.Errorf("%s became %+v", m.Raw, m)
			}
		}
	})
}

func TestDeploymentsHaveNoResponses(t *testing.T) {
	const host = "https://x.openai.azure.com/openai"
	for path, want := range map[string]bool{"/v1": true, "/deployments/d?api-version=2024-10-21": false} {
		p, err := New(upstream.Config{Host: host + path, Vendor: "azure"})
		if err != nil || slices.Contains(p.Native(), responses) != want || !slices.Contains(p.Native(), chat) {
			t.Errorf("%s: got %v, %v want responses: %t", path, p.Native(), err, want)
		}
	}
}
