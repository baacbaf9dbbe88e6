package responses

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
)

// urlCitation is the type of the annotations that other dialects have as well.
const urlCitation = "url_citation"

type annotation struct {
	Type  string `json:"type"`
	Start int    `json:"start_index"`
	End   int    `json:"end_index"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// readCitation reads an annotation. Its places are in the text of its part,
// which is a block.
func readCitation(raw json.RawMessage) *llm.Citation {
	out := &llm.Citation{Dialect: name, JSON: raw}
	var a annotation
	if json.Unmarshal(raw, &a) == nil && a.Type == urlCitation && a.URL != "" {
		out.Page = &llm.Page{URL: a.URL, Title: a.Title, From: max(a.Start, 0), To: max(a.End, 0)}
	}
	return out
}

// wireCitation writes what was cited in a text in another dialect.
func wireCitation(p *llm.Page, text string) annotation {
	out := annotation{Type: urlCitation, Start: p.From, End: p.To, Title: p.Title, URL: p.URL}
	if p.To == 0 {
		out.Start, out.End = 0, utf8.RuneCountInString(text)
	}
	return out
}
