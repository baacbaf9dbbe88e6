package dialecttest

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
)

// oddAnswers are answers that no dialect need keep as they are: it may join
// and reorder blocks and leave out what is foreign to it. But texts and calls
// must come through.
func oddAnswers() map[string]llm.Blocks {
	text := func(s string) llm.Block { return llm.Text{Text: s} }
	call := func(id, arguments string) llm.Block { return llm.ToolCall{ID: id, Name: "f", Arguments: arguments} }
	raw := json.RawMessage(`{"type":"x","a":"<b>"}`)
	return map[string]llm.Blocks{
		"a text behind a call":       {call("1", `{}`), text("a")},
		"two texts":                  {text("a"), text("b")},
		"empty blocks":               {text(""), llm.Thinking{}, text("")},
		"thoughts in between":        {llm.Thinking{Text: "1"}, call("1", `{}`), llm.Thinking{Text: "2"}, text("a"), llm.Thinking{Text: "3"}, text("b")},
		"blocks of another dialect":  {text("a"), llm.Opaque{Dialect: "other", Kind: "search", JSON: raw}, text("b")},
		"a secret thought":           {llm.RedactedThinking{Data: "c2VjcmV0"}, text("a")},
		"a picture":                  {text("a"), llm.Image{Source: llm.Source{MediaType: "image/png", Data: pixel}}},
		"a call without arguments":   {call("1", "")},
		"a call without an id":       {call("", `{}`), call("", `{}`)},
		"arguments that are no JSON": {call("1", "oops"), call("2", "[1]"), call("3", `"{}"`), call("4", "null")},
		"calls with the same id":     {call("1", `{}`), call("1", `{}`)},
		"a refusal":                  {llm.Text{Text: "no", Refusal: true}},
		"a foreign citation":         {llm.Text{Text: "a", Citations: []llm.Citation{{Dialect: "other", JSON: raw}}}},
		"probabilities":              {llm.Text{Text: "a", Logprobs: []llm.Logprob{{Token: "a", Logprob: -1}}}},
		"bytes that are no UTF-8":    {text("a\xff"), call("1", "{\"a\":\"\xff\"}")},
	}
}

func (s Suite) testOddAnswers(t *testing.T) {
	all := oddAnswers()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		want := answer(llm.FinishStop, all[name]...)
		t.Run(name+", streamed", func(t *testing.T) {
			compareGist(t, s.read(t, s.stream(t, want)), want)
		})
		t.Run(name+", whole", func(t *testing.T) {
			compareGist(t, s.wholeAndBack(t, want), want)
		})
	}
}

// compareGist reports where the texts and the calls of the answers differ.
func compareGist(t *testing.T, got, want *llm.Response) {
	t.Helper()
	if got, want := got.Content.PlainText(""), string([]rune(want.Content.PlainText(""))); got != want {
		t.Errorf("the text is %q want %q", got, want)
	}
	calls, wanted := callsOf(got), callsOf(want)
	if len(calls) != len(wanted) {
		t.Fatalf("got %d calls want %d: %+v", len(calls), len(wanted), got.Content)
	}
	for i, c := range calls {
		if c.Name != wanted[i].Name || wanted[i].ID != "" && c.ID != wanted[i].ID {
			t.Errorf("call %d is %+v want %+v", i, c, wanted[i])
		}
		if c.ID == "" {
			t.Errorf("call %d has no id", i)
		}
	}
	if reason := got.Finish.Reason; reason != llm.FinishStop && (reason != llm.FinishToolCalls || len(calls) == 0) {
		t.Errorf("the reason is %q", reason)
	}
}

func callsOf(r *llm.Response) (calls []llm.ToolCall) {
	for _, b := range r.Content {
		if c, ok := b.(llm.ToolCall); ok {
			calls = append(calls, c)
		}
	}
	return calls
}

// testNameless reads calls without a tool's name, which no client could run
// and no dialect could carry on.
func (s Suite) testNameless(t *testing.T) {
	nameless := answer(llm.FinishToolCalls, llm.ToolCall{ID: "1", Arguments: `{}`})
	events, err := llmtest.Prefix(t, s.decode(bytes.NewReader(s.stream(t, nameless))))
	if llmtest.Finished(events) {
		t.Error("streamed, the answer is finished")
	}
	checkError(t, err)
	body, err := s.call(t, false).Encoder.Whole(nameless)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Client.Whole(s.Operation, body)
	checkError(t, err)
}
