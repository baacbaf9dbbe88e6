package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// BenchmarkCalls makes calls through everything that is in one process, with the
// clients and the upstream in it as well: what they allocate counts, too.
func BenchmarkCalls(b *testing.B) {
	url := serveForBenchmark(b)
	for _, bm := range []struct{ name, model, upstream string }{
		{"small", "openai/gpt-4o-mini", "whole"},
		{"small translated", "anthropic/claude-haiku-4-5", "whole"},
		{"stream", "openai/gpt-4o-mini", "stream"},
		{"stream translated", "anthropic/claude-haiku-4-5", "stream"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
			defer client.CloseIdleConnections()
			body := fmt.Sprintf(`{"model":%q,"stream":%t,"max_tokens":100,"messages":[{"role":"user","content":"Why is the sky blue?"}]}`, bm.model, bm.upstream == "stream")
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := callForBenchmark(client, url, body); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// callForBenchmark makes a call and reads the answer, which has to have its end.
func callForBenchmark(client *http.Client, url, body string) error {
	response, err := client.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(answer), `"finish_reason":"stop"`) {
		return cmp.Or(err, fmt.Errorf("status %d: %s", response.StatusCode, answer))
	}
	return nil
}

// serveForBenchmark runs the program in this process and returns its address.
func serveForBenchmark(b *testing.B) string {
	b.Helper()
	upstream := httptest.NewServer(cannedUpstream())
	b.Cleanup(upstream.Close)
	var log output
	dir := folder(b)
	program := program{dir: dir, stdout: io.Discard, stderr: &log, environ: []string{
		"PORT=0", "DATABASE_PATH=" + dir + "/allama.db", "ALLAMA_DATA_DIR=" + dir + "/data", "IS_OLLAMA_ACTIVE=false",
		"OPENAI_HOST=" + upstream.URL, "OPENAI_API_KEY=sk-1", "ANTHROPIC_HOST=" + upstream.URL, "ANTHROPIC_API_KEY=sk-2",
	}}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); run(ctx, program, "allama") }()
	b.Cleanup(func() { stop(); <-done })
	log.wait(b, "point clients here")
	_, said, _ := strings.Cut(log.String(), "point clients here")
	return regexp.MustCompile(`http://[0-9.:]+`).FindString(said)
}

// cannedUpstream answers always the same, and at once.
func cannedUpstream() http.Handler {
	const text = "Sunlight is scattered by the air, and blue light more than red. "
	mux := http.NewServeMux()
	canned := map[string]struct{ whole, opening, piece, closing string }{
		"POST /v1/chat/completions": {
			whole: `{"id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"` +
				strings.Repeat(text, 6) + `","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":14,"completion_tokens":84,"total_tokens":98,` +
				`"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}},"service_tier":"default"}`,
			opening: "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
			piece:   "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" blue light\"},\"finish_reason\":null}]}\n\n",
			closing: "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
		},
		"POST /v1/messages": {
			whole: `{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{"type":"text","text":"` + strings.Repeat(text, 6) +
				`"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":14,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":84}}`,
			opening: "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-haiku-4-5\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":14,\"output_tokens\":1}}}\n\n" +
				"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
			piece: "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" blue light\"}}\n\n",
			closing: "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" +
				"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":84}}\n\n" +
				"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		},
	}
	for route, answer := range canned {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(body), `"stream":true`) {
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, answer.whole)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, answer.opening)
			for range 200 {
				io.WriteString(w, answer.piece)
				http.NewResponseController(w).Flush()
			}
			io.WriteString(w, answer.closing)
		})
	}
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, r *http.Request) {
		id := "gpt-4o-mini"
		if r.Header.Get("X-Api-Key") != "" {
			id = "claude-haiku-4-5"
		}
		fmt.Fprintf(w, `{"object":"list","data":[{"id":%q,"object":"model","type":"model","display_name":"A model","created_at":"2025-01-01T00:00:00Z"}],"has_more":false}`, id)
	})
	return mux
}
