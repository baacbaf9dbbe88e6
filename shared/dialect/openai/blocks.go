package openai

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// blocks sorts the pieces of an answer, which may be interleaved, into blocks
// of which one is open at a time: the first that is not complete is written
// through, and what belongs behind it is held back. The zero value is ready.
type blocks struct {
	queue  []*block // the first one is open, once it has begun
	calls  []*block // all tool calls so far
	events []llm.Event
	said   int // characters of texts so far

	// renamed says that the last piece of a call names it: such pieces begin
	// another call once the arguments are complete.
	renamed bool
}

type block struct {
	start     llm.Block // as in [llm.BlockStart]
	held      []llm.Delta
	args      []byte // of a call, so far
	signature string // of a thought
	index     number // of a call, as the upstream counts
	id        string // of a call, as the upstream has it
	place     int    // of a text: the characters of the texts before it
	custom    bool   // a call with a text for its input
	begun     bool
	ended     bool
	dialect.Joiner
}

// take returns the events so far.
func (b *blocks) take() []llm.Event {
	events := b.events
	b.events = nil
	return events
}

// text continues the last block, or begins one of the same kind as start.
func (b *blocks) text(start llm.Block, raw json.RawMessage, probs []llm.Logprob) {
	b.renamed = false
	to := b.last(start)
	fresh := to == nil
	if fresh {
		to = &block{start: start, place: b.said}
	}
	d := llm.Delta{Text: to.Add(raw), Logprobs: probs}
	if d.Text == "" && len(probs) == 0 && (!fresh || !to.Waits()) {
		return
	}
	if fresh {
		b.queue = append(b.queue, to)
	}
	if t, ok := start.(llm.Text); ok && !t.Refusal {
		b.said += utf8.RuneCountInString(d.Text)
	}
	b.write(to, d)
}

// last returns the block at the end of the queue if it has the kind of start
// and can be continued.
func (b *blocks) last(start llm.Block) *block {
	if len(b.queue) == 0 {
		return nil
	}
	last := b.queue[len(b.queue)-1]
	switch kind := start.(type) {
	case llm.Text:
		if t, ok := last.start.(llm.Text); ok && t.Refusal == kind.Refusal {
			return last
		}
	case llm.Thinking:
		if _, ok := last.start.(llm.Thinking); ok && last.signature == "" {
			return last
		}
	}
	return nil
}

// think reads the thoughts of a message. They may be there twice, as a text
// and in detail.
func (b *blocks) think(m *message) {
	detailed := false
	for _, d := range m.ReasoningDetails {
		detailed = detailed || !blank(d.Text) || !blank(d.Summary)
	}
	if !detailed {
		plain := m.ReasoningContent
		if blank(plain) {
			plain = m.Reasoning
		}
		b.text(llm.Thinking{}, plain, nil)
	}
	for _, d := range m.ReasoningDetails {
		b.text(llm.Thinking{}, d.Text, nil)
		b.text(llm.Thinking{}, d.Summary, nil)
		if d.Data != "" {
			b.whole(d.secret())
		}
		if d.Signature != "" {
			b.sign(d.Signature)
		}
	}
}

func (b *blocks) whole(start llm.Block) {
	b.queue = append(b.queue, &block{start: start})
	b.advance(false)
}

func (b *blocks) sign(signature string) {
	if b.last(llm.Thinking{}) == nil {
		b.whole(llm.Thinking{})
	}
	b.last(llm.Thinking{}).signature = signature
}

// call takes a piece of a tool call.
func (b *blocks) call(c toolCall) {
	f := cmp.Or(c.Function, &functionCall{})
	if c.free() {
		f = &functionCall{Name: c.Custom.Name}
	}
	b.renamed = f.Name != ""
	to := b.find(c, f)
	if to == nil {
		to = &block{start: llm.ToolCall{}, index: -1}
		b.queue, b.calls = append(b.queue, to), append(b.calls, to)
	}
	if c.Index != nil {
		to.index = *c.Index
	}
	to.id = cmp.Or(to.id, c.ID)
	if !to.begun {
		name := cmp.Or(to.start.(llm.ToolCall).Name, f.Name)
		to.start = llm.ToolCall{ID: to.id, Name: name}
	}
	text := arguments(&to.Joiner, f.Arguments)
	if c.free() {
		text = to.input(c.Custom.Input)
	}
	b.write(to, llm.Delta{Text: text})
}

// free reports whether a piece is of a call of a free-form tool.
func (c *toolCall) free() bool {
	return c.Custom != nil && (c.Custom.Name != "" || !blank(c.Custom.Input))
}

// arguments are a piece of those of a call, which some servers send as an
// object in place of its text.
func arguments(j *dialect.Joiner, raw json.RawMessage) string {
	if rawjson.IsNull(raw) || raw[0] == '"' {
		return j.Add(raw)
	}
	return rawjson.Compact(raw)
}

// input is a piece of the arguments that stand for the text that a free-form
// tool is called with. They are complete only when the answer is.
func (c *block) input(raw json.RawMessage) string {
	begin, said, _ := strings.Cut(dialect.FreeFormArguments(c.Add(raw)), `:"`)
	said = strings.TrimSuffix(said, `"}`)
	if c.custom {
		return said
	}
	c.custom = true
	return begin + `:"` + said
}

// rest is what the end of a block brings.
func (c *block) rest() string {
	if c.custom {
		return c.Rest() + `"}`
	}
	return c.Rest()
}

// find returns the call that a piece belongs to; nil when it begins a new one.
// Servers are sloppy: the index may be missing or always zero, ids may be
// missing or repeated, and names may be repeated in each piece.
func (b *blocks) find(c toolCall, f *functionCall) *block {
	for _, call := range slices.Backward(b.calls) {

		if c.Index != nil && call.index >= 0 && *c.Index != call.index || c.ID != "" && call.id != "" && c.ID != call.id {
			continue
		}
		name := call.start.(llm.ToolCall).Name
		if f.Name != "" && name != "" && (f.Name != name || call.complete() && !blank(f.Arguments)) {
			return nil
		}
		return call
	}
	return nil
}

func (b *blocks) write(to *block, d llm.Delta) {
	if _, ok := to.start.(llm.ToolCall); ok {
		to.args = append(to.args, d.Text...)
	}
	switch {
	case to.ended || d.Text == "" && len(d.Logprobs) == 0 && d.Citation == nil:
	case to.begun:
		b.events = append(b.events, d)
	default:
		to.held = append(to.held, d)
	}
	b.advance(false)
}

// close ends all blocks; the answer is over.
func (b *blocks) close() { b.advance(true) }

// advance begins and ends blocks at the head of the queue, as far as it goes.
func (b *blocks) advance(over bool) {
	for len(b.queue) > 0 {
		head := b.queue[0]
		if !head.begun && !head.ready() && !over {
			return
		}
		b.begin(head)
		if !over && (len(b.queue) == 1 || !head.complete()) {
			return
		}
		if rest := head.rest(); rest != "" {
			b.events = append(b.events, llm.Delta{Text: rest})
		}
		b.events = append(b.events, llm.BlockEnd{Signature: head.signature})
		head.ended = true
		b.queue = b.queue[1:]
	}
}

func (b *blocks) begin(head *block) {
	if head.begun {
		return
	}
	head.begun = true
	if call, ok := head.start.(llm.ToolCall); ok && call.ID == "" {
		call.ID = "call_" + rand.Text()
		head.start = call
	}
	b.events = append(b.events, llm.BlockStart{Block: head.start})
	for _, d := range head.held {
		b.events = append(b.events, d)
	}
	head.held = nil
}

// ready reports whether enough is known to begin the block.
func (c *block) ready() bool {
	call, ok := c.start.(llm.ToolCall)
	return !ok || call.Name != ""
}

// complete reports whether nothing more can belong to the block once another
// has begun: a call is complete with the object of its arguments.
func (c *block) complete() bool {
	if _, ok := c.start.(llm.ToolCall); !ok {
		return true
	}
	args := bytes.TrimSpace(c.args)
	return bytes.HasSuffix(args, []byte("}")) && json.Valid(args)
}

// blank reports whether raw is not a string with something in it.
func blank(raw json.RawMessage) bool { return len(raw) <= len(`""`) || raw[0] != '"' }
