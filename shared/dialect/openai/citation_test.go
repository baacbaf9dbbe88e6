package openai

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

// Each of the texts is a block, with what is cited in it: a page that is all of
// its text's source, a page of a part of it, one in the dialect's own words,
// and what nobody else has a word for.
func cited() *llm.Response {
	return &llm.Response{ID: "chatcmpl-1", Finish: llm.Finish{Reason: llm.FinishStop}, Content: llm.Blocks{
		llm.Text{Text: "Äh. "},
		llm.Text{Text: "Ja.", Citations: []llm.Citation{{Dialect: "anthropic", JSON: json.RawMessage(`{}`), Page: &llm.Page{URL: "https://a.example", Title: "a"}}}},
		llm.Thinking{Text: "Hm"},
		llm.Text{Text: "Na ja.", Citations: []llm.Citation{
			{Dialect: "responses", JSON: json.RawMessage(`{}`), Page: &llm.Page{URL: "https://b.example", From: 3, To: 5}},
			{Dialect: "openai", JSON: json.RawMessage(`{"type":"file"}`)},
			{Dialect: "anthropic", JSON: json.RawMessage(`{"type":"char_location"}`)},
		}},
	}}
}

const (
	citedA = `{"type":"url_citation","url_citation":{"start_index":4,"end_index":7,"title":"a","url":"https://a.example"}}`
	citedB = `{"type":"url_citation","url_citation":{"start_index":10,"end_index":12,"title":"","url":"https://b.example"}}`
)

func TestCitationsOfPagesAreWritten(t *testing.T) {
	whole, err := (&chatEncoder{}).Whole(cited())
	if want := `"annotations":[` + citedA + `,` + citedB + `,{"type":"file"}]`; err != nil || !strings.Contains(string(whole), want) {
		t.Errorf("whole: got %s, %v want %s", whole, err, want)
	}
	var streamed []byte
	encoder := &chatEncoder{}
	for e, err := range cited().Events() {
		if err == nil {
			streamed, err = encoder.Event(streamed, e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{`"delta":{"annotations":[` + citedA + `]}`, `"delta":{"annotations":[` + citedB + `,{"type":"file"}]}`} {
		if strings.Count(string(streamed), want) != 1 {
			t.Errorf("streamed: got %s want %s", streamed, want)
		}
	}
}

func TestCitationsOfPagesAreRead(t *testing.T) {
	frames := sse(deltas(`{"annotations":[{"type":"too_early"}]}`, `{"content":"Äh. "}`, `{"reasoning_content":"Hm"}`, `{"content":"Ja."}`,
		`{"annotations":[`+citedA+`,{"type":"file"}, 5]}`, `{"annotations":{}}`)...)
	events, err := read(frames)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := fold(events)
	if err != nil {
		t.Fatal(err)
	}
	own := func(raw string, page *llm.Page) llm.Citation {
		return llm.Citation{Dialect: name, JSON: json.RawMessage(raw), Page: page}
	}
	want := llm.Blocks{
		llm.Text{Text: "Äh. "}, llm.Thinking{Text: "Hm"},
		llm.Text{Text: "Ja.", Citations: []llm.Citation{
			own(citedA, &llm.Page{URL: "https://a.example", Title: "a", To: 3}), own(`{"type":"file"}`, nil), own("5", nil),
		}},
	}
	if !reflect.DeepEqual(answer.Content, want) {
		t.Errorf("got %+v want %+v", answer.Content, want)
	}
}
