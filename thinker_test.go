package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The models of a thinker, both of which think by a number of tokens.
const (
	thinkerModel = "claude-sonnet-4-5"
	otherThinker = "claude-opus-4-5"
)

// A thinker is an upstream like Anthropic's whose models think before they call
// tools. They refuse to think on from results of tools without exactly what
// they thought before, and notice where it is missing.
type thinker struct {
	*httptest.Server

	mu       sync.Mutex
	thoughts map[string][]thinkerBlock // by the id of the first call of an answer
	keys     []string                  // of the workers that have called, in order
}

type thinkerBlock struct {
	Type      string          `json:"type"`
	Thinking  *string         `json:"thinking,omitempty"`
	Signature string          `json:"signature,omitempty"`
	Data      string          `json:"data,omitempty"`
	Text      string          `json:"text,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
}

func (b thinkerBlock) isThought() bool { return b.Type == "thinking" || b.Type == "redacted_thinking" }

type thinkerCall struct {
	Stream   bool
	Thinking json.RawMessage
	Messages []struct {
		Role    string
		Content json.RawMessage
	}
}

// content returns the blocks of the message with a number.
func (c *thinkerCall) content(i int) (blocks []thinkerBlock) {
	if json.Unmarshal(c.Messages[i].Content, &blocks) != nil {
		return nil // a plain text
	}
	return blocks
}

func newThinker(t testing.TB) *thinker {
	t.Helper()
	th := &thinker{thoughts: map[string][]thinkerBlock{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages", th.answer)
	mux.HandleFunc("GET /v1/models", func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(rw, `{"data":[{"type":"model","id":%q},{"type":"model","id":%q}],"has_more":false}`, thinkerModel, otherThinker)
	})
	th.Server = httptest.NewServer(mux)
	t.Cleanup(th.Close)
	return th
}

// env makes the thinker the provider claude.
func (th *thinker) env() []string {
	return []string{"ALLAMA_PROVIDERS=claude", "CLAUDE_KIND=anthropic", "CLAUDE_HOST=" + th.URL}
}

// lastKey is the key of the worker that has called last.
func (th *thinker) lastKey() string {
	th.mu.Lock()
	defer th.mu.Unlock()
	return th.keys[len(th.keys)-1]
}

func (th *thinker) answer(rw http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	var call thinkerCall
	if err != nil || json.Unmarshal(data, &call) != nil || len(call.Messages) == 0 {
		http.Error(rw, `{"type":"error","error":{"type":"invalid_request_error","message":"no call"}}`, http.StatusBadRequest)
		return
	}
	th.mu.Lock()
	defer th.mu.Unlock()
	th.keys = append(th.keys, r.Header.Get("X-Api-Key"))
	thinks := len(call.Thinking) > 0
	step, missing := th.follow(&call)
	switch {
	case missing != "" && thinks:
		rw.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(rw, `{"type":"error","error":{"type":"invalid_request_error","message":"%s: Expected `+"`thinking` or `redacted_thinking`, but found `tool_use`"+`"}}`, missing)
	case missing != "":
		th.say(rw, &call, []thinkerBlock{{Type: "text", Text: "I have lost " + missing}}, "end_turn")
	case step == 2:
		th.say(rw, &call, []thinkerBlock{{Type: "text", Text: "I know it all"}}, "end_turn")
	default:
		th.say(rw, &call, th.think(step), "tool_use")
	}
}

// follow returns how often tools were called since the user's last word, and
// the first answer that is not as it was.
func (th *thinker) follow(call *thinkerCall) (step int, missing string) {
	for i, m := range call.Messages {
		blocks := call.content(i)
		if m.Role == "user" && !slices.ContainsFunc(blocks, func(b thinkerBlock) bool { return b.Type == "tool_result" }) {
			step, missing = 0, ""
		}
		first := slices.IndexFunc(blocks, func(b thinkerBlock) bool { return b.Type == "tool_use" })
		if m.Role != "assistant" || first < 0 {
			continue
		}
		step++
		want, _ := json.Marshal(th.thoughts[blocks[first].ID])
		got, _ := json.Marshal(blocks[:slices.IndexFunc(blocks, func(b thinkerBlock) bool { return !b.isThought() })])
		if string(got) != string(want) && missing == "" {
			missing = fmt.Sprintf("messages.%d.content.0.type", i)
		}
	}
	return step, missing
}

// think returns an answer that calls two tools.
func (th *thinker) think(step int) []thinkerBlock {
	n := len(th.thoughts)
	text := fmt.Sprintf("Thought %d: \"Grüße\", 世界\u2028 <b> & \\n\n ", n)
	thoughts := []thinkerBlock{
		{Type: "thinking", Thinking: &text, Signature: fmt.Sprintf("EqQ/+%d==", n)},
		{Type: "redacted_thinking", Data: fmt.Sprintf("ZGF0YQ%d==", n)},
	}
	id := fmt.Sprintf("toolu_01AbC%d", n)
	th.thoughts[id] = thoughts
	return append(slices.Clone(thoughts),
		thinkerBlock{Type: "text", Text: "Let me see. "},
		thinkerBlock{Type: "tool_use", ID: id, Name: "get_weather", Input: json.RawMessage(fmt.Sprintf(`{"location":"Boston","days":[1,%d.50],"a":{"z":1,"b":2}}`, step))},
		thinkerBlock{Type: "tool_use", ID: id + "b", Name: "get_time", Input: json.RawMessage(`{}`)})
}

func (th *thinker) say(rw http.ResponseWriter, call *thinkerCall, content []thinkerBlock, reason string) {
	const head = `"id":"msg_th","type":"message","role":"assistant","model":"claude","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":5}`
	if !call.Stream {
		blocks, _ := json.Marshal(content)
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(rw, `{%s,"content":%s,"stop_reason":%q}`, head, blocks, reason)
		return
	}
	rw.Header().Set("Content-Type", "text/event-stream")
	send := func(kind, rest string) { fmt.Fprintf(rw, "event: %s\ndata: {\"type\":%q%s}\n\n", kind, kind, rest) }
	send("message_start", fmt.Sprintf(`,"message":{%s,"content":[],"stop_reason":null}`, head))
	for i, b := range content {
		start, deltas := b.stream()
		send("content_block_start", fmt.Sprintf(`,"index":%d,"content_block":%s`, i, start))
		for _, d := range deltas {
			send("content_block_delta", fmt.Sprintf(`,"index":%d,"delta":%s`, i, d))
		}
		send("content_block_stop", fmt.Sprintf(`,"index":%d`, i))
		_ = http.NewResponseController(rw).Flush()
	}
	send("message_delta", fmt.Sprintf(`,"delta":{"stop_reason":%q,"stop_sequence":null},"usage":{"output_tokens":5}`, reason))
	send("message_stop", "")
}

// stream returns a block as it begins, and what follows.
func (b thinkerBlock) stream() (start string, deltas []string) {
	switch b.Type {
	case "thinking":
		half := strings.Index(*b.Thinking, " ")
		for _, part := range []string{(*b.Thinking)[:half], (*b.Thinking)[half:]} {
			deltas = append(deltas, `{"type":"thinking_delta","thinking":`+quoted(part)+`}`)
		}
		return `{"type":"thinking","thinking":"","signature":""}`, append(deltas, `{"type":"signature_delta","signature":`+quoted(b.Signature)+`}`)
	case "text":
		return `{"type":"text","text":""}`, []string{`{"type":"text_delta","text":` + quoted(b.Text) + `}`}
	case "tool_use":
		return fmt.Sprintf(`{"type":"tool_use","id":%q,"name":%q,"input":{}}`, b.ID, b.Name),
			[]string{`{"type":"input_json_delta","partial_json":` + quoted(string(b.Input)) + `}`}
	default:
		whole, _ := json.Marshal(b)
		return string(whole), nil
	}
}
