package responses

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// blocks sorts the pieces of an answer, which servers may interleave, into
// blocks of which one is open at a time. A text or a thought ends where another
// block begins; a call must be whole, so what comes meanwhile waits. The zero
// value is ready.
type blocks struct {
	all     map[[2]int]*block
	open    *block
	waiting []*block
	events  []llm.Event
	calls   int
}

// A block is a part of an output item.
type block struct {
	start llm.Block // as in [llm.BlockStart]
	held  []llm.Event
	text  dialect.Joiner // of the pieces
	said  int            // bytes
	cites int
	sign  string
	begun bool
	over  bool   // nothing more will come
	kind  string // of a thought: summary or content
	part  int    // of a thought: the last one
}

// take returns the events so far.
func (b *blocks) take() []llm.Event {
	events := b.events
	b.events = nil
	return events
}

func (b *blocks) has(item, part int) bool { return b.all[[2]int{item, part}] != nil }

// block finds a block by its place, or makes it.
func (b *blocks) block(item, part int, start llm.Block) *block {
	at := [2]int{item, part}
	if b.all[at] == nil {
		if b.all == nil {
			b.all = map[[2]int]*block{}
		}
		if _, ok := start.(llm.ToolCall); ok {
			b.calls++
		}
		b.all[at] = &block{start: start}
	}
	return b.all[at]
}

// name says which tool is called.
func (b *blocks) name(to *block, it item) error {
	c, ok := to.start.(llm.ToolCall)
	if !ok {
		return dialect.Unreadable(errors.New("an item has changed its type"))
	}
	if to.begun || it.Name == "" {
		return nil
	}
	c.ID, c.Name = cmp.Or(it.CallID, it.ID, "call_"+newID()), it.Name
	if it.Namespace != "" {
		c.Name = qualified(it.Namespace, it.Name)
	}
	to.start = c
	b.put(to, nil)
	return nil
}

// missing is what the whole text of a block has and its pieces have not: all,
// for there is nothing in between but a rune that never came.
func (c *block) missing(whole string) string {
	rest := c.text.Rest()
	if c.said > 0 {
		return rest
	}
	return whole
}

// say adds to the text of a block. Whole blocks and such as are over take none.
func (b *blocks) say(to *block, d llm.Delta) {
	if d.Text == "" && len(d.Logprobs) == 0 || to.over || !to.filled() {
		return
	}
	to.said += len(d.Text)
	b.put(to, d)
}

func (c *block) filled() bool {
	switch c.start.(type) {
	case llm.Text, llm.Thinking, llm.ToolCall:
		return true
	default:
		return false
	}
}

func (b *blocks) cite(to *block, raw json.RawMessage) {
	if _, ok := to.start.(llm.Text); !ok || len(raw) == 0 || to.over {
		return
	}
	to.cites++
	b.put(to, llm.Delta{Citation: readCitation(slices.Clone(raw))})
}

// done ends a block, of which the whole text is known now.
func (b *blocks) done(to *block, whole, signature string) {
	if to.over {
		return
	}
	b.say(to, llm.Delta{Text: to.missing(whole)})
	if to.sign = signature; signature != "" && b.open != to {
		to.begun = false // it had to end before its signature came, which gets a block of its own
	}
	to.over = true
	b.put(to, nil)
}

// put writes a piece of a block, or only sees to it that the block begins.
func (b *blocks) put(to *block, piece llm.Event) {
	if piece != nil {
		to.held = append(to.held, piece)
	}
	ended := to.over && to.begun && b.open != to && len(to.held) == 0
	switch {
	case ended, !to.ready(), slices.Contains(b.waiting, to):
		return
	case b.blocked(to):
		b.waiting = append(b.waiting, to)
		return
	}
	b.write(to)
	for len(b.waiting) > 0 && !b.blocked(b.waiting[0]) {
		next := b.waiting[0]
		b.waiting = b.waiting[1:]
		b.write(next)
	}
}

// blocked reports whether a call is open that is not over.
func (b *blocks) blocked(to *block) bool {
	if b.open == nil || b.open == to || b.open.over {
		return false
	}
	_, ok := b.open.start.(llm.ToolCall)
	return ok
}

// ready reports whether enough is known to begin the block.
func (c *block) ready() bool {
	asked, ok := c.start.(llm.ToolCall)
	return !ok || asked.Name != ""
}

// write opens the block if need be, writes what is held, and closes it if it
// is over.
func (b *blocks) write(to *block) {
	if b.open != to {
		b.close()
		b.events = append(b.events, llm.BlockStart{Block: to.start})
		b.open, to.begun = to, true
	}
	b.events = append(b.events, to.held...)
	to.held = nil
	if to.over {
		b.close()
	}
}

func (b *blocks) close() {
	if b.open == nil {
		return
	}
	b.events = append(b.events, llm.BlockEnd{Signature: b.open.sign})
	b.open = nil
}

// closeAll ends what is not ended; the answer is over.
func (b *blocks) closeAll() error {
	for _, c := range b.all {
		if !c.ready() {
			return dialect.Unreadable(errors.New("a call of a tool without a name"))
		}
	}
	for _, next := range b.waiting {
		b.write(next)
	}
	b.waiting = nil
	b.close()
	return nil
}
