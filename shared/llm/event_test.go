package llm_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// blocks holds one block of every kind, with every field set.
func blocks() llm.Blocks {
	source := llm.Source{MediaType: "image/png", Data: "aGk=", URL: "https://example.org/a?b&c", FileID: "file_1", Text: "plain"}
	cite := llm.Citation{Dialect: "anthropic", JSON: json.RawMessage(`{"type":"char_location","n":1e400}`)}
	return llm.Blocks{
		llm.Text{
			Text: "a < b & c > d \u2028 😀", Refusal: true, Citations: []llm.Citation{cite},
			Logprobs: []llm.Logprob{{Token: "a", Logprob: -0.5, Bytes: []int{97}, Top: []llm.Logprob{{Token: "b", Logprob: -1}}}},
		},
		llm.Image{Source: source, Detail: "low"},
		llm.Document{Source: source, Title: "t", Context: "c", Cite: true},
		llm.Audio{Source: source, Format: "wav"},
		llm.Thinking{Text: "hm", Signature: "sig"},
		llm.RedactedThinking{Data: "x"},
		llm.ToolCall{ID: "c1", Name: "f", Arguments: `{"a": 1`},
		llm.ToolResult{CallID: "c1", Name: "f", IsError: true, Content: llm.Blocks{
			llm.Text{Text: "deep"}, llm.Opaque{Dialect: "x", Kind: "k", JSON: json.RawMessage(`{"html":"<b>&"}`)},
		}},
		llm.Opaque{Dialect: "anthropic", Kind: "server_tool_use", JSON: json.RawMessage(`{"z":1,"a":"<&>"}`)},
		llm.Text{}, llm.Thinking{}, llm.ToolCall{}, llm.ToolResult{}, llm.Image{},
	}
}

func events() []llm.Event {
	usage := &llm.Usage{Input: 1, CacheRead: 2, CacheWrite: 3, Output: 4, Reasoning: 1}
	list := []llm.Event{
		llm.Start{},
		llm.Start{ID: "id", Model: "m", Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Usage: usage},
		llm.Delta{},
		llm.Delta{
			Text: "é<", Logprobs: []llm.Logprob{{Token: "é"}},
			Citation: &llm.Citation{Dialect: "d", JSON: json.RawMessage(`[1]`)},
		},
		llm.BlockEnd{}, llm.BlockEnd{Signature: "s"},
		llm.Finish{}, llm.Finish{Reason: llm.FinishStop, Raw: "end_turn", StopSequence: "\n\n", Usage: usage},
	}
	for _, b := range blocks() {
		list = append(list, llm.BlockStart{Block: b})
	}
	return list
}

func TestEventsComeBackFromJSONAsTheyWere(t *testing.T) {
	for _, e := range events() {
		line, err := llm.AppendEvent([]byte("before "), e)
		if err != nil {
			t.Errorf("AppendEvent(%#v): %v", e, err)
			continue
		}
		line, ok := bytes.CutPrefix(line, []byte("before "))
		if !ok || bytes.Count(line, []byte("\n")) != 1 || !bytes.HasSuffix(line, []byte("\n")) {
			t.Errorf("AppendEvent(%#v) = %q, want one line behind what was there", e, line)
		}
		got, err := llm.ParseEvent(line)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("ParseEvent(%s) = %#v, %v, want %#v", line, got, err, e)
		}
	}
}

func TestBlocksComeBackFromJSONAsTheyWere(t *testing.T) {
	want := blocks()
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got llm.Blocks
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		a, errA := llm.AppendEvent(nil, llm.BlockStart{Block: got[i]})
		b, errB := llm.AppendEvent(nil, llm.BlockStart{Block: want[i]})
		// json.Marshal escapes <, > and & in raw JSON; that is the same JSON.
		if plain(string(a)) != string(b) || errA != nil || errB != nil {
			t.Errorf("block %d: got %s want %s (%v, %v)", i, a, b, errA, errB)
		}
	}
}

func plain(s string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(s)
}

func TestAppendEventRefusesWhatHasNoKind(t *testing.T) {
	for _, e := range []llm.Event{nil, llm.BlockStart{}, &llm.Start{}, llm.BlockStart{Block: &llm.Text{}}} {
		got, err := llm.AppendEvent([]byte("kept"), e)
		if err == nil || string(got) != "kept" {
			t.Errorf("AppendEvent(%#v) = %q, %v, want an error and nothing written", e, got, err)
		}
	}
}

func TestParseEventRefusesWhatItDoesNotKnow(t *testing.T) {
	lines := []string{
		"", "null", "{}", "[]", `"start"`, `{"start":{}`, `{"start":{}} {}`, `{"start":1}`,
		`{"start":{},"finish":{}}`, `{"later":{}}`, `{"block_start":{}}`, `{"block_start":null}`,
		`{"block_start":{"video":{}}}`, `{"block_start":{"text":{"text":1}}}`,
		`{"block_start":{"tool_result":{"content":[{"text":{}},{"video":{}}]}}}`,
	}
	for _, line := range lines {
		if got, err := llm.ParseEvent([]byte(line)); err == nil {
			t.Errorf("ParseEvent(%q) = %#v, want an error", line, got)
		}
	}
}

func TestPlainTextJoinsOnlyTexts(t *testing.T) {
	b := llm.Blocks{llm.Text{Text: "a"}, llm.Thinking{Text: "no"}, llm.Text{}, llm.Text{Text: "b"}}
	if got, want := b.PlainText("|"), "a||b"; got != want {
		t.Errorf("PlainText = %q want %q", got, want)
	}
	if got := (llm.Blocks)(nil).PlainText("|"); got != "" {
		t.Errorf("PlainText of no blocks = %q", got)
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, e := range events() {
		line, err := llm.AppendEvent(nil, e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Add([]byte(`{"block_start":{"tool_result":{"content":[{"text":{}}]}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := llm.ParseEvent(line)
		if err != nil {
			return
		}
		once, err := llm.AppendEvent(nil, e)
		if err != nil {
			t.Fatalf("AppendEvent(ParseEvent(%q)): %v", line, err)
		}
		again, err := llm.ParseEvent(once)
		if err != nil {
			t.Fatalf("ParseEvent(%q): %v", once, err)
		}
		twice, err := llm.AppendEvent(nil, again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("written twice, the event differs: %q and %q, %v", once, twice, err)
		}
	})
}
