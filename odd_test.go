package main

import (
	"bytes"
	"net/http"
	"testing"
)

// oddFields are what no dialect has yet, written as nobody would: with spaces,
// with a key twice, with numbers that are no float64, with a lone surrogate, and
// with names that mean something one level higher up.
const oddFields = ` "x_new" :{ "a":1 ,"a" :2,"model":"m","stream":false } , "big": 123456789012345678901234567890.10, "tiny":-1E-999 ,"e":[ ] ,"s":"\u00e9\/\ud800" `

// What is unknown passes through to an upstream of the same dialect and back,
// every byte of it.
func TestUnknownFieldsPassThrough(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startServe(t, append(u.env(), "LMSTUDIO_HOST="+u.URL)...)
	s.waitForModel(t, "lmstudio/replay")
	for _, api := range recordedAPIs {
		api.request = "\n{ \t" + oddFields + "," + api.request[1:]
		for _, stream := range []bool{false, true} {
			rec := recording{ctype: "application/json; charset=utf-8", answer: oddAnswers[api.folder][0]}
			if rec.meta.Stream = stream; stream {
				rec.ctype, rec.answer = "text/event-stream", oddAnswers[api.folder][1]
				if api.provider == "ollama" {
					rec.ctype = "application/x-ndjson"
				}
			}
			if rec.answer == nil {
				continue // there are no such streams
			}
			u.setReplay(replayed{http.StatusOK, rec.ctype, rec.answer})
			t.Run(api.folder, func(t *testing.T) {
				replayedCalls{replayer{s, u, api.provider, "replay"}, api, &replayedAPI{}}.native(t, rec)
			})
		}
	}
}

// oddAnswers are answers of each API, whole and streamed.
var oddAnswers = func() map[string][2][]byte {
	whole := func(known string) []byte { return []byte(" {" + oddFields + ", " + known + "}\n ") }
	stream := func(pieces ...string) []byte {
		var out bytes.Buffer
		for _, p := range pieces {
			out.WriteString(p)
		}
		return out.Bytes()
	}
	const odd = `,` + oddFields + "}"
	event := func(kind, rest string) string {
		return "event: " + kind + "\ndata:{\"type\": \"" + kind + `"` + rest + odd + "\n\n"
	}
	return map[string][2][]byte{
		"openai-chat": {whole(`"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]`), stream(
			": a comment\r\n\r\n", `data: {"choices":[{"index":0,"delta":{"content":"x"`+odd+`}]`+odd+"\n\n",
			`data:{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]`+odd+"\r\n\r\n", "event: x_new\ndata: {"+oddFields+"}\n\n", "data: [DONE]\n\n")},
		"openai-completions": {whole(`"choices":[{"index":0,"text":"x","finish_reason":"stop"}]`), stream(
			`data: {"choices":[{"index":0,"text":"x","finish_reason":"stop"}]`+odd+"\n\n", "data: [DONE]\n\n")},
		"openai-embeddings": {whole(`"data":[{"index":0,"embedding":[1.0, 2e0]}]`), nil},
		"openai-responses": {whole(`"object":"response","status":"completed","output":[]`), stream(
			event("response.created", `,"sequence_number":0,"response":{"id":"resp_1","status":"in_progress"`+odd), event("response.x_new", ""),
			event("response.completed", `,"sequence_number":2,"response":{"id":"resp_1","status":"completed","output":[]`+odd))},
		"anthropic-messages": {whole(`"type":"message","role":"assistant","content":[{"type":"x_new"` + odd + `],"stop_reason":"end_turn"`), stream(
			event("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","content":[],"usage":{"input_tokens":1,"output_tokens":1}`+odd),
			event("x_new", ""), event("content_block_start", `,"index":0,"content_block":{"type":"x_new"`+odd), event("content_block_stop", `,"index":0`),
			event("message_delta", `,"delta":{"stop_reason":"x_new"},"usage":{"output_tokens":2}`), event("message_stop", ""))},
		"anthropic-count-tokens": {whole(`"input_tokens":5`), nil},
		"ollama-chat": {whole(`"message":{"role":"assistant","content":"x"},"done":true,"done_reason":"stop"`), stream(
			`{"message":{"role":"assistant","content":"x"`+odd+`,"done":false`+odd+"\n", `{"message":{"role":"assistant","content":""},"done":true,"done_reason":"x_new"`+odd+"\n")},
		"ollama-generate": {whole(`"response":"x","done":true,"done_reason":"stop"`), stream(
			`{"response":"x","done":false`+odd+"\n", `{"response":"","done":true,"done_reason":"x_new"`+odd+"\n")},
		"ollama-embed":      {whole(`"embeddings":[[1.0,2e0]]`), nil},
		"ollama-embeddings": {whole(`"embedding":[1.0,2e0]`), nil},
	}
}()
