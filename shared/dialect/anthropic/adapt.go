package anthropic

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// Adapt takes the thoughts out of a call that is passed on which other models
// have had, and the gateway has signed: the API refuses them. They are there
// where another upstream has answered before. No other byte changes, but that a
// turn without anything else goes as well.
func (Client) Adapt(_ string, body []byte) ([]byte, []llm.Warning) {
	if !bytes.Contains(body, []byte(`"`+ownSignature)) {
		return body, nil
	}
	var a adapting
	var messages, thinks json.RawMessage
	for f := range rawjson.Fields(body) {
		switch f.Key {
		case "messages":
			messages = f.Value
		case "thinking":
			thinks = f.Value
		}
	}
	if len(messages) == 0 || messages[0] != '[' {
		return body, nil // whoever reads the call will complain
	}
	messages = rawjson.Edit(messages, a.turn)
	if !a.changed {
		return body, nil
	}
	body = rawjson.Set(body, "messages", messages)
	warnings := []llm.Warning{{Policy: llm.Dropped, Field: "messages.thinking", Thought: true}}
	var asked thinking
	if json.Unmarshal(thinks, &asked) == nil && asked.Type == "enabled" && thoughtLost(turnsOf(messages)) {
		body = rawjson.Set(body, "thinking", []byte(`{"type":"disabled"}`))
		warnings = append(warnings, llm.Warning{Policy: llm.Dropped, Field: "thinking"})
	}
	return body, warnings
}

// adapting takes our own thoughts out of a conversation.
type adapting struct{ changed bool }

// turn returns a turn without them; nil: nothing is left of it.
func (a *adapting) turn(m []byte) []byte {
	if m[0] != '{' || !bytes.Contains(m, []byte(`"`+ownSignature)) {
		return m
	}
	var content json.RawMessage
	for f := range rawjson.Fields(m) {
		if f.Key == "content" {
			content = f.Value
		}
	}
	if len(content) == 0 || content[0] != '[' {
		return m
	}
	taken, left := false, false
	content = rawjson.Edit(content, func(b []byte) []byte {
		if isOwnThought(b) {
			taken = true
			return nil
		}
		left = true
		return b
	})
	if !taken {
		return m
	}
	if a.changed = true; !left {
		return nil
	}
	return rawjson.Set(m, "content", content)
}

func isOwnThought(block []byte) bool {
	var b struct {
		Type      string `json:"type"`
		Signature string `json:"signature"`
		Data      string `json:"data"`
	}
	if json.Unmarshal(block, &b) != nil {
		return false
	}
	return b.Type == "thinking" && strings.HasPrefix(b.Signature, ownSignature) ||
		b.Type == "redacted_thinking" && strings.HasPrefix(b.Data, ownSignature)
}

// turnsOf reads a conversation; what is wrong with it the API will say.
func turnsOf(messages json.RawMessage) (turns []llm.Message) {
	var list []turn
	_ = json.Unmarshal(messages, &list)
	var r reader
	for _, m := range list {
		if content := r.content("", m.Content); len(content) > 0 {
			turns = join(turns, llm.Role(m.Role), content)
		}
	}
	return turns
}
