package anthropic

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
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

// A reader reads content; path names the place in errors.
type reader struct {
	cacheControl json.RawMessage // the first one met
}

// content reads a string or a list of blocks.
func (r *reader) content(path string, raw json.RawMessage) (llm.Blocks, error) {
	if absent(raw) {
		return nil, nil
	}
	if raw[0] == '"' {
		var text string
		err := parse(path, raw, &text)
		return llm.Blocks{llm.Text{Text: text}}, err
	}
	var list []json.RawMessage
	if err := parse(path, raw, &list); err != nil {
		return nil, err
	}
	blocks := make(llm.Blocks, len(list))
	for i, item := range list {
		block, err := r.block(fmt.Sprintf("%s.%d", path, i), item)
		if err != nil {
			return nil, err
		}
		blocks[i] = block
	}
	return blocks, nil
}

// block reads one block. Kinds that this package does not know stay opaque.
func (r *reader) block(path string, raw json.RawMessage) (llm.Block, error) {
	kind, err := r.kind(path, raw)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "text":
		return readText(path, raw)
	case "image", "document":
		return r.media(path, raw)
	case "tool_use":
		return readToolUse(path, raw)
	case "tool_result":
		return r.toolResult(path, raw)
	case "thinking":
		var w thinkingBlock
		err := parse(path, raw, &w)
		return llm.Thinking{Text: w.Thinking, Signature: w.Signature}, err
	case "redacted_thinking":
		var w redactedBlock
		err := parse(path, raw, &w)
		return llm.RedactedThinking{Data: w.Data}, err
	default:
		return opaque(kind, raw), nil
	}
}

// kind reads a block's type without its, possibly large, other fields.
func (r *reader) kind(path string, raw json.RawMessage) (kind string, err error) {
	if raw[0] != '{' {
		return "", invalid(path, "must be an object")
	}
	for f := range rawjson.Fields(raw) {
		switch f.Key {
		case "type":
			err = parse(path+".type", f.Value, &kind)
		case "cache_control":
			r.noteCache(f.Value)
		}
	}
	if err == nil && kind == "" {
		err = invalid(path+".type", "Field required")
	}
	return kind, err
}

func (r *reader) noteCache(control json.RawMessage) {
	if r.cacheControl == nil && !absent(control) {
		r.cacheControl = control
	}
}

func readText(path string, raw json.RawMessage) (llm.Block, error) {
	var w textBlock
	if err := parse(path, raw, &w); err != nil {
		return nil, err
	}
	text := llm.Text{Text: w.Text}
	for _, c := range w.Citations {
		text.Citations = append(text.Citations, llm.Citation{Dialect: dialectName, JSON: c})
	}
	return text, nil
}

func (r *reader) media(path string, raw json.RawMessage) (llm.Block, error) {
	var w mediaBlock
	if err := parse(path, raw, &w); err != nil {
		return nil, err
	}
	from, ok, err := r.source(path+".source", w.Source)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return opaque(w.Type, raw), nil
	case w.Type == "image":
		return llm.Image{Source: from}, nil
	}
	return llm.Document{
		Source: from, Title: w.Title, Context: w.Context,
		Cite: w.Citations != nil && w.Citations.Enabled,
	}, nil
}

// source reads where the bytes are; ok is false when no other dialect could
// say it.
func (r *reader) source(path string, s source) (from llm.Source, ok bool, err error) {
	switch s.Type {
	case "base64":
		return llm.Source{MediaType: s.MediaType, Data: s.Data}, true, nil
	case "text":
		return llm.Source{MediaType: s.MediaType, Text: s.Data}, true, nil
	case "url":
		return llm.Source{URL: s.URL}, true, nil
	case "file":
		return llm.Source{FileID: s.FileID}, true, nil
	case "content":
		blocks, err := r.content(path+".content", s.Content)
		for _, b := range blocks {
			if _, text := b.(llm.Text); !text {
				return llm.Source{}, false, err
			}
		}
		return llm.Source{MediaType: "text/plain", Text: blocks.PlainText("\n")}, true, err
	default:
		return llm.Source{}, false, nil
	}
}

func readToolUse(path string, raw json.RawMessage) (llm.Block, error) {
	var w toolUseBlock
	if err := parse(path, raw, &w); err != nil {
		return nil, err
	}
	call := llm.ToolCall{ID: w.ID, Name: w.Name}
	if !absent(w.Input) {
		var compact bytes.Buffer
		if err := json.Compact(&compact, w.Input); err != nil {
			return nil, invalid(path+".input", err.Error())
		}
		call.Arguments = compact.String()
	}
	return call, nil
}

func (r *reader) toolResult(path string, raw json.RawMessage) (llm.Block, error) {
	var w toolResultBlock
	if err := parse(path, raw, &w); err != nil {
		return nil, err
	}
	content, err := r.content(path+".content", w.Content)
	return llm.ToolResult{CallID: w.ToolUseID, Content: content, IsError: w.IsError}, err
}

func opaque(kind string, raw json.RawMessage) llm.Block {
	return llm.Opaque{Dialect: dialectName, Kind: kind, JSON: raw}
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
			Type: "tool_use", ID: cmp.Or(b.ID, newID("toolu_")), Name: b.Name, Input: objectOf(b.Arguments),
		}, true
	case llm.Opaque:
		return b.JSON, b.Dialect == dialectName && len(b.JSON) > 0
	default:
		return nil, false
	}
}

func ownCitations(all []llm.Citation) (own []json.RawMessage) {
	for _, c := range all {
		if c.Dialect == dialectName {
			own = append(own, c.JSON)
		}
	}
	return own
}

// objectOf returns the arguments of a call if they are an object, else an
// empty one: a model cut off by a limit leaves half a text.
func objectOf(arguments string) json.RawMessage {
	if strings.HasPrefix(strings.TrimSpace(arguments), "{") && json.Valid([]byte(arguments)) {
		return json.RawMessage(arguments)
	}
	return json.RawMessage(`{}`)
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func newID(prefix string) string { return prefix + rand.Text() }
