package openai

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

func TestVendorsAreKnownByTheirHosts(t *testing.T) {
	tests := []struct{ host, want string }{
		{"https://api.openai.com", "openai"},
		{"https://x.openai.azure.com/openai/v1", "azure"},
		{"https://eu.api.mistral.ai/v1", "mistral"},
		{"http://localhost:8000", ""},
		{"http://127.0.0.1:1234", ""},
		{"https://api.openai.com.example.com", ""},
		{"https://notapi.groq.com", ""},
	}
	for _, tt := range tests {
		base, err := upstream.ParseHost(tt.host)
		if err != nil {
			t.Fatal(err)
		}
		if got := known(base); got.Name != tt.want || got.path == "" || len(got.operations) == 0 {
			t.Errorf("%s: got the vendor %q with %+v want %q", tt.host, got.Name, got, tt.want)
		}
	}
}

// TestPresetsAreSound finds slips in the table.
func TestPresetsAreSound(t *testing.T) {
	operations := []string{chat, completions, embeddings, responses}
	seen := map[string]bool{}
	for _, p := range presets {
		if p.Name == "" || seen[p.Name] || !strings.HasPrefix(p.path, "/") {
			t.Errorf("%q: no name or path of its own", p.Name)
		}
		seen[p.Name] = true
		if u, err := url.Parse(p.Host); err != nil || p.Host != "" && (u.Host == "" || u.Path != "") {
			t.Errorf("%s: the host %q is none", p.Name, p.Host)
		}
		if !slices.Contains(p.operations, chat) {
			t.Errorf("%s: no chat", p.Name)
		}
		for _, o := range p.operations {
			if !slices.Contains(operations, o) {
				t.Errorf("%s: unknown operation %s", p.Name, o)
			}
		}
		for _, r := range p.dialect.Refused {
			if r.Models == "" && len(r.Fields) == 0 {
				t.Errorf("%s: a refusal of nothing", p.Name)
			}
		}
	}
}

// received returns what a vendor's server gets for a request: its path with the
// query, its headers and its body.
func received(t *testing.T, vendor string, r *llm.Request) (path string, header http.Header, body map[string]any) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		path, header = q.URL.RequestURI(), q.Header
		text, _ := io.ReadAll(q.Body)
		if err := json.Unmarshal(text, &body); err != nil {
			t.Errorf("the body %q: %v", text, err)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}`)
	}))
	defer server.Close()
	host := server.URL
	if vendor == "azure" {
		host += "?api-version=2024-10-21"
	}
	p, err := New(upstream.Config{Vendor: vendor, Host: host, APIKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	events, _, err := p.Answer(t.Context(), r, func(time.Duration) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range events {
		if err != nil {
			t.Fatal(err)
		}
	}
	return path, header, body
}

func TestEachVendorIsSpokenToInItsWay(t *testing.T) {
	request := func(model string) *llm.Request {
		return &llm.Request{
			Model: model, User: "u", System: llm.Blocks{llm.Text{Text: "s"}}, Stream: true,
			Limits:   llm.Limits{MaxTokens: 9, Stop: []string{"."}},
			Sampling: llm.Sampling{Temperature: new(0.5), TopK: new(3), Seed: new(int64(1)), FrequencyPenalty: new(0.1), RepeatPenalty: new(1.1)},
			Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "hi"}}}},
		}
	}
	tests := []struct {
		vendor, model, path string
		sent, kept          []string
	}{
		{"openai", "gpt-4o", "/v1/chat/completions", []string{"max_completion_tokens", "temperature", "safety_identifier", "stop"}, []string{"max_tokens", "user", "top_k"}},
		{"openai", "o3-mini", "/v1/chat/completions", []string{"max_completion_tokens", "seed"}, []string{"temperature", "frequency_penalty", "stop"}},
		{"azure", "gpt-5-mini", "/openai/v1/chat/completions?api-version=2024-10-21", nil, []string{"temperature"}},
		{"groq", "m", "/openai/v1/chat/completions", []string{"max_completion_tokens", "temperature"}, nil},
		{"mistral", "m", "/v1/chat/completions", []string{"max_tokens", "frequency_penalty"}, []string{"user", "seed", "stream_options"}},
		{"deepseek", "m", "/v1/chat/completions", []string{"max_tokens", "stream_options", "user"}, []string{"top_k"}},
		{"xai", "grok-4", "/v1/chat/completions", []string{"temperature"}, []string{"stop", "frequency_penalty"}},
		{"xai", "grok-3", "/v1/chat/completions", []string{"stop", "frequency_penalty"}, nil},
		{"openrouter", "m", "/api/v1/chat/completions", []string{"top_k", "repetition_penalty"}, nil},
		{"perplexity", "sonar", "/chat/completions", []string{"max_tokens"}, []string{"stream_options"}},
		{"gemini", "m", "/v1beta/openai/chat/completions", []string{"max_tokens"}, nil},
		{"llamacpp", "m", "/v1/chat/completions", []string{"top_k", "repeat_penalty"}, []string{"repetition_penalty"}},
	}
	for _, tt := range tests {
		t.Run(tt.vendor+" "+tt.model, func(t *testing.T) {
			path, header, body := received(t, tt.vendor, request(tt.model))
			if path != tt.path {
				t.Errorf("path: got %s want %s", path, tt.path)
			}
			key, wrong := "Authorization", "Api-Key"
			if tt.vendor == "azure" {
				key, wrong = wrong, key
			}
			if header.Get(key) == "" || header.Get(wrong) != "" {
				t.Errorf("the key is not in %s alone: %v", key, header)
			}
			for _, field := range tt.sent {
				if body[field] == nil {
					t.Errorf("%s was not sent: %v", field, body)
				}
			}
			for _, field := range tt.kept {
				if body[field] != nil {
					t.Errorf("%s was sent: %v", field, body)
				}
			}
		})
	}
}

func TestModelsThatDoNotThinkTakeSampling(t *testing.T) {
	r := &llm.Request{Model: "gpt-5.2", Sampling: llm.Sampling{Temperature: new(0.5)}, Reasoning: &llm.Reasoning{Effort: llm.EffortNone}}
	if _, _, body := received(t, "openai", r); body["temperature"] == nil {
		t.Errorf("without effort: got %v want the temperature in it", body)
	}
	encoded, err := ofOpenAI.Encode(&llm.Request{Model: "gpt-5.2", Sampling: llm.Sampling{Temperature: new(0.5)}})
	if err != nil || !slices.Contains(encoded.Warnings, llm.Warning{Policy: llm.Dropped, Field: "temperature"}) {
		t.Errorf("with effort: got %+v, %v want that the temperature is dropped", encoded, err)
	}
}

func TestVendorWithoutAListHasModels(t *testing.T) {
	p, err := New(upstream.Config{Vendor: "perplexity"})
	if err != nil {
		t.Fatal(err)
	}
	models, err := p.Models(t.Context())
	if err != nil || len(models) == 0 || models[0].ID != "sonar" || models[0].Kind != "chat" {
		t.Errorf("models are %+v, %v", models, err)
	}
}

func TestOnlySomeServeResponses(t *testing.T) {
	for vendor, want := range map[string]bool{"openai": true, "azure": true, "openrouter": true, "xai": true, "lmstudio": true, "groq": false, "vllm": false} {
		p, err := New(upstream.Config{Vendor: vendor, Host: "https://api.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(p.Native(), "responses/responses"); got != want {
			t.Errorf("%s serves responses: got %t want %t", vendor, got, want)
		}
	}
}

// TestCallsThatPassAreMadeToFit is about vendors that refuse what OpenAI's
// clients say.
func TestCallsThatPassAreMadeToFit(t *testing.T) {
	const call = `{"model":"m", "max_completion_tokens":5,"stream_options":{},"messages":[{"role":"developer","content":"x"}]}`
	tests := []struct {
		vendor, want string
		warnings     []llm.Warning
	}{
		{"mistral", `{"model":"m","max_tokens":5,"messages":[{"role":"system","content":"x"}]}`, []llm.Warning{{Policy: llm.Dropped, Field: "stream_options"}}},
		{"openai", call, nil},
		{"", call, nil},
	}
	for _, tt := range tests {
		t.Run(tt.vendor, func(t *testing.T) {
			var got string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				text, _ := io.ReadAll(q.Body)
				got = string(text)
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, `{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}`)
			}))
			defer server.Close()
			p, err := New(upstream.Config{Vendor: tt.vendor, Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			answer, err := p.Forward(t.Context(), &upstream.Call{
				Dialect: "openai", Operation: "chat/completions", Body: []byte(call), Wait: func(time.Duration) error { return nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range answer.Pieces {
				if err != nil {
					t.Error(err)
				}
			}
			if got != tt.want || !slices.Equal(answer.Warnings, tt.warnings) {
				t.Errorf("got  %s %v\nwant %s %v", got, answer.Warnings, tt.want, tt.warnings)
			}
		})
	}
}
