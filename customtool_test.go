package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A tool whose input is a text is a function to providers that know no such
// tools, and the client never sees that.
func TestToolsWithATextForTheirInput(t *testing.T) {
	t.Parallel()
	const input = "+ \"é😀\"\n"
	u := newUpstream(t)
	s := startServe(t, u.env()...)
	for _, w := range wires[1:] {
		for _, stream := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, stream %t", w.name, stream), func(t *testing.T) {
				calls := []toolCall{{"patch", `{"input":"+ \"é\ud83d\ude00\"\n"}`}}
				answer := replayed{http.StatusOK, "application/json", []byte(w.whole("", calls))}
				if stream {
					answer.ctype, answer.body = w.ctype, []byte(strings.Join(w.stream(nil, calls), ""))
				}
				u.setReplay(answer)
				response, body := s.postWith(t, "/v1/chat/completions", fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":"Mend it."}],
					"tools":[{"type":"custom","custom":{"name":"patch"}}]}`, w.name+"/replay", stream))
				if got := customInput(t, body, stream); response.StatusCode != http.StatusOK || got != "custom patch "+input {
					t.Errorf("got %d %q of %s, want the input %q", response.StatusCode, got, body, input)
				}
				if got := response.Header.Get("X-Allama-Emulated"); got != "tools.custom" {
					t.Errorf("emulated is %q, want tools.custom", got)
				}
			})
		}
	}
}

// customInput returns the type, the name and the input of the call in an answer.
func customInput(t *testing.T, body string, stream bool) string {
	t.Helper()
	type message struct {
		ToolCalls []struct {
			Type   string
			Custom struct{ Name, Input string }
		} `json:"tool_calls"`
	}
	var said strings.Builder
	for line := range strings.SplitSeq(body, "\n") {
		line, data := strings.CutPrefix(line, "data: ")
		if stream != data || line == "" || line == "[DONE]" {
			continue
		}
		var answer struct {
			Choices []struct{ Delta, Message message }
		}
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, c := range answer.Choices {
			for _, call := range append(c.Delta.ToolCalls, c.Message.ToolCalls...) {
				for _, word := range []string{call.Type, call.Custom.Name} {
					if word != "" {
						said.WriteString(word + " ")
					}
				}
				said.WriteString(call.Custom.Input)
			}
		}
	}
	return said.String()
}
