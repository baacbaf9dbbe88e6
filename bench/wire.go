package main

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// A wire is what a dialect's calls and answers look like, as far as a load
// needs it.
type wire struct {
	path   string
	body   string // of a call: a model, whether it is streamed, an image
	whole  string // an answer
	open   string // of a stream
	chunk  string // of a stream, with the chunk's text
	close  string // of a stream
	lines  bool   // streams are lines of JSON
	texted string // what stands before the text of a chunk that came through
	end    string // what a stream must end with
}

var wires = map[string]wire{
	"openai": {
		path:  "/v1/chat/completions",
		body:  `{"model":%q,"stream":%t,"messages":[{"role":"user","content":[{"type":"text","text":"Hello"}%s]}]}`,
		whole: `{"id":"chatcmpl-1","object":"chat.completion","created":1760000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":8,"completion_tokens":100,"total_tokens":108}}`,
		open:  `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,"model":"bench","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n",
		chunk: `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,"model":"bench","choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}` + "\n\n",
		close: `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,"model":"bench","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" +
			"data: [DONE]\n\n",
		texted: `"content":"`, end: "data: [DONE]\n\n",
	},
	"anthropic": {
		path:  "/v1/messages",
		body:  `{"model":%q,"stream":%t,"max_tokens":1000,"messages":[{"role":"user","content":[{"type":"text","text":"Hello"}%s]}]}`,
		whole: `{"id":"msg_1","type":"message","role":"assistant","model":"bench","content":[{"type":"text","text":%q}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":8,"output_tokens":100}}`,
		open: "event: message_start\ndata: " + `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"bench","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":8,"output_tokens":1}}}` + "\n\n" +
			"event: content_block_start\ndata: " + `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n",
		chunk: "event: content_block_delta\ndata: " + `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%q}}` + "\n\n",
		close: "event: content_block_stop\ndata: " + `{"type":"content_block_stop","index":0}` + "\n\n" +
			"event: message_delta\ndata: " + `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":100}}` + "\n\n" +
			"event: message_stop\ndata: " + `{"type":"message_stop"}` + "\n\n",
		texted: `"text":"`, end: `{"type":"message_stop"}` + "\n\n",
	},
	"ollama": {
		path:  "/api/chat",
		body:  `{"model":%q,"stream":%t,"messages":[{"role":"user","content":"Hello"}]%s}`,
		whole: `{"model":"bench","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":%q},"done":true,"done_reason":"stop","total_duration":1,"prompt_eval_count":8,"eval_count":100}`,
		chunk: `{"model":"bench","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":%q},"done":false}` + "\n",
		close: `{"model":"bench","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":1,"prompt_eval_count":8,"eval_count":100}` + "\n",
		lines: true, texted: `"content":"`, end: "}\n",
	},
}

// text is what chunk i of a stream says, and the whole answer with i 0. Its
// number tells whether a stream is in order and complete.
func text(i int) string { return fmt.Sprintf("%06d the quick brown fox jumps", i) }

// request is the body of a call.
func (w wire) request(model string, stream bool, image int) string {
	picture := ""
	if image > 0 {
		picture = `,{"type":"image_url","image_url":{"url":"data:image/png;base64,` +
			base64.StdEncoding.EncodeToString([]byte(strings.Repeat("bench", image/5*3/4))) + `"}}`
	}
	return fmt.Sprintf(w.body, model, stream, picture)
}

// check returns what is wrong with an answer, nil for one that is whole.
func (w wire) check(answer string, chunks int) error {
	if chunks == 0 {
		if !strings.Contains(answer, text(0)) {
			return fmt.Errorf("an answer without its text: %.200s", answer)
		}
		return nil
	}
	for i := range chunks {
		_, after, found := strings.Cut(answer, w.texted+text(i)+`"`)
		if !found {
			return fmt.Errorf("a stream without chunk %d in its place", i)
		}
		answer = after
	}
	if !strings.HasSuffix(answer, w.end) {
		return fmt.Errorf("a stream without its end: …%.200s", answer)
	}
	return nil
}
