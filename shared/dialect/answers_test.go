package dialect_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// streamSuffix is the end of the names of the sections that hold streams. The
// answers of dialects that are not here are in tests of their own.
var streamSuffix = map[string]string{"openai": ".sse", "anthropic": ".sse", "ollama": ".ndjson"}

// TestAnswersOfEachDialectBecomeThoseOfAll reads the same answer in every
// dialect and writes it in every dialect.
func TestAnswersOfEachDialectBecomeThoseOfAll(t *testing.T) {
	for _, g := range goldens(t, "answers") {
		for _, from := range spelled(sourceFirst(g.source())) {
			for _, to := range spelled(suites()) {
				t.Run(fmt.Sprintf("%s/%s-%s", g.name(), from.Server.Name(), to.Server.Name()), func(t *testing.T) {
					settle := func(text []byte) []byte { return settled(text, from.Server.Name()) }
					in, out := from.Server.Name(), to.Server.Name()
					g.check(t, out+streamSuffix[out], in, streamed(t, g.section(in+streamSuffix[in]), from, to), settle)
					g.check(t, out+".json", in, whole(t, g.section(in+".json"), from, to), settle)
				})
			}
		}
	}
}

// spelled leaves out the suites whose answers are not in testdata.
func spelled(list []dialecttest.Suite) []dialecttest.Suite {
	return slices.DeleteFunc(list, func(s dialecttest.Suite) bool { return streamSuffix[s.Server.Name()] == "" })
}

// sourceFirst returns the suites, that of the named dialect first, so that an
// update has its sections before the others need them.
func sourceFirst(name string) []dialecttest.Suite {
	list := suites()
	slices.SortStableFunc(list, func(a, b dialecttest.Suite) int {
		switch name {
		case a.Server.Name():
			return -1
		case b.Server.Name():
			return 1
		default:
			return 0
		}
	})
	return list
}

func streamed(t *testing.T, stream []byte, from, to dialecttest.Suite) []byte {
	t.Helper()
	events := llmtest.Check(t, dialect.Events(from.Frames(bytes.NewReader(stream)), from.Client.Decoder(from.Operation)))
	return encoded(t, callOf(t, to, true).Encoder, events)
}

// encoded writes events as a stream.
func encoded(t *testing.T, enc dialect.Encoder, events []llm.Event) []byte {
	t.Helper()
	var out []byte
	for _, e := range events {
		var err error
		if out, err = enc.Event(out, e); err != nil {
			t.Fatalf("write %T: %v", e, err)
		}
	}
	return out
}

func whole(t *testing.T, body []byte, from, to dialecttest.Suite) []byte {
	t.Helper()
	r, err := from.Client.Whole(from.Operation, body)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	out, err := callOf(t, to, false).Encoder.Whole(r)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	return append(out, '\n')
}

// callOf is a call of the dialect for the model m that wants to know its usage.
func callOf(t *testing.T, s dialecttest.Suite, stream bool) *dialect.Call {
	t.Helper()
	request, err := s.Client.Encode(&llm.Request{
		Model: "m", Stream: stream, Limits: llm.Limits{MaxTokens: 100},
		Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "Hi"}}}},
	})
	if err != nil {
		t.Fatalf("write the request: %v", err)
	}
	call, err := s.Server.Decode(s.Operation, request.Body)
	if err != nil {
		t.Fatalf("read the request: %v", err)
	}
	return call
}

// A fixed field is one that comes from the clock or from chance.
type fixed struct {
	path  []string
	value string
}

// clocked are the fields that come from the clock whatever is translated.
var clocked = []fixed{
	{[]string{"created_at"}, `"2026-01-02T03:04:05Z"`},
	{[]string{"total_duration"}, "1"},
	{[]string{"load_duration"}, "1"},
	{[]string{"prompt_eval_duration"}, "1"},
	{[]string{"eval_duration"}, "1"},
}

// unsaid are the fields that have to be made up for an answer of a dialect
// which does not say them: Ollama's have no id, Anthropic's no time.
var unsaid = map[string][]fixed{
	"ollama":    {{[]string{"id"}, `"id"`}, {[]string{"message", "id"}, `"id"`}},
	"anthropic": {{[]string{"created"}, "1767323045"}},
}

// settled gives the fields of an answer that come from the clock or from
// chance a fixed value, where they are there at all. The other bytes stay.
func settled(text []byte, from string) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		object, isData := bytes.CutPrefix(line, []byte("data: "))
		if rawjson.Check(object) == nil {
			for _, f := range slices.Concat(clocked, unsaid[from]) {
				object = fix(object, f.path, f.value)
			}
		}
		if isData {
			out = append(out, "data: "...)
		}
		out = append(out, object...)
	}
	return out
}

func fix(object []byte, path []string, value string) []byte {
	for f := range rawjson.Fields(object) {
		switch {
		case f.Key != path[0]:
		case len(path) == 1:
			return rawjson.Set(object, f.Key, []byte(value))
		default:
			return rawjson.Set(object, f.Key, fix(f.Value, path[1:], value))
		}
	}
	return object
}
