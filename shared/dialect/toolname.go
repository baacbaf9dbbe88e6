package dialect

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A ToolNamer is a [Client] of upstreams that do not take every name of a tool:
// the legal ones are of a-z, A-Z, 0-9, _ and -, and have a longest length.
type ToolNamer interface {
	Client

	// MaxToolName is the length of the longest name, in bytes.
	MaxToolName() int
}

// Encode writes a request in the dialect of c, with names of tools that are
// legal there. [Encoded.Restore] gives the caller's names to what the answer
// calls. The request is not changed.
func Encode(c Client, r *llm.Request) (*Encoded, error) {
	n, ok := c.(ToolNamer)
	if !ok {
		return c.Encode(r)
	}
	names := namesOf(r, n.MaxToolName())
	if names == nil {
		return c.Encode(r)
	}
	out, err := c.Encode(names.request(r))
	if err != nil {
		return nil, err
	}
	inner := out.Restore
	out.Restore = func(s llm.Stream) llm.Stream {
		if inner != nil {
			s = inner(s)
		}
		return names.restore(s)
	}
	return out, nil
}

// LegalToolName makes a name of at most so many bytes, 16 or more, that every
// dialect takes. A legal name stays as it is. Of different names, those that
// are cut stay different.
func LegalToolName(name string, most int) string {
	legal := spelled(name)
	if len(legal) <= most {
		return legal
	}
	return marked(legal, name, most)
}

// OtherToolName is the name for where [LegalToolName]'s is taken; where that is,
// too, another i makes yet another one.
func OtherToolName(name string, i, most int) string {
	return marked(spelled(name), name+"\x00"+strconv.Itoa(i), most)
}

// spelled replaces what is not legal. A dot stands between the parts of a name,
// so it gets more room than the rest.
func spelled(name string) string {
	if isSpelled(name) {
		return name
	}
	var b strings.Builder
	for _, r := range name {
		switch {
		case r == '.':
			b.WriteString("__")
		case isLegal(r):
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}

// marked ends a spelling with what tells it from others: a digest of the name.
func marked(legal, name string, most int) string {
	sum := sha256.Sum256([]byte(name))
	tail := "_" + hex.EncodeToString(sum[:6])
	return legal[:min(len(legal), most-len(tail))] + tail
}

func isSpelled(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool { return !isLegal(r) }) < 0
}

func isLegal(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
}

// legalNames are the names of a request's tools that the upstream does not take
// as they are. No two have the same.
type legalNames struct {
	legal map[string]string // by the caller's
	own   map[string]string // the caller's, by the legal ones
}

// namesOf returns the legal names for the tools of r; nil where all are legal
// already. The same request always gets the same ones.
func namesOf(r *llm.Request, most int) *legalNames {
	if allTaken(names(r), most) {
		return nil
	}
	used := map[string]bool{}
	for name := range names(r) {
		if takes(name, most) {
			used[name] = true
		}
	}
	n := &legalNames{legal: map[string]string{}, own: map[string]string{}}
	for name := range names(r) {
		if used[name] || n.legal[name] != "" {
			continue
		}
		legal := LegalToolName(name, most)
		for i := 1; used[legal] || n.own[legal] != ""; i++ {
			legal = OtherToolName(name, i, most)
		}
		n.legal[name], n.own[legal] = legal, name
	}
	return n
}

// takes reports whether a name is legal as it is.
func takes(name string, most int) bool { return len(name) <= most && isSpelled(name) }

func allTaken(names iter.Seq[string], most int) bool {
	for name := range names {
		if !takes(name, most) {
			return false
		}
	}
	return true
}

// names yields all names of tools in r, some of them more than once: those on
// offer first, so that a conversation that goes on does not change theirs.
func names(r *llm.Request) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, t := range r.Tools {
			if !yield(t.Name) {
				return
			}
		}
		if c := r.ToolChoice; c != nil {
			for _, name := range c.Only {
				if !yield(name) {
					return
				}
			}
		}
		for _, m := range r.Messages {
			for _, b := range m.Content {
				if name, ok := named(b); ok && !yield(name) {
					return
				}
			}
		}
	}
}

// named returns the tool that a block names.
func named(b llm.Block) (name string, ok bool) {
	switch b := b.(type) {
	case llm.ToolCall:
		return b.Name, true
	case llm.ToolResult:
		return b.Name, true
	}
	return "", false
}

// of returns the legal name for one of the caller's.
func (n *legalNames) of(name string) string {
	if legal, ok := n.legal[name]; ok {
		return legal
	}
	return name
}

// request returns r with legal names.
func (n *legalNames) request(r *llm.Request) *llm.Request {
	out := *r
	out.Tools = slices.Clone(r.Tools)
	for i := range out.Tools {
		out.Tools[i].Name = n.of(out.Tools[i].Name)
	}
	if c := r.ToolChoice; c != nil {
		choice := *c
		choice.Only = slices.Clone(c.Only)
		for i, name := range choice.Only {
			choice.Only[i] = n.of(name)
		}
		out.ToolChoice = &choice
	}
	out.Messages = slices.Clone(r.Messages)
	for i, m := range out.Messages {
		out.Messages[i].Content = n.blocks(m.Content)
	}
	return &out
}

// blocks returns list with legal names; where there are none of tools in it, it
// is the same.
func (n *legalNames) blocks(list llm.Blocks) llm.Blocks {
	if !slices.ContainsFunc(list, func(b llm.Block) bool { _, ok := named(b); return ok }) {
		return list
	}
	out := slices.Clone(list)
	for i, b := range out {
		switch b := b.(type) {
		case llm.ToolCall:
			b.Name = n.of(b.Name)
			out[i] = b
		case llm.ToolResult:
			b.Name = n.of(b.Name)
			out[i] = b
		}
	}
	return out
}

// restore returns an answer with the caller's names.
func (n *legalNames) restore(s llm.Stream) llm.Stream {
	return func(yield func(llm.Event, error) bool) {
		for e, err := range s {
			if start, ok := e.(llm.BlockStart); ok {
				if call, ok := start.Block.(llm.ToolCall); ok && n.own[call.Name] != "" {
					call.Name = n.own[call.Name]
					e = llm.BlockStart{Block: call}
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
