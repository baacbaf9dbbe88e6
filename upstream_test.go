package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// An upstream is a server that speaks all three wire dialects and does what the
// model's name says. It writes its bytes by hand, so that the tests do not
// check our dialects against themselves, and keeps a history of its own.
//
//	echo     answers with the last user message, word by word
//	tool     calls a tool
//	tools    calls two tools
//	recall   answers with the system prompt, and what came of the tool calls
//	fifty    answers with fifty numbered copies of the last user message
//	hang     never sends a header
//	hang-1   does that for the first call only
//	stall    sends a word, then nothing
//	paced    fifty words, one every 40 ms
//	torn     paced, but closes the connection after half of the answer
//	cut-N    closes the connection after N bytes of the answer
//	fail-N   answers with the status N
//	*replay  answers with what the test gave it
type upstream struct {
	*httptest.Server

	mu     sync.Mutex
	calls  []*upstreamCall
	replay replayed
}

// An upstreamCall is one call in the upstream's history.
type upstreamCall struct {
	model, key string
	header     http.Header
	body       []byte
	gone       chan struct{} // closed when the caller left before the end
	ended      chan struct{}
}

func newUpstream(t testing.TB) *upstream {
	t.Helper()
	u := &upstream{}
	mux := http.NewServeMux()
	for _, w := range wires {
		mux.HandleFunc("POST "+w.path, func(rw http.ResponseWriter, r *http.Request) { u.answer(rw, r, w) })
	}
	mux.HandleFunc("POST /api/generate", generateEcho)
	mux.HandleFunc("POST /v1/messages/count_tokens", u.count)
	for _, path := range []string{"/v1/embeddings", "/api/embed", "/api/embeddings"} {
		mux.HandleFunc("POST "+path, u.embed)
	}
	for _, path := range []string{"/v1/audio/", "/v1/images/"} {
		mux.HandleFunc("POST "+path, u.media)
	}
	mux.HandleFunc("GET /v1/models", listModels)
	mux.HandleFunc("GET /api/tags", listTags)
	u.Server = httptest.NewServer(u.replays(mux))
	t.Cleanup(u.Close)
	return u
}

// replays answers the calls of the models that replay, whatever clients want of
// them but media, which are handled with care for their bytes.
func (u *upstream) replays(others http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		media := strings.HasPrefix(r.URL.Path, "/v1/audio/") || strings.HasPrefix(r.URL.Path, "/v1/images/")
		if media || r.Header.Get("Content-Type") != "application/json" || r.URL.Path == "/api/show" { // that is no client's
			others.ServeHTTP(rw, r)
			return
		}
		data, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(data))
		var body struct{ Model string }
		if err != nil || json.Unmarshal(data, &body) != nil || !strings.HasSuffix(strings.TrimSuffix(body.Model, ":latest"), "replay") {
			others.ServeHTTP(rw, r)
			return
		}
		u.mu.Lock()
		u.calls = append(u.calls, &upstreamCall{model: "replay", header: r.Header, body: data})
		replay := u.replay
		u.mu.Unlock()
		rw.Header().Set("Content-Type", replay.ctype)
		rw.WriteHeader(replay.status)
		rw.Write(replay.body)
	})
}

// env points all three providers at the upstream.
func (u *upstream) env() []string {
	return []string{
		"OPENAI_HOST=" + u.URL + "/v1", "OPENAI_API_KEY=sk-canary-openai",
		"ANTHROPIC_HOST=" + u.URL, "ANTHROPIC_API_KEY=sk-canary-anthropic",
		"OLLAMA_HOST=" + u.URL, "IS_DEMO_ACTIVE=true",
	}
}

// called returns the calls of a model so far.
func (u *upstream) called(model string) []*upstreamCall {
	u.mu.Lock()
	defer u.mu.Unlock()
	var calls []*upstreamCall
	for _, c := range u.calls {
		if c.model == model {
			calls = append(calls, c)
		}
	}
	return calls
}

// waitFor waits until a model was called n times.
func (u *upstream) waitFor(t testing.TB, model string, n int) *upstreamCall {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for len(u.called(model)) < n {
		if time.Now().After(deadline) {
			t.Fatalf("the upstream got %d calls of %s, want %d", len(u.called(model)), model, n)
		}
		<-time.After(5 * time.Millisecond)
	}
	return u.called(model)[n-1]
}

// A wire is one dialect in the upstream's own words.
type wire struct {
	name   string
	path   string
	ctype  string
	stream func(words []string, calls []toolCall) []string // frames
	whole  func(text string, calls []toolCall) string
}

type toolCall struct{ name, arguments string }

var wires = []wire{
	{"openai", "/v1/chat/completions", "text/event-stream", openaiStream, openaiWhole},
	{"anthropic", "/v1/messages", "text/event-stream", anthropicStream, anthropicWhole},
	{"ollama", "/api/chat", "application/x-ndjson", ollamaStream, ollamaWhole},
}

var twoTools = []toolCall{{"get_weather", `{"location":"Boston"}`}, {"get_time", `{}`}}

func (u *upstream) answer(rw http.ResponseWriter, r *http.Request, w wire) {
	var body struct {
		Model    string
		Stream   *bool
		Messages []struct{ Content json.RawMessage }
		Options  struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	data, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(data, &body) != nil {
		http.Error(rw, `{"error":"bad request"}`, http.StatusBadRequest)
		return
	}
	body.Model = strings.TrimSuffix(body.Model, ":latest")
	call := &upstreamCall{model: body.Model, key: r.Header.Get("Authorization"), header: r.Header, body: data, gone: make(chan struct{}), ended: make(chan struct{})}
	u.mu.Lock()
	u.calls = append(u.calls, call)
	u.mu.Unlock()
	defer close(call.ended)
	prompt := ""
	if n := len(body.Messages); n > 0 {
		prompt = lastText(body.Messages[n-1].Content)
	}
	a := reply{rw: rw, r: r, w: w, call: call, usage: body.Options.IncludeUsage}
	if a.stream = w.name == "ollama"; body.Stream != nil {
		a.stream = *body.Stream
	}
	name, arg, _ := strings.Cut(body.Model, "-")
	n, _ := strconv.Atoi(arg)
	switch {
	case name == "hang" && (n == 0 || len(u.called(body.Model)) <= n):
		a.hang()
	case name == "stall":
		a.frames(w.stream([]string{"once "}, nil)[:2], 0)
		a.hang()
	case name == "fail":
		rw.Header().Set("Content-Type", "application/json; charset=utf-8")
		if n == http.StatusTooManyRequests {
			rw.Header().Set("Retry-After", "1")
		}
		rw.WriteHeader(n)
		io.WriteString(rw, `{"type":"error","error":{"type":"some_error","message":"no way"}}`)
	case name == "recall":
		a.play(name, n, recall(data))
	default:
		a.play(name, n, prompt)
	}
}

// A reply is one answer as it is written.
type reply struct {
	rw     http.ResponseWriter
	r      *http.Request
	w      wire
	call   *upstreamCall
	stream bool
	usage  bool // the caller asks for the usage of a stream, as OpenAI's may
}

func (a reply) play(name string, n int, prompt string) {
	words, calls, pace := strings.SplitAfter(prompt, " "), []toolCall(nil), time.Duration(0)
	switch name {
	case "tool":
		words, calls = nil, twoTools[:1]
	case "tools":
		words, calls = nil, twoTools
	case "fifty", "paced":
		words = nil
		for i := range 50 {
			words = append(words, fmt.Sprintf("%s:%d ", prompt, i))
		}
	}
	if name == "paced" || name == "torn" {
		pace = 40 * time.Millisecond
	}
	if !a.stream {
		a.rw.Header().Set("Content-Type", "application/json; charset=utf-8")
		io.WriteString(a.rw, a.w.whole(strings.Join(words, ""), calls))
		return
	}
	frames := a.w.stream(words, calls)
	if name == "echo" && !a.usage {
		frames = slices.DeleteFunc(frames, func(f string) bool { return strings.Contains(f, `"choices":[]`) })
	}
	if name == "torn" {
		a.frames(frames[:len(frames)/2], pace)
		panic(http.ErrAbortHandler)
	}
	if name == "cut" {
		all := strings.Join(frames, "")
		a.frames([]string{all[:min(n, len(all))]}, 0)
		panic(http.ErrAbortHandler)
	}
	a.frames(frames, pace)
}

func (a reply) frames(frames []string, pace time.Duration) {
	a.rw.Header().Set("Content-Type", a.w.ctype)
	for _, f := range frames {
		if _, err := io.WriteString(a.rw, f); err != nil {
			return
		}
		http.NewResponseController(a.rw).Flush()
		select {
		case <-time.After(pace):
		case <-a.r.Context().Done():
			close(a.call.gone)
			return
		}
	}
}

// hang waits until the caller leaves.
func (a reply) hang() {
	<-a.r.Context().Done()
	close(a.call.gone)
}

func lastText(content json.RawMessage) string {
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text
	}
	var parts []struct{ Text string }
	if json.Unmarshal(content, &parts) != nil || len(parts) == 0 {
		return ""
	}
	return parts[len(parts)-1].Text
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func openaiStream(words []string, calls []toolCall) []string {
	chunk := func(delta, finish string) string {
		return fmt.Sprintf("data: {\"id\":\"chatcmpl-up\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%s}]}\n\n", delta, finish)
	}
	frames := []string{chunk(`{"role":"assistant","content":""}`, "null")}
	for _, w := range words {
		frames = append(frames, chunk(`{"content":`+quoted(w)+`}`, "null"))
	}
	finish := `"stop"`
	for i, c := range calls {
		finish = `"tool_calls"`
		half := len(c.arguments) / 2
		frames = append(frames,
			chunk(fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":"call_%d","type":"function","function":{"name":%q,"arguments":""}}]}`, i, i, c.name), "null"),
			chunk(fmt.Sprintf(`{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}`, i, quoted(c.arguments[:half])), "null"),
			chunk(fmt.Sprintf(`{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}`, i, quoted(c.arguments[half:])), "null"))
	}
	usage := `data: {"id":"chatcmpl-up","object":"chat.completion.chunk","created":1700000000,"model":"up","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}` + "\n\n"
	return append(frames, chunk(`{}`, finish), usage, "data: [DONE]\n\n")
}

func openaiWhole(text string, calls []toolCall) string {
	message, finish := `"content":`+quoted(text), "stop"
	if len(calls) > 0 {
		var list []string
		for i, c := range calls {
			list = append(list, fmt.Sprintf(`{"id":"call_%d","type":"function","function":{"name":%q,"arguments":%s}}`, i, c.name, quoted(c.arguments)))
		}
		message, finish = `"content":null,"tool_calls":[`+strings.Join(list, ",")+`]`, "tool_calls"
	}
	return fmt.Sprintf(`{"id":"chatcmpl-up","object":"chat.completion","created":1700000000,"model":"up","choices":[{"index":0,"message":{"role":"assistant",%s},"finish_reason":%q}],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}`, message, finish)
}

func anthropicStream(words []string, calls []toolCall) []string {
	event := func(kind, rest string) string {
		return fmt.Sprintf("event: %s\ndata: {\"type\":%q%s}\n\n", kind, kind, rest)
	}
	frames := []string{event("message_start", `,"message":{"id":"msg_up","type":"message","role":"assistant","model":"up","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":1}}`)}
	index, reason := 0, "end_turn"
	if len(words) > 0 {
		frames = append(frames, event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`))
		for _, w := range words {
			frames = append(frames, event("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":`+quoted(w)+`}`))
		}
		frames = append(frames, event("content_block_stop", `,"index":0`))
		index++
	}
	for i, c := range calls {
		reason = "tool_use"
		frames = append(frames,
			event("content_block_start", fmt.Sprintf(`,"index":%d,"content_block":{"type":"tool_use","id":"call_%d","name":%q,"input":{}}`, index, i, c.name)),
			event("content_block_delta", fmt.Sprintf(`,"index":%d,"delta":{"type":"input_json_delta","partial_json":%s}`, index, quoted(c.arguments))),
			event("content_block_stop", fmt.Sprintf(`,"index":%d`, index)))
		index++
	}
	return append(frames,
		event("message_delta", fmt.Sprintf(`,"delta":{"stop_reason":%q,"stop_sequence":null},"usage":{"output_tokens":5}`, reason)),
		event("message_stop", ""))
}

func anthropicWhole(text string, calls []toolCall) string {
	blocks, reason := []string{`{"type":"text","text":` + quoted(text) + `}`}, "end_turn"
	if len(calls) > 0 {
		blocks, reason = nil, "tool_use"
	}
	for i, c := range calls {
		blocks = append(blocks, fmt.Sprintf(`{"type":"tool_use","id":"call_%d","name":%q,"input":%s}`, i, c.name, c.arguments))
	}
	return fmt.Sprintf(`{"id":"msg_up","type":"message","role":"assistant","model":"up","content":[%s],"stop_reason":%q,"stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":5}}`, strings.Join(blocks, ","), reason)
}

const ollamaMetrics = `"total_duration":9,"load_duration":1,"prompt_eval_count":7,"prompt_eval_duration":2,"eval_count":5,"eval_duration":6`

func ollamaStream(words []string, calls []toolCall) []string {
	line := func(message, rest string) string {
		return fmt.Sprintf("{\"model\":\"up\",\"created_at\":\"2024-01-01T00:00:00Z\",\"message\":{\"role\":\"assistant\",%s},%s}\n", message, rest)
	}
	var frames []string
	for _, w := range words {
		frames = append(frames, line(`"content":`+quoted(w), `"done":false`))
	}
	for i, c := range calls {
		frames = append(frames, line(fmt.Sprintf(`"content":"","tool_calls":[{"id":"call_%d","function":{"index":%d,"name":%q,"arguments":%s}}]`, i, i, c.name, c.arguments), `"done":false`))
	}
	return append(frames, line(`"content":""`, `"done":true,"done_reason":"stop",`+ollamaMetrics))
}

func ollamaWhole(text string, calls []toolCall) string {
	message := `"content":` + quoted(text)
	var list []string
	for i, c := range calls {
		list = append(list, fmt.Sprintf(`{"id":"call_%d","function":{"index":%d,"name":%q,"arguments":%s}}`, i, i, c.name, c.arguments))
	}
	if len(list) > 0 {
		message += `,"tool_calls":[` + strings.Join(list, ",") + `]`
	}
	return fmt.Sprintf(`{"model":"up","created_at":"2024-01-01T00:00:00Z","message":{"role":"assistant",%s},"done":true,"done_reason":"stop",%s}`, message, ollamaMetrics)
}
