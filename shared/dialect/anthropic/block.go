package anthropic

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

type textBlock struct {
	Type      string            `json:"type"`
	Text      string            `json:"text"`
	Citations []json.RawMessage `json:"citations,omitempty"`
}

type mediaBlock struct {
	Type      string           `json:"type"` // image or document
	Source    source           `json:"source"`
	Title     string           `json:"title,omitempty"`
	Context   string           `json:"context,omitempty"`
	Citations *citationsConfig `json:"citations,omitempty"`
}

type citationsConfig struct {
	Enabled bool `json:"enabled"`
}

type source struct {
	Type      string          `json:"type"`
	MediaType string          `json:"media_type,omitempty"`
	Data      string          `json:"data,omitempty"`
	URL       string          `json:"url,omitempty"`
	FileID    string          `json:"file_id,omitempty"`
	Content   json.RawMessage `json:"content,omitempty"` // a string or blocks
}

type searchResultBlock struct {
	Type      string           `json:"type"`
	Source    string           `json:"source"` // where it was found
	Title     string           `json:"title"`
	Content   json.RawMessage  `json:"content"` // texts
	Citations *citationsConfig `json:"citations"`
}

type toolUseBlock struct {
	Type  string          `json:"type"`
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

type toolResultBlock struct {
	Type      string          `json:"type"`
	ToolUseID string          `json:"tool_use_id"`
	Content   json.RawMessage `json:"content,omitempty"` // a string or blocks
	IsError   bool            `json:"is_error,omitempty"`
}

type thinkingBlock struct {
	Type      string `json:"type"`
	Thinking  string `json:"thinking"`
	Signature string `json:"signature"`
}

type redactedBlock struct {
	Type string `json:"type"`
	Data string `json:"data"`
}

// A reader reads JSON; path names the place in errors, of which the first
// counts. What is read after it is of no use.
type reader struct {
	err          error
	cacheControl json.RawMessage // the first one met
}

func (r *reader) refuse(err error) {
	if r.err == nil {
		r.err = err
	}
}

// parse reads raw into v.
func (r *reader) parse(path string, raw json.RawMessage, v any) { r.refuse(parse(path, raw, v)) }

// content reads a string or a list of blocks.
func (r *reader) content(path string, raw json.RawMessage) llm.Blocks {
	if rawjson.IsNull(raw) {
		return nil
	}
	if raw[0] == '"' {
		var text string
		if !rawjson.ReadText(raw, &text) {
			r.parse(path, raw, &text)
		}
		return llm.Blocks{llm.Text{Text: text}}
	}
	if raw[0] != '[' {
		r.parse(path, raw, new([]json.RawMessage)) // which says what is wrong
		return nil
	}
	blocks := llm.Blocks{}
	for item := range rawjson.Elements(raw) {
		blocks = append(blocks, r.block(fmt.Sprintf("%s.%d", path, len(blocks)), item))
	}
	return blocks
}

// block reads one block. Kinds that this package does not know stay opaque.
func (r *reader) block(path string, raw json.RawMessage) llm.Block {
	switch kind := r.kind(path, raw); kind {
	case "text":
		return r.text(path, raw)
	case "image", "document":
		return r.media(path, raw)
	case "search_result":
		return r.searchResult(path, raw)
	case "tool_use":
		return r.toolUse(path, raw)
	case "tool_result":
		return r.toolResult(path, raw)
	case "thinking":
		var w thinkingBlock
		r.parse(path, raw, &w)
		return llm.Thinking{Text: w.Thinking, Signature: w.Signature}
	case "redacted_thinking":
		var w redactedBlock
		r.parse(path, raw, &w)
		return llm.RedactedThinking{Data: w.Data}
	default:
		return opaque(kind, raw)
	}
}

// kind reads a block's type without its, possibly large, other fields.
func (r *reader) kind(path string, raw json.RawMessage) (kind string) {
	if raw[0] != '{' {
		r.refuse(invalid(path, "must be an object"))
		return ""
	}
	for f := range rawjson.Fields(raw) {
		switch f.Key {
		case "type":
			r.parse(path+".type", f.Value, &kind)
		case "cache_control":
			r.noteCache(f.Value)
		}
	}
	if kind == "" {
		r.refuse(invalid(path+".type", "Field required"))
	}
	return kind
}

func (r *reader) noteCache(control json.RawMessage) {
	if r.cacheControl == nil && !rawjson.IsNull(control) {
		r.cacheControl = control
	}
}

func (r *reader) text(path string, raw json.RawMessage) llm.Block {
	var w textBlock
	r.apart(path, raw, &w, func(key string, value []byte) bool {
		return key == "text" && rawjson.ReadText(value, &w.Text)
	})
	text := llm.Text{Text: w.Text}
	for _, c := range w.Citations {
		text.Citations = append(text.Citations, citation(c))
	}
	return text
}

func (r *reader) media(path string, raw json.RawMessage) llm.Block {
	var w mediaBlock
	r.apart(path, raw, &w, func(key string, value []byte) bool {
		return key == "source" && value[0] == '{' && w.Source.read(value)
	})
	from, ok := r.source(path+".source", w.Source)
	switch {
	case !ok:
		return opaque(w.Type, raw)
	case w.Type == "image":
		return llm.Image{Source: from}
	}
	return llm.Document{
		Source: from, Title: w.Title, Context: w.Context,
		Cite: w.Citations != nil && w.Citations.Enabled,
	}
}

// read reports whether object, which is valid, is a source.
func (s *source) read(object []byte) bool {
	return rawjson.Apart(object, s, func(key string, value []byte) (bool, error) {
		return key == "data" && rawjson.ReadText(value, &s.Data), nil
	}) == nil
}

// searchResult reads what a client has found: a document of plain text, to
// those who have no other word for it.
func (r *reader) searchResult(path string, raw json.RawMessage) llm.Block {
	var w searchResultBlock
	r.parse(path, raw, &w)
	from, ok := r.source(path, source{Type: "content", Content: w.Content})
	switch {
	case !ok:
		return opaque(w.Type, raw)
	case from.Text == "":
		return llm.Text{Text: strings.TrimSpace(w.Title + "\n" + w.Source)}
	}
	return llm.Document{Source: from, Title: w.Title, Context: w.Source, Cite: w.Citations != nil && w.Citations.Enabled}
}

// source reads where the bytes are; ok is false when no other dialect could
// say it.
func (r *reader) source(path string, s source) (from llm.Source, ok bool) {
	switch s.Type {
	case "base64":
		return llm.Source{MediaType: s.MediaType, Data: s.Data}, true
	case "text":
		return llm.Source{MediaType: s.MediaType, Text: s.Data}, true
	case "url":
		return llm.Source{URL: s.URL}, true
	case "file":
		return llm.Source{FileID: s.FileID}, true
	case "content":
		blocks := r.content(path+".content", s.Content)
		for _, b := range blocks {
			if _, text := b.(llm.Text); !text {
				return llm.Source{}, false
			}
		}
		return llm.Source{MediaType: "text/plain", Text: blocks.PlainText("\n")}, true
	default:
		return llm.Source{}, false
	}
}

func (r *reader) toolUse(path string, raw json.RawMessage) llm.Block {
	var w toolUseBlock
	r.apart(path, raw, &w, func(key string, value []byte) bool {
		if key == "input" {
			w.Input = value
		}
		return key == "input"
	})
	call := llm.ToolCall{ID: w.ID, Name: w.Name}
	if !rawjson.IsNull(w.Input) {
		call.Arguments = rawjson.Compact(w.Input)
	}
	return call
}

func (r *reader) toolResult(path string, raw json.RawMessage) llm.Block {
	var w toolResultBlock
	r.apart(path, raw, &w, func(key string, value []byte) bool {
		if key == "content" {
			w.Content = value
		}
		return key == "content"
	})
	return llm.ToolResult{CallID: w.ToolUseID, Content: r.content(path+".content", w.Content), IsError: w.IsError}
}

func opaque(kind string, raw json.RawMessage) llm.Block {
	return llm.Opaque{Dialect: dialectName, Kind: kind, JSON: slices.Clone(raw)}
}

// writeBlock returns the wire form of a block that an answer can have, and
// whether there is one.
func writeBlock(b llm.Block) (wire any, ok bool) {
	switch b := b.(type) {
	case llm.Text:
		return textBlock{Type: "text", Text: b.Text, Citations: ownCitations(b.Citations)}, true
	case llm.Thinking:
		return thinkingBlock{Type: "thinking", Thinking: b.Text, Signature: b.Signature}, true
	case llm.RedactedThinking:
		return redactedBlock{Type: "redacted_thinking", Data: b.Data}, true
	case llm.ToolCall:
		return toolUseBlock{
			Type: "tool_use", ID: cmp.Or(b.ID, newID("toolu_")), Name: b.Name, Input: rawjson.Object(b.Arguments),
		}, true
	case llm.Opaque:
		return b.JSON, b.Dialect == dialectName && len(b.JSON) > 0
	default:
		return nil, false
	}
}

// citation reads a citation, which is always of a whole block.
func citation(raw json.RawMessage) llm.Citation {
	out := llm.Citation{Dialect: dialectName, JSON: raw}
	var page struct {
		Type  string `json:"type"`
		URL   string `json:"url"`
		Title string `json:"title"`
	}
	if json.Unmarshal(raw, &page) == nil && page.Type == "web_search_result_location" && page.URL != "" {
		out.Page = &llm.Page{URL: page.URL, Title: page.Title}
	}
	return out
}

func ownCitations(all []llm.Citation) (own []json.RawMessage) {
	for _, c := range all {
		if c.Dialect == dialectName {
			own = append(own, c.JSON)
		}
	}
	return own
}

func newID(prefix string) string { return prefix + rand.Text() }
