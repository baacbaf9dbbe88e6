package openai

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/offbeat-studio/allama/shared/llm"
)

// callIDs gives every tool call of a conversation an id that the API accepts
// and that no other call has, and finds it again for the call's result. The
// same conversation always gets the same ids, so that prompt caches hold. The
// zero value is ready.
type callIDs struct {
	used  map[string]bool
	count int
	calls []openCall // of the last turn
}

type openCall struct {
	id, given, name string
	answered        bool
}

// turn begins a turn of the assistant.
func (c *callIDs) turn() { c.calls = nil }

// call returns the id for the next call of the turn.
func (c *callIDs) call(call llm.ToolCall) string {
	id := shorten(call.ID)
	if id == "" {
		id = "call_" + strconv.Itoa(c.count)
	}
	c.count++
	for base, n := id, c.count; c.used[id]; n++ {
		id = shorten(base + "_" + strconv.Itoa(n))
	}
	if c.used == nil {
		c.used = map[string]bool{}
	}
	c.used[id] = true
	c.calls = append(c.calls, openCall{id: id, given: call.ID, name: call.Name})
	return id
}

// answer returns the id of the call that r answers. A result without an id
// belongs to the first unanswered call of its name, or of any name where it has
// none; there may be no such call.
func (c *callIDs) answer(r llm.ToolResult) string {
	for i := range c.calls {
		call := &c.calls[i]
		if call.answered {
			continue
		}
		if r.CallID != "" && call.given == r.CallID || r.CallID == "" && (r.Name == "" || r.Name == call.name) {
			call.answered = true
			return call.id
		}
	}
	return shorten(r.CallID)
}

// shorten replaces an id of more than 40 characters, the API's limit, by one
// made from it.
func shorten(id string) string {
	if len(id) <= 40 {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "call_" + hex.EncodeToString(sum[:16])
}
