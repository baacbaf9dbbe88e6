package ingress

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// embeds plays a canonical answer in two pieces.
func embeds(e llm.Embeddings) bus.Handler {
	return func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		body, err := json.Marshal(e)
		if err != nil {
			panic(err) // numbers and words always marshal
		}
		half := len(body) / 2
		return frames(bus.Head{Whole: true, Warnings: []llm.Warning{{Policy: llm.Dropped, Field: "x"}}},
			bus.End{Usage: e.Usage}, string(body[:half]), string(body[half:]))(ctx, nil, r)
	}
}

func TestEmbeddingsAcrossDialects(t *testing.T) {
	g := newRig(t, nil)
	var rec recorder
	answer := llm.Embeddings{Model: "m1", Vectors: [][]float64{{3, 4}, {1, 0}}, Usage: &llm.Usage{Input: 7}}
	for _, p := range []string{"oai", "llama"} {
		g.worker(p, rec.plays(embeds(answer)))
	}
	g.worker("claude", rec.plays(embeds(llm.Embeddings{Vectors: [][]float64{{3, 4.5}}, Usage: &llm.Usage{Input: 7}})))
	tests := []struct {
		name, path, body string
		want             string // of the body
		asked            llm.EmbedRequest
	}{
		{"OpenAI's, as numbers", "/v1/embeddings", `{"model":"tiny","input":["a","b"],"dimensions":2,"stream":true}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[3,4]},{"object":"embedding","index":1,"embedding":[1,0]}],"model":"tiny","usage":{"prompt_tokens":7,"total_tokens":7}}`,
			llm.EmbedRequest{Input: []string{"a", "b"}, Dimensions: 2}},
		{"OpenAI's, in base64", "/api/v1/embeddings", `{"model":"llama/tiny","input":["a","b"],"encoding_format":"base64"}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AABAQAAAgEA="},{"object":"embedding","index":1,"embedding":"AACAPwAAAAA="}],"model":"llama/tiny","usage":{"prompt_tokens":7,"total_tokens":7}}`,
			llm.EmbedRequest{Input: []string{"a", "b"}}},
		{"Ollama's", "/api/embed", `{"model":"acme/text-embed","input":["a","b"],"stream":true}`,
			`{"model":"acme/text-embed","embeddings":[[0.6,0.8],[1,0]],"total_duration":`, llm.EmbedRequest{Input: []string{"a", "b"}}},
		{"Ollama's older ones", "/api/embeddings", `{"model":"claude-x","prompt":"a"}`, `{"embedding":[3,4.5]}`, llm.EmbedRequest{Input: []string{"a"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := g.post(tt.path, tt.body)
			if got.status != 200 || !strings.HasPrefix(got.body, tt.want) || !json.Valid([]byte(got.body)) {
				t.Errorf("got  %d %s\nwant %s", got.status, got.body, tt.want)
			}
			if ct := got.header.Get("Content-Type"); ct != g.server.calls[plainPath(tt.path)].json {
				t.Errorf("got the content type %q", ct)
			}
			if dropped := got.header.Get("X-Allama-Dropped"); dropped != "x" || got.header.Get("X-Allama-Provider") == "" {
				t.Errorf("got the headers %v, want what was dropped, and by whom", got.header)
			}
			job := rec.last(t)
			var asked llm.EmbedRequest
			if err := json.Unmarshal(job.Body, &asked); err != nil {
				t.Fatal(err)
			}
			if job.Task != llm.TaskEmbed || job.Encoding != bus.Canonical || job.Stream || asked.Model != job.Model ||
				!slices.Equal(asked.Input, tt.asked.Input) || asked.Dimensions != tt.asked.Dimensions {
				t.Errorf("got the job %+v with %s, want %+v", job, job.Body, tt.asked)
			}
		})
	}
	for _, line := range g.log.lines("call") {
		if line["encoding"] != "canonical" || line["input_tokens"] != 7.0 || line["stream"] != false {
			t.Errorf("the log says %v", line)
		}
	}
}

func TestEmbeddingsOfTheSameDialectPassAsTheyAre(t *testing.T) {
	g := newRig(t, nil)
	var rec recorder
	head := bus.Head{Whole: true, ContentType: "application/json"}
	for _, p := range []string{"oai", "llama"} {
		g.worker(p, rec.plays(frames(head, bus.End{Usage: &llm.Usage{Input: 3}}, ` {"any":`, `"body"} `)))
	}
	for _, tt := range []struct{ path, body string }{
		{"/v1/embeddings", `{"model":"gpt-4o", "input":[[1,2],[3]],"encoding_format":"later","stream":true,"x":1e400}`},
		{"/api/embed", `{"model":"tiny", "input":"","x":1e400}`},
		{"/api/embeddings", `{"model":"tiny", "prompt":"","stream":true}`},
	} {
		got := g.post(tt.path, tt.body)
		job := rec.last(t)
		if got.status != 200 || got.body != ` {"any":"body"} ` {
			t.Errorf("%s: got %d %q", tt.path, got.status, got.body)
		}
		if string(job.Body) != tt.body || job.Encoding != bus.Native || job.Task != llm.TaskEmbed || job.Stream {
			t.Errorf("%s: the job is %+v with %s", tt.path, job, job.Body)
		}
	}
}

func TestEmbeddingsThatNeedNoUpstream(t *testing.T) {
	g := newRig(t, nil) // without workers
	for _, tt := range []struct{ path, body, want string }{
		{"/api/embed", `{"model":"gpt-4o"}`, `{"model":"gpt-4o","embeddings":[]}`},
		{"/api/embeddings", `{"model":"gpt-4o"}`, `{"embedding":[]}`},
	} {
		if got := g.post(tt.path, tt.body); got.status != 200 || got.body != tt.want {
			t.Errorf("%s: got %d %s want %s", tt.path, got.status, got.body, tt.want)
		}
	}
}

func TestEmbeddingsAreRefusedInTheDialect(t *testing.T) {
	g := newRig(t, nil)
	no := &llm.Error{Code: llm.CodeUnsupported, Param: "model", Message: "model 'claude-x' does not support embeddings"}
	g.worker("claude", fails(no))
	g.worker("llama", embeds(llm.Embeddings{Vectors: [][]float64{{1}}}))
	g.worker("oai", frames(bus.Head{Whole: true}, bus.End{}, "[]"))
	tests := []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"no embeddings, OpenAI", "/v1/embeddings", `{"model":"claude-x","input":"a"}`, 400,
			`{"error":{"message":"model 'claude-x' does not support embeddings","type":"invalid_request_error","param":"model","code":"unsupported_parameter"}}`},
		{"no embeddings, Ollama", "/api/embed", `{"model":"claude-x","input":"a"}`, 400, `{"error":"model 'claude-x' does not support embeddings"}`},
		{"an unknown model, OpenAI", "/v1/embeddings", `{"model":"nope","input":"a"}`, 404, `{"error":{"message":"The model 'nope' does not exist`},
		{"an unknown model, Ollama", "/api/embed", `{"model":"nope","input":"a"}`, 404, `{"error":"model \"nope\" not found, try pulling it first"}`},
		{"an unknown model, Ollama's older way", "/api/embeddings", `{"model":"nope","prompt":"a"}`, 404, `{"error":"model \"nope\" not found, try pulling it first"}`},
		{"no model, Ollama", "/api/embed", `{"input":"a"}`, 404, `{"error":"model '' not found"}`},
		{"no model, Ollama's older way", "/api/embeddings", `{"prompt":"a"}`, 400, `{"error":"model is required"}`},
		{"no model, OpenAI", "/v1/embeddings", `{"input":"a"}`, 400, `{"error":{"message":"model is required","type":"invalid_request_error","param":"model","code":null}}`},
		{"tokens", "/v1/embeddings", `{"model":"tiny","input":[1]}`, 400, `{"error":{"message":"'input' must be text: this model does not take tokens.","type":"invalid_request_error","param":"input","code":"unsupported_parameter"}}`},
		{"a format", "/v1/embeddings", `{"model":"tiny","input":"a","encoding_format":"x"}`, 400, `{"error":{"message":"Invalid value: 'x'. Supported values are: 'float' and 'base64'."`},
		{"an answer with too few", "/v1/embeddings", `{"model":"tiny","input":["a","b"]}`, 500, `{"error":{"message":"internal error"`},
		{"an answer that is none", "/api/embed", `{"model":"gpt-4o","input":"a"}`, 500, `{"error":"internal error"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := g.post(tt.path, tt.body); got.status != tt.status || !strings.HasPrefix(got.body, tt.want) {
				t.Errorf("got  %d %s\nwant %d %s", got.status, got.body, tt.status, tt.want)
			}
		})
	}
}

// A worker that is lost before its answer is complete leaves nothing of it.
func TestALostWorkersEmbeddingsDoNotCount(t *testing.T) {
	g := newRig(t, nil)
	stuck := make(chan struct{})
	nc := g.worker("llama", func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{Whole: true})
		_ = r.Data(ctx, []byte(`{"vectors":[[9`))
		_ = r.Flush(ctx)
		close(stuck)
		<-ctx.Done()
		return bus.End{}
	})
	done := make(chan reply, 1)
	go func() { done <- g.post("/v1/embeddings", `{"model":"tiny","input":"a"}`) }()
	<-stuck
	nc.Close()
	g.worker("llama", embeds(llm.Embeddings{Vectors: [][]float64{{1}}}))
	got := <-done
	if got.status != 200 || !strings.Contains(got.body, `"embedding":[1]`) || got.header.Get("X-Allama-Attempts") != "2" {
		t.Errorf("got %d %s %v, want the second answer", got.status, got.body, got.header)
	}
}
