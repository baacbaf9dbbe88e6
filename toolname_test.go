package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// oddTool is a name that only Ollama takes, and legalTool what it becomes.
const (
	oddTool   = "weather.get/v1"
	legalTool = "weather__get_v1"
)

// toolTurn is a conversation in which the tool was called once, and is to be
// again.
var toolTurn = map[string]string{
	"ollama": `"tools":[{"type":"function","function":{"name":"` + oddTool + `","parameters":{"type":"object","properties":{}}}},{"type":"function","function":{"name":"plain","parameters":{"type":"object","properties":{}}}}],
		"messages":[{"role":"user","content":"What now?"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"` + oddTool + `","arguments":{}}}]},{"role":"tool","tool_name":"` + oddTool + `","content":"sunny"}]`,
	"openai": `"tools":[{"type":"function","function":{"name":"` + oddTool + `"}},{"type":"function","function":{"name":"plain"}}],"tool_choice":{"type":"function","function":{"name":"` + oddTool + `"}},
		"messages":[{"role":"user","content":"What now?"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"` + oddTool + `","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"sunny"}]`,
	"anthropic": `"max_tokens":9,"tools":[{"name":"` + oddTool + `","input_schema":{"type":"object"}},{"name":"plain","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"` + oddTool + `"},
		"messages":[{"role":"user","content":"What now?"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"` + oddTool + `","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"sunny"}]}]`,
}

// A name of a tool that the provider does not take is another one there, all the
// way through the conversation, and the client never sees that.
func TestToolNamesThatTheProviderDoesNotTake(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startServe(t, u.env()...)
	for _, c := range clients {
		c.body = func(model, _ string, stream bool) string {
			return fmt.Sprintf(`{"model":%q,"stream":%t,%s}`, model, stream, toolTurn[c.name])
		}
		for _, w := range wires {
			name, names := legalTool, 3 // as it is offered, forced and called
			if c.name == w.name || w.name == "ollama" {
				name = oddTool
			}
			if c.name == "ollama" {
				names = 2 // it cannot force a call
			}
			for _, stream := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s to %s, stream %t", c.name, w.name, stream), func(t *testing.T) {
					calls := []toolCall{{name, `{"x":1}`}, {"plain", `{}`}}
					answer := replayed{http.StatusOK, "application/json", []byte(w.whole("", calls))}
					if stream {
						answer.ctype, answer.body = w.ctype, []byte(strings.Join(w.stream(nil, calls), ""))
					}
					u.setReplay(answer)
					f := c.must(t, s, w.name+"/replay", "", stream)
					if want := []string{oddTool + `{"x":1}`, "plain{}"}; f.status != http.StatusOK || !slices.Equal(f.tools, want) || !f.terminal {
						t.Errorf("the client got %+v, want it to call %q", f, want)
					}
					made := u.called("replay")
					body := string(made[len(made)-1].body)
					if got := strings.Count(body, `"`+name+`"`); got < names {
						t.Errorf("%q is %d times in what was sent, want it %d times at least: %s", name, got, names, body)
					}
					if got := strings.Count(body, oddTool); name == legalTool && got > 0 {
						t.Errorf("%q is left in what was sent: %s", oddTool, body)
					}
					if got := recall([]byte(body)); !strings.Contains(got, name+"{}=sunny") {
						t.Errorf("the upstream was told of %s, want the result of %s", got, name)
					}
				})
			}
		}
	}
}
