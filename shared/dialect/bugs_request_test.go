package dialect_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
)

// Results of parallel calls are sent as a turn each, behind one another or
// behind a text, and the API misses all but the first.
func TestParallelResultsShareATurn(t *testing.T) {
	body := `{"model":"m","messages":[{"role":"user","content":"Hi"},
		{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"a","content":"1"},{"role":"user","content":"And?"},{"role":"tool","tool_call_id":"b","content":"2"}]}`
	turns := turnsOf(t, respelled(t, body, openaiSuite(), anthropicSuite()))
	wantStrings(t, "turns", turns, "user: text", "assistant: tool_use tool_use", "user: tool_result tool_result text")
}

// turnsOf lists the turns of a request of Anthropic's, with the types of their
// blocks.
func turnsOf(t *testing.T, body string) (turns []string) {
	t.Helper()
	for _, m := range as[struct {
		Messages []struct {
			Role    string
			Content json.RawMessage
		}
	}](t, body).Messages {
		turn := m.Role + ":"
		var blocks []struct{ Type string }
		if json.Unmarshal(m.Content, &blocks) != nil {
			turn += " text" // a string
		}
		for _, b := range blocks {
			turn += " " + b.Type
		}
		turns = append(turns, turn)
	}
	return turns
}

// Thoughts are dropped, moved or written anew between two turns, and the API
// no longer recognises them.
func TestThoughtsComeBackAsTheyWere(t *testing.T) {
	const blocks = `{"type":"thinking","thinking":" Hm <é> \\u00e9\n ","signature":"c2ln+/=="},{"type":"redacted_thinking","data":"b3BhcXVl"},{"type":"text","text":"Wait."},{"type":"tool_use","id":"toolu_1","name":"f","input":{"z":1.0,"a":[]}}`
	body := `{"model":"claude-sonnet-4-5","max_tokens":5000,"thinking":{"type":"enabled","budget_tokens":2000},"tools":[{"name":"f","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"Hi"},
		{"role":"assistant","content":[` + blocks + `]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"1"}]}]}`
	got := respelled(t, body, anthropicSuite(), anthropicSuite())
	if !strings.Contains(got, blocks) {
		t.Errorf("got %s\nwant in it %s", got, blocks)
	}
	// A client that cannot keep thoughts has none to bring: none may be asked for.
	body = `{"model":"claude-sonnet-4-5","reasoning_effort":"high","messages":[{"role":"user","content":"Hi"},
		{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"1"}]}`
	if got := respelled(t, body, openaiSuite(), anthropicSuite()); strings.Contains(got, `"enabled"`) {
		t.Errorf("thinking goes on after a call without thoughts: %s", got)
	}
}

// A text with nothing in it, or with blanks only, is passed on to an API that
// refuses it.
func TestEmptyTextsAreLeftOut(t *testing.T) {
	body := `{"model":"m","messages":[{"role":"system","content":""},{"role":"user","content":[{"type":"text","text":""},{"type":"text","text":" \n"},{"type":"text","text":"Hi"}]},
		{"role":"assistant","content":"","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":""}]}`
	got := respelled(t, body, openaiSuite(), anthropicSuite())
	if strings.Contains(got, `"text":""`) || strings.Contains(got, `"text":" `) {
		t.Errorf("an empty text is in %s", got)
	}
	wantStrings(t, "turns", turnsOf(t, got), "user: text", "assistant: tool_use", "user: tool_result")
}

// A tool without parameters is sent without a schema, which the API requires.
func TestToolsWithoutParametersHaveASchema(t *testing.T) {
	body := `{"model":"m","messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"f"}}]}`
	const want = `{"type":"object","properties":{}}`
	if got := respelled(t, body, openaiSuite(), anthropicSuite()); !strings.Contains(got, `"input_schema":`+want) {
		t.Errorf("want the schema %s in %s", want, got)
	}
}

// Schemas are read into a form that has no room for the rarer keywords, and
// come out without them or in another order.
func TestSchemasKeepEveryKeyword(t *testing.T) {
	const schema = `{"type":"object","properties":{"z":{"anyOf":[{"$ref":"#/$defs/d"},{"type":"null"}]},"a":{"enum":["<",1,1.0,null]}},"required":["z"],"$defs":{"d":{"type":"object","additionalProperties":{"type":"string"}}},"additionalProperties":false,"x-later":[{}]}`
	const call = `{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"tools":[`
	for name, body := range map[string]string{
		"openai":    call + `{"type":"function","function":{"name":"f","parameters":` + schema + `}}]}`,
		"anthropic": call + `{"name":"f","input_schema":` + schema + `}]}`,
		"ollama":    call + `{"type":"function","function":{"name":"f","parameters":` + schema + `}}]}`,
	} {
		from := suites()[slices.IndexFunc(suites(), func(s dialecttest.Suite) bool { return s.Server.Name() == name })]
		for _, to := range suites() {
			if got := respelled(t, body, from, to); !strings.Contains(got, schema) {
				t.Errorf("%s to %s: got %s\nwant in it %s", name, to.Server.Name(), got, schema)
			}
		}
	}
}

// Arguments are an object where the dialect has a string, or the other way
// round, in one of the many places where they are.
func TestToolArgumentsHaveTheFormOfTheDialect(t *testing.T) {
	const object, text = `"arguments":{"a":1}`, `"arguments":"{\"a\":1}"`
	history := func(arguments string) string {
		return `{"model":"m","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"","tool_calls":[{"id":"a","type":"function","function":{"name":"f",` + arguments + `}}]},{"role":"tool","tool_call_id":"a","content":"1"}]}`
	}
	message := func(arguments string) string {
		return `"message":{"role":"assistant","content":"","tool_calls":[{"id":"a","type":"function","function":{"name":"f",` + arguments + `}}]}`
	}
	oa, ol := openaiSuite(), ollamaSuite()
	line := `{"model":"up",` + message(object) + `,"done":true,"done_reason":"stop"}` + "\n"
	stream := chunks("tool_calls", `{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f",`+text+`}}]}`)
	for where, pair := range map[string][2]string{
		"in a request to Ollama":     {respelled(t, history(text), oa, ol), object},
		"in a request to OpenAI":     {respelled(t, history(object), ol, oa), text},
		"in an answer by OpenAI":     {string(whole(t, []byte(`{"choices":[{"index":0,`+message(text)+`,"finish_reason":"tool_calls"}]}`), oa, ol)), object},
		"in an answer by Ollama":     {string(whole(t, []byte(line), ol, oa)), text},
		"in a stream by OpenAI":      {turned(t, stream, oa, ol), object},
		"in a stream by Anthropic":   {turned(t, messages("tool_use", toolBlock), anthropicSuite(), ol), object},
		"in a request to Anthropic":  {respelled(t, history(text), oa, anthropicSuite()), `"input":{"a":1}`},
		"in an answer for Anthropic": {string(whole(t, []byte(line), ol, anthropicSuite())), `"input":{"a":1}`},
	} {
		if got, want := pair[0], pair[1]; !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want in it %s", where, got, want)
		}
	}
	for index, got := range openaiCalls(t, turned(t, line, ol, oa)) {
		if index != 0 || got != `f{"a":1}` {
			t.Errorf("in a stream by Ollama: call %d is %s", index, got)
		}
	}
}

// A request without a limit is refused, or gets one so low that the answer is
// cut off.
func TestNoLimitIsTheLimitOfTheModel(t *testing.T) {
	for model, want := range map[string]string{"claude-opus-4-1": "32000", "claude-sonnet-4-5": "64000", "claude-opus-5": "128000"} {
		body := `{"model":"` + model + `","messages":[{"role":"user","content":"Hi"}]}`
		if got := respelled(t, body, openaiSuite(), anthropicSuite()); !strings.Contains(got, `"max_tokens":`+want) {
			t.Errorf("%s: want %s output tokens in %s", model, want, got)
		}
	}
}

// Sampling is passed on to models that refuse it: a temperature over 1, two
// ways at once, or any at all.
func TestSamplingFitsTheModel(t *testing.T) {
	for _, tt := range []struct{ model, sampling, want, never, lost string }{
		{"claude-sonnet-4-5", `"temperature":1.7`, `"temperature":1,`, "1.7", "[emulated temperature]"},
		{"claude-sonnet-4-5", `"temperature":0.5,"top_p":0.9`, `"temperature":0.5`, "top_p", "[dropped top_p]"},
		{"claude-opus-5", `"temperature":0.5`, "", "temperature", "[dropped temperature]"},
	} {
		body := `{"model":"` + tt.model + `",` + tt.sampling + `,"messages":[{"role":"user","content":"Hi"}]}`
		got, lost := translated(t, []byte(body), openaiSuite(), anthropicSuite())
		if !strings.Contains(string(got), tt.want) || strings.Contains(string(got), tt.never) || fmt.Sprint(lost) != tt.lost {
			t.Errorf("%s with %s: got %s, lost %q, want %s", tt.model, tt.sampling, got, lost, tt.lost)
		}
	}
}

// Fields of beta features reach upstreams that never heard of them, and are
// refused there.
func TestBetaFieldsStayWithAnthropic(t *testing.T) {
	body := `{"model":"m","max_tokens":9,"context_management":{"edits":[]},"messages":[{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}]}]}`
	for _, to := range []dialecttest.Suite{openaiSuite(), responsesSuite(), ollamaSuite()} {
		got, lost := translated(t, []byte(body), anthropicSuite(), to)
		if strings.Contains(string(got), "context_management") || strings.Contains(string(got), "cache_control") || !slices.Contains(lost, "dropped context_management") {
			t.Errorf("%s: got %s, lost %q", to.Server.Name(), got, lost)
		}
	}
}
