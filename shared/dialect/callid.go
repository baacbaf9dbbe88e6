package dialect

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
)

// CallIDs gives every tool call of a conversation an id that the upstream
// accepts and that no other call has, and finds it again for the call's result.
// The same conversation always gets the same ids, so that prompt caches hold.
type CallIDs struct {
	Legal func(id string) string // makes an id that the upstream accepts of any

	used  map[string]bool
	count int               // of all calls
	turn  []string          // the ids of the turn's calls
	open  map[callKey][]int // calls of the turn that wait for a result; each is in up to three lists
	done  map[int]bool
}

// ShortID returns a [CallIDs.Legal] that replaces an id of more bytes than most,
// 37 or more, by one made from it.
func ShortID(most int) func(id string) string {
	return func(id string) string {
		if len(id) <= most {
			return id
		}
		sum := sha256.Sum256([]byte(id))
		return "call_" + hex.EncodeToString(sum[:16])
	}
}

// ShortUser returns the id of an end user as OpenAI's API takes it, which is in
// 64 characters. Of a longer one, such as agents make of an account and a
// session, it is a digest, which stands for the same user just as well.
func ShortUser(id string) string {
	const most = 64
	if utf8.RuneCountInString(id) <= most {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// callKey is what a result goes by: an id, else a name, else nothing.
type callKey struct{ id, name string }

// Turn begins a turn of the assistant; it must be called before the first call.
// What has not been answered so far will not be.
func (c *CallIDs) Turn() { c.turn, c.open, c.done = nil, map[callKey][]int{}, map[int]bool{} }

// Calls returns the ids of the turn's calls, in order.
func (c *CallIDs) Calls() []string { return c.turn }

// Open returns the ids of those among them that have no result yet.
func (c *CallIDs) Open() []string {
	var open []string
	for n, id := range c.turn {
		if !c.done[n] {
			open = append(open, id)
		}
	}
	return open
}

// Call returns the id for the next call of the turn.
func (c *CallIDs) Call(call llm.ToolCall) string {
	n := len(c.turn)
	base := call.ID
	if base == "" {
		base = fmt.Sprintf("call_%d", n)
	}
	c.count++
	id := c.Legal(base)
	for base, i := id, c.count; c.used[id]; i++ {
		id = c.Legal(fmt.Sprintf("%s_%d", base, i))
	}
	if c.used == nil {
		c.used = map[string]bool{}
	}
	c.used[id] = true
	c.turn = append(c.turn, id)
	keys := map[callKey]bool{{}: true, {name: call.Name}: true, {id: call.ID}: true}
	for key := range keys {
		c.open[key] = append(c.open[key], n)
	}
	return id
}

// Answer returns which of the turn's calls r answers: a result without an id
// belongs to the first unanswered call of its name, or of any name where it has
// none. It returns -1 where there is no such call.
func (c *CallIDs) Answer(r llm.ToolResult) int {
	key := callKey{id: r.CallID}
	if r.CallID == "" {
		key.name = r.Name
	}
	for waiting := c.open[key]; len(waiting) > 0; {
		n := waiting[0]
		waiting = waiting[1:]
		c.open[key] = waiting
		if !c.done[n] {
			c.done[n] = true
			return n
		}
	}
	return -1
}
