package openai

import (
	"encoding/json"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// An annotation is a citation of a page of the web.
type annotation struct {
	Type string       `json:"type"`
	Page *urlCitation `json:"url_citation,omitempty"`
}

// A urlCitation says in which part of a message's text the page is cited, in
// characters.
type urlCitation struct {
	Start int    `json:"start_index"`
	End   int    `json:"end_index"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

const citesURL = "url_citation"

// readCitation reads an annotation of a text that begins at a character of the
// message.
func readCitation(raw json.RawMessage, begin int) *llm.Citation {
	out := &llm.Citation{Dialect: name, JSON: raw}
	var a annotation
	if json.Unmarshal(raw, &a) == nil && a.Type == citesURL && a.Page != nil && a.Page.URL != "" {
		p := a.Page
		out.Page = &llm.Page{URL: p.URL, Title: p.Title, From: max(p.Start-begin, 0), To: max(p.End-begin, 0)}
	}
	return out
}

// wireCitations writes the citations of a text that begins and ends at
// characters of the message. Those that the dialect has no word for are left
// out.
func wireCitations(all []llm.Citation, begin, end int) (list []json.RawMessage) {
	for _, c := range all {
		switch p := c.Page; {
		case c.Dialect == name && json.Valid(c.JSON):
			list = append(list, c.JSON)
		case p != nil:
			out := urlCitation{Start: begin + p.From, End: begin + p.To, Title: p.Title, URL: p.URL}
			if p.To == 0 {
				out.Start, out.End = begin, end
			}
			raw, err := rawjson.Marshal(annotation{Type: citesURL, Page: &out})
			if err == nil { // there are only strings and numbers in it
				list = append(list, raw)
			}
		}
	}
	return list
}

// cite takes the annotations of a message, or of a piece of one, for the text
// that is being said.
func (b *blocks) cite(raw json.RawMessage) {
	to := b.last(llm.Text{})
	var list []json.RawMessage
	if to == nil || rawjson.IsNull(raw) || json.Unmarshal(raw, &list) != nil {
		return // nobody's answer shall fail for them
	}
	for _, a := range list {
		b.write(to, llm.Delta{Citation: readCitation(a, to.place)})
	}
}
