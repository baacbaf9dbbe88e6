package anthropic

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"strings"

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
	var open openCalls
	ids := callIDs{}
	for _, t := range turns {
		if len(open.calls) > 0 && t.Role != llm.RoleUser {
			out = append(out, llm.Message{Role: llm.RoleUser, Content: open.settle(nil)})
			open = openCalls{}
		}
		switch t.Role {
		case llm.RoleAssistant:
			open = ids.assign(t.Content)
		case llm.RoleUser:
			t.Content = open.settle(t.Content)
			open = openCalls{}
		}
		out = append(out, t)
	}
	if len(open.calls) > 0 {
		out = append(out, llm.Message{Role: llm.RoleUser, Content: open.settle(nil)})
	}
	return out
}

// openCalls are the calls of one turn, whose results are looked for.
type openCalls struct {
	calls  []openCall
	queues map[callKey][]int // indices of calls; every call is in up to three
}

type openCall struct {
	id     string // as it goes upstream
	result llm.Block
}

// callKey is what a result goes by: an id, else a name, else nothing.
type callKey struct{ id, name string }

func (o *openCalls) add(call llm.ToolCall, id string) {
	if o.queues == nil {
		o.queues = map[callKey][]int{}
	}
	i := len(o.calls)
	o.calls = append(o.calls, openCall{id: id})
	keys := []callKey{{}, {name: call.Name}, {id: call.ID}}
	for n, key := range keys {
		if n == 0 || key != (callKey{}) {
			o.queues[key] = append(o.queues[key], i)
		}
	}
}

// take returns the first call without a result that r may belong to, or -1.
func (o *openCalls) take(r llm.ToolResult) int {
	key := callKey{id: r.CallID}
	if r.CallID == "" {
		key.name = r.Name
	}
	for queue := o.queues[key]; len(queue) > 0; {
		i := queue[0]
		queue = queue[1:]
		o.queues[key] = queue
		if o.calls[i].result == nil {
			return i
		}
	}
	return -1
}

// settle returns a user's turn with the results first. Calls without one get
// an error, for it was lost with a part of the history; results without a call
// become text.
func (o *openCalls) settle(content llm.Blocks) llm.Blocks {
	var rest llm.Blocks
	for _, b := range content {
		result, ok := b.(llm.ToolResult)
		if !ok {
			rest = append(rest, b)
			continue
		}
		i := o.take(result)
		if i < 0 {
			rest = append(rest, orphan(result)...)
			continue
		}
		result.CallID = o.calls[i].id
		o.calls[i].result = result
	}
	results := make(llm.Blocks, len(o.calls), len(o.calls)+len(rest))
	for i, c := range o.calls {
		results[i] = c.result
		if c.result == nil {
			results[i] = llm.ToolResult{
				CallID: c.id, Content: llm.Blocks{llm.Text{Text: "[no result]"}}, IsError: true,
			}
		}
	}
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

// callIDs counts how often an id was used, to keep them apart. The same
// history always gets the same ids.
type callIDs map[string]int

// assign gives the calls in content ids that go upstream, in place, and
// returns them.
func (ids callIDs) assign(content llm.Blocks) (open openCalls) {
	for i, b := range content {
		call, ok := b.(llm.ToolCall)
		if !ok {
			continue
		}
		id := ids.unique(legalID(cmp.Or(call.ID, fmt.Sprintf("call_%d", len(open.calls)))))
		open.add(call, id)
		call.ID = id
		content[i] = call
	}
	return open
}

func (ids callIDs) unique(id string) string {
	for {
		ids[id]++
		if ids[id] == 1 {
			return id
		}
		id = fmt.Sprintf("%s_%d", id, ids[id])
	}
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
