package workers

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// uniqueID is how many letters and digits an id ends with that no other call
// has. What is shorter is a number, as of servers that count the calls of a
// conversation: all of their conversations have the same ids.
const uniqueID = 12

// isUnique reports whether an id tells its call from all others.
func isUnique(id string) bool {
	tail := id[strings.LastIndexFunc(id, func(r rune) bool { return !isAlphanumeric(r) })+1:]
	return len(tail) >= uniqueID && strings.ContainsAny(tail, "0123456789")
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// keysOf returns the keys for the turns of r with these first calls. Where
// several turns have the same key, the first one has it: what is kept is put
// back once.
func keysOf(j *bus.Job, r *llm.Request, turns map[turn]llm.ToolCall) map[string]turn {
	keys := make(map[string]turn, len(turns))
	var before []string
	for at, call := range turns {
		key := keyOfID(j, call.ID)
		if !isUnique(call.ID) {
			if before == nil {
				before = pasts(r)
			}
			key = keyOfCall(j, before[at.from], call)
		}
		if other, ok := keys[key]; !ok || at.from < other.from {
			keys[key] = at
		}
	}
	return keys
}

func keyOfID(j *bus.Job, id string) string { return digest(j.Caller, j.Model, "id", id) }

// keyOfCall stands in for the id of a call: what the call is, and the past that
// it comes of. How the arguments are written does not matter, for clients that
// have no ids write them anew.
func keyOfCall(j *bus.Job, past string, c llm.ToolCall) string {
	arguments := cmp.Or(c.Arguments, "{}")
	var value any
	if json.Unmarshal([]byte(arguments), &value) == nil {
		if text, err := json.Marshal(value); err == nil {
			arguments = string(text)
		}
	}
	return digest(j.Caller, j.Model, "call", past, c.Name, arguments)
}

// pasts returns digests of what is before each message of a conversation, and
// last of all of it. It is all that the model has read: thoughts may tell of any
// of it, so they must not get where it was not said.
func pasts(r *llm.Request) []string {
	past := digest(text(llm.Message{Content: condensed(r.System)}))
	all := append(make([]string, 0, len(r.Messages)+1), past)
	for _, m := range r.Messages {
		m.Content = condensed(m.Content)
		past = digest(past, text(m))
		all = append(all, past)
	}
	return all
}

func text(m llm.Message) string {
	text, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("internal error: %v", err)) // it was read from JSON
	}
	return string(text)
}

// condensed returns blocks with digests in place of what may be large: it takes
// long to write as JSON, and the client waits meanwhile.
func condensed(blocks llm.Blocks) llm.Blocks {
	out := make(llm.Blocks, len(blocks))
	for i, b := range blocks {
		switch b := b.(type) {
		case llm.Text:
			b.Text = digest(b.Text)
			out[i] = b
		case llm.Image:
			b.Data = digest(b.Data)
			out[i] = b
		case llm.Audio:
			b.Data = digest(b.Data)
			out[i] = b
		case llm.Document:
			b.Data, b.Text = digest(b.Data), digest(b.Text)
			out[i] = b
		case llm.ToolResult:
			b.Content = condensed(b.Content)
			out[i] = b
		default:
			out[i] = b
		}
	}
	return out
}

// digest makes a subject token of the parts.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p)) // a hash never fails
		_, _ = io.WriteString(h, p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
