package workers

import (
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A memory is what is kept of an answer that called tools: what was thought, by
// its place among what clients send back of the answer.
type memory struct {
	Same   string       `json:"same,omitempty"`   // set: the key under which all that is
	First  llm.Blocks   `json:"first,omitempty"`  // before anything else
	Before []llm.Blocks `json:"before,omitempty"` // Before[n]: right before the call n, behind a text or a call
	IDs    []string     `json:"ids,omitempty"`    // of the calls, for clients that do not send them back
}

// A listener gathers what is to be kept of an answer.
type listener struct {
	signer signer
	first  llm.ToolCall // the first call
	head   llm.Blocks   // as memory.First
	before []llm.Blocks // as memory.Before, one for each call
	ids    []string     // as memory.IDs
	loose  llm.Blocks   // thoughts since the last text or call
	spoken bool         // there was something else than thoughts
	worth  bool         // something was thought before a call

	open llm.Block
	text []byte // of the open block, where it is of interest
}

// hear takes the next event; others than those of blocks do not matter.
func (l *listener) hear(e llm.Event) {
	switch e := e.(type) {
	case llm.BlockStart:
		l.open, l.text = e.Block, l.text[:0]
	case llm.Delta:
		l.delta(e.Text)
	case llm.BlockEnd:
		l.close(e.Signature)
	}
}

func (l *listener) delta(text string) {
	switch l.open.(type) {
	case llm.Thinking:
		l.text = append(l.text, text...)
	case llm.ToolCall:
		if len(l.before) == 0 {
			l.text = append(l.text, text...)
		}
	case llm.Text:
		l.spoken = l.spoken || strings.TrimSpace(text) != ""
	}
}

func (l *listener) close(signature string) {
	switch b := l.open.(type) {
	case llm.Thinking:
		b.Text += string(l.text)
		if b.Signature += signature; l.signer.Signed(b) {
			l.think(b)
		}
	case llm.RedactedThinking:
		l.think(b)
	case llm.ToolCall:
		if len(l.before) == 0 {
			b.Arguments += string(l.text)
			l.first = b
		}
		l.worth = l.worth || len(l.head)+len(l.loose) > 0
		l.before, l.ids = append(l.before, l.loose), append(l.ids, b.ID)
		l.loose, l.spoken = nil, true
	case llm.Opaque:
		l.spoken = true
	}
	l.open = nil
}

func (l *listener) think(b llm.Block) {
	if l.spoken {
		l.loose = append(l.loose, b)
	} else {
		l.head = append(l.head, b)
	}
}

func (l *listener) memory() memory {
	before := l.before
	for len(before) > 0 && len(before[len(before)-1]) == 0 {
		before = before[:len(before)-1]
	}
	return memory{First: l.head, Before: before, IDs: l.ids}
}

// A turn is what an assistant says between two messages of a user: the
// messages from the first index up to the second.
type turn struct{ from, to int }

// bareTurns returns the turns since the user has last said something, which
// call tools but do not say what was thought, with their first calls. Models do
// not look at the thoughts of earlier turns.
func bareTurns(messages []llm.Message, s signer) map[turn]llm.ToolCall {
	bare := map[turn]llm.ToolCall{}
	for i := len(messages) - len(sinceUser(messages)); i < len(messages); i++ {
		if messages[i].Role != llm.RoleAssistant {
			continue
		}
		at := turn{i, i + 1}
		for at.to < len(messages) && messages[at.to].Role == llm.RoleAssistant {
			at.to++
		}
		if call, ok := bareCall(messages[at.from:at.to], s); ok {
			bare[at] = call
		}
		i = at.to - 1
	}
	return bare
}

// bareCall returns the first call of a turn; not ok where it has none, or has
// its thoughts.
func bareCall(messages []llm.Message, s signer) (first llm.ToolCall, ok bool) {
	for _, m := range messages {
		for _, b := range m.Content {
			switch b := b.(type) {
			case llm.Thinking:
				if s.Signed(b) {
					return first, false
				}
			case llm.RedactedThinking:
				return first, false
			case llm.ToolCall:
				if !ok {
					first, ok = b, true
				}
			}
		}
	}
	return first, ok
}

// sinceUser returns the messages from the last one on in which the user says
// anything else than what tools returned; all of them where there is none.
func sinceUser(messages []llm.Message) []llm.Message {
	for i, m := range slices.Backward(messages) {
		if m.Role == llm.RoleUser && slices.ContainsFunc(m.Content, isSaid) {
			return messages[i:]
		}
	}
	return messages
}

func isSaid(b llm.Block) bool {
	_, result := b.(llm.ToolResult)
	return !result
}

// recall returns the messages with what was found in its places. It does not
// change what it is given.
func recall(messages []llm.Message, found map[turn]memory) []llm.Message {
	if len(found) == 0 {
		return messages
	}
	out := slices.Clone(messages)
	for at, m := range found {
		calls := 0
		for i := at.from; i < at.to; i++ {
			var content llm.Blocks
			if i == at.from {
				content = append(content, m.First...)
			}
			for _, b := range out[i].Content {
				if call, ok := b.(llm.ToolCall); ok {
					content = append(content, m.before(calls)...)
					b = m.withID(calls, call)
					calls++
				}
				content = append(content, b)
			}
			out[i].Content = content
		}
	}
	return out
}

// before returns what was thought right before the call n.
func (m *memory) before(n int) llm.Blocks {
	if n >= len(m.Before) {
		return nil
	}
	return m.Before[n]
}

// withID returns the call n, with the id that the model gave it where it has
// none: so the upstream gets what it has got before, and need not read it anew.
func (m *memory) withID(n int, c llm.ToolCall) llm.ToolCall {
	if c.ID == "" && n < len(m.IDs) {
		c.ID = m.IDs[n]
	}
	return c
}
