package openai

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
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
	operations := slices.Concat([]string{chat, completions, embeddings, responses}, media)
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
			Limits: llm.Limits{MaxTokens: 9, Stop: []string{"."}}, Reasoning: &llm.Reasoning{Effort: llm.EffortLow},
			Sampling: llm.Sampling{Temperature: new(0.5), TopK: new(3), Seed: new(int64(1)), FrequencyPenalty: new(0.1), RepeatPenalty: new(1.1)},
			Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "hi"}}}},
		}
	}
	tests := []struct {
		vendor, model, path string
		sent, kept          []string
	}{
		{"openai", "gpt-4o", "/v1/chat/completions", []string{"max_completion_tokens", "temperature", "safety_identifier", "stop"}, []string{"max_tokens", "user", "top_k", "reasoning_effort"}},
		{"openai", "o3-mini", "/v1/chat/completions", []string{"max_completion_tokens", "seed"}, []string{"temperature", "frequency_penalty", "stop"}},
		{"openai", "gpt-5-chat-latest", "/v1/chat/completions", []string{"temperature", "stop"}, []string{"reasoning_effort"}},
		{"openai", "gpt-5.1-chat-latest", "/v1/chat/completions", nil, []string{"temperature", "stop", "reasoning_effort"}},
		{"openai", "gpt-5.1", "/v1/chat/completions", []string{"reasoning_effort"}, []string{"temperature", "stop"}},
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

func TestEffortsAreThoseThatAModelTakes(t *testing.T) {
	tests := map[string]string{ // by model, for none, minimal, low, xhigh and max
		"o3-mini":            "low low low high high",
		"gpt-4o":             "- - - - -",
		"gpt-5":              "minimal minimal low high high",
		"gpt-5-mini":         "minimal minimal low high high",
		"gpt-5-pro":          "high high high high high",
		"gpt-5-chat-latest":  "- - - - -",
		"gpt-5-codex":        "low low low high high",
		"gpt-5.1":            "none low low high high",
		"gpt-5.1-codex-max":  "low low low xhigh xhigh",
		"gpt-5.1-codex-mini": "low low low high high",
		"gpt-5.2":            "none low low xhigh xhigh",
		"gpt-5.2-pro":        "medium medium medium xhigh xhigh",
		"gpt-5.6":            "none low low xhigh max",
		"gpt-9":              "none minimal low xhigh max",
	}
	for model, want := range tests {
		var got []string
		for _, effort := range []llm.Effort{llm.EffortNone, llm.EffortMinimal, llm.EffortLow, llm.EffortXHigh, llm.EffortMax} {
			encoded, err := ofOpenAI.Encode(&llm.Request{Model: model, Reasoning: &llm.Reasoning{Effort: effort}})
			if err != nil {
				t.Fatal(err)
			}
			sent := struct {
				Effort string `json:"reasoning_effort"`
			}{"-"}
			if err := json.Unmarshal(encoded.Body, &sent); err != nil {
				t.Fatal(err)
			}
			got = append(got, sent.Effort)
		}
		if all := strings.Join(got, " "); all != want {
			t.Errorf("%s: got %s, want %s", model, all, want)
		}
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

// TestForcedCallsAreAskedForAsTheVendorTakesThem is about a tool that must be
// called, of two.
func TestForcedCallsAreAskedForAsTheVendorTakesThem(t *testing.T) {
	r := llm.Request{
		Tools:      []llm.Tool{{Name: "f"}, {Name: "g"}},
		ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"f"}, Serial: true},
		Messages:   []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "hi"}}}},
	}
	byName := map[string]any{"type": "function", "function": map[string]any{"name": "f"}}
	for _, tt := range []struct {
		vendor, model string
		choice        any
		tools         int
		serial, urged bool
	}{
		{"openai", "gpt-4o", byName, 2, true, false},
		{"openai", "o3-mini", byName, 2, false, false},
		{"groq", "m", byName, 2, true, false},
		{"deepseek", "deepseek-chat", byName, 2, true, false},
		{"deepseek", "deepseek-reasoner", "auto", 1, true, true},
		{"deepseek", "deepseek-v4-pro", "auto", 1, true, true},
		{"mistral", "m", byName, 2, true, false},
		{"llamacpp", "m", "required", 1, true, false},
		{"lmstudio", "m", "required", 1, true, false},
	} {
		t.Run(tt.vendor+" "+tt.model, func(t *testing.T) {
			r.Model = tt.model
			_, _, body := received(t, tt.vendor, &r)
			if got := body["tool_choice"]; !reflect.DeepEqual(got, tt.choice) {
				t.Errorf("tool_choice: got %v want %v", got, tt.choice)
			}
			tools, _ := body["tools"].([]any)
			messages, _ := body["messages"].([]any)
			_, serial := body["parallel_tool_calls"]
			if len(tools) != tt.tools || serial != tt.serial || (len(messages) == 2) != tt.urged {
				t.Errorf("got %d tools, one at a time %t, %d messages\nwant %d, %t, an instruction %t", len(tools), serial, len(messages), tt.tools, tt.serial, tt.urged)
			}
		})
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
	const call = `{"model":"m", "max_completion_tokens":5,"stream_options":{"include_usage":true},"messages":[{"role":"developer","content":"x"}]}`
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

// TestManyVectorsComeInBase64 is about two thousand vectors of three thousand
// numbers, which written out are over every limit.
func TestManyVectorsComeInBase64(t *testing.T) {
	for vendor, want := range map[string]string{"openai": "base64", "azure": "base64", "openrouter": "float", "vllm": "float"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			var asked struct {
				Format string `json:"encoding_format"`
			}
			if err := json.NewDecoder(q.Body).Decode(&asked); err != nil || asked.Format != want {
				t.Errorf("%s: asked for %q, %v want %s", vendor, asked.Format, err, want)
			}
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, map[string]string{
				"base64": `{"data":[{"index":0,"embedding":"AAAAPwAAgL8="}]}`, "float": `{"data":[{"index":0,"embedding":[0.5,-1]}]}`,
			}[asked.Format])
		}))
		p, err := New(upstream.Config{Vendor: vendor, Host: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := p.Embed(t.Context(), &llm.EmbedRequest{Model: "m", Input: []string{"a"}}, func(time.Duration) error { return nil })
		if vectors := [][]float64{{0.5, -1}}; err != nil || !reflect.DeepEqual(got.Vectors, vectors) {
			t.Errorf("%s: got %v, %v want %v", vendor, got, err, vectors)
		}
		p.Close()
		server.Close()
	}
}

func TestVendorsOfMedia(t *testing.T) {
	for vendor, want := range map[string][]string{
		"openai": media, "azure": media, "vllm": media, "groq": {transcriptions, translations, speech}, "mistral": {transcriptions},
		"together": {transcriptions, translations, speech, images}, "xai": {images}, "gemini": {images}, "llamacpp": {transcriptions},
		"deepseek": nil, "cerebras": nil, "perplexity": nil, "openrouter": nil, "fireworks": nil, "lmstudio": nil,
	} {
		p, err := New(upstream.Config{Vendor: vendor, Host: "http://127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(p.Native(), func(o string) bool { return !slices.Contains(media, o) })
		if !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%s passes on %v want %v", vendor, got, want)
		}
	}
	for _, host := range []string{"http://127.0.0.1:1", "https://x.openai.azure.com/openai/deployments/whisper?api-version=1"} {
		if p, err := New(upstream.Config{Host: host}); err != nil || !slices.Contains(p.Native(), transcriptions) || slices.Contains(p.Native(), responses) {
			t.Errorf("%s: %v, %v", host, p.Native(), err)
		}
	}
}
