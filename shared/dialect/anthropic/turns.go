package anthropic

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// join adds content to the last turn when that has the same role, else as a
// turn of its own.
func join(turns []llm.Message, role llm.Role, content llm.Blocks) []llm.Message {
	if last := len(turns) - 1; last >= 0 && turns[last].Role == role {
		turns[last].Content = append(turns[last].Content, content...)
		return turns
	}
	return append(turns, llm.Message{Role: role, Content: content})
}

// pair brings calls and results into the form that Anthropic insists on: the
// results of an assistant's turn are the first blocks of the user's turn right
// behind it, one for each call, in the order of the calls. It changes turns.
func pair(turns []llm.Message) []llm.Message {
	var out []llm.Message
	ids := dialect.CallIDs{Legal: legalID}
	for i, t := range turns {
		switch t.Role {
		case llm.RoleAssistant:
			ids.Turn()
			for i, b := range t.Content {
				if call, ok := b.(llm.ToolCall); ok {
					call.ID = ids.Call(call)
					t.Content[i] = call
				}
			}
		case llm.RoleUser:
			t.Content = settle(&ids, t.Content)
		}
		out = append(out, t)
		if len(ids.Calls()) > 0 && (i == len(turns)-1 || turns[i+1].Role != llm.RoleUser) {
			out = append(out, llm.Message{Role: llm.RoleUser, Content: settle(&ids, nil)})
		}
	}
	return out
}

// settle returns a user's turn with the results first. Calls without one get
// an error, for it was lost with a part of the history; results without a call
// become text.
func settle(ids *dialect.CallIDs, content llm.Blocks) llm.Blocks {
	var results, rest llm.Blocks
	for _, id := range ids.Calls() {
		results = append(results, llm.ToolResult{
			CallID: id, Content: llm.Blocks{llm.Text{Text: "[no result]"}}, IsError: true,
		})
	}
	for _, b := range content {
		result, ok := b.(llm.ToolResult)
		if !ok {
			rest = append(rest, b)
			continue
		}
		n := ids.Answer(result)
		if n < 0 {
			rest = append(rest, orphan(result)...)
			continue
		}
		result.CallID = ids.Calls()[n]
		results[n] = result
	}
	ids.Turn()
	return append(results, rest...)
}

func orphan(r llm.ToolResult) llm.Blocks {
	text := fmt.Sprintf("[tool result %s] %s", cmp.Or(r.Name, r.CallID), r.Content.PlainText("\n"))
	out := llm.Blocks{llm.Text{Text: text}}
	for _, b := range r.Content {
		if _, ok := b.(llm.Text); !ok {
			out = append(out, b)
		}
	}
	return out
}

// legalID returns an id with nothing but letters, digits, _ and -. Another id
// with the same letters in it gets another one.
func legalID(id string) string {
	legal := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, id)
	if legal == id {
		return id
	}
	return fmt.Sprintf("%s_%x", legal, sha256.Sum256([]byte(id)))[:len(legal)+9]
}
