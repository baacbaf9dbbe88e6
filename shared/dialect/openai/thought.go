package openai

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A detail is OpenRouter's way to hand out thoughts that can be handed back.
type detail struct {
	Type      string          `json:"type"`
	ID        string          `json:"id,omitempty"`
	Format    string          `json:"format,omitempty"` // whose thought it is
	Text      json.RawMessage `json:"text,omitempty"`
	Summary   json.RawMessage `json:"summary,omitempty"`
	Signature string          `json:"signature,omitempty"`
	Data      string          `json:"data,omitempty"`
	Index     number          `json:"index"`
}

// ofAnthropic is the format of a thought that has a signature, or that only its
// provider can read, and nothing else.
const ofAnthropic = "anthropic-claude-v1"

func signed(signature string, index int) detail {
	return detail{Type: "reasoning.text", Signature: signature, Index: number(index)}
}

// sealPrefix begins what allama itself has wrapped. No provider's own data do.
const sealPrefix = "allama1."

// secret is the thought in a detail that only its provider can read. Where the
// data alone do not tell that provider what it is, the rest goes along in them.
func (d detail) secret() llm.RedactedThinking {
	if d.ID == "" && (d.Format == "" || d.Format == ofAnthropic) {
		return llm.RedactedThinking{Data: d.Data}
	}
	text, err := rawjson.Marshal(detail{ID: d.ID, Format: d.Format, Data: d.Data})
	if err != nil { // there are only strings in it
		return llm.RedactedThinking{Data: d.Data}
	}
	return llm.RedactedThinking{Data: sealPrefix + base64.RawURLEncoding.EncodeToString(text)}
}

// encrypted undoes what secret has done.
func encrypted(data string, index int) (d detail) {
	d.Data = data
	if body, ok := strings.CutPrefix(data, sealPrefix); ok {
		var inner detail
		if text, err := base64.RawURLEncoding.DecodeString(body); err == nil && json.Unmarshal(text, &inner) == nil && inner.Data != "" {
			d = inner
		}
	}
	d.Type, d.Index = "reasoning.encrypted", number(index)
	return d
}

// details writes thoughts for whoever has thought them. It returns none where
// there is none that it could prove.
func details(thoughts llm.Blocks) (list []detail) {
	proved := false
	for i, b := range thoughts {
		d := detail{Type: "reasoning.summary", Index: number(i)}
		switch b := b.(type) {
		case llm.Thinking:
			if b.Signature == "" || strings.HasPrefix(b.Signature, sealPrefix) {
				d.Summary = rawjson.String(b.Text)
				break
			}
			d, proved = signed(b.Signature, i), true
			d.Text, d.Format = rawjson.String(b.Text), ofAnthropic
		case llm.RedactedThinking:
			d, proved = encrypted(b.Data, i), true
			d.Format = cmp.Or(d.Format, ofAnthropic)
		}
		list = append(list, d)
	}
	if !proved {
		return nil
	}
	return list
}

// think shows the model its own thoughts of earlier turns.
func (e *encoding) think(m *message, thoughts llm.Blocks) {
	field := cmp.Or(e.client.ReasoningField, "reasoning_content")
	if field == "reasoning_details" {
		if m.ReasoningDetails = details(thoughts); m.ReasoningDetails != nil {
			return
		}
	}
	var said strings.Builder
	for _, b := range thoughts {
		switch b := b.(type) {
		case llm.Thinking:
			said.WriteString(b.Text)
		case llm.RedactedThinking:
			e.Forget("redacted_thinking")
		}
	}
	switch thought := said.String(); {
	case thought == "":
	case field == "reasoning_content":
		m.ReasoningContent = rawjson.String(thought)
	case field == "none":
		e.Forget("reasoning_content")
	default:
		m.Reasoning = rawjson.String(thought)
	}
}
