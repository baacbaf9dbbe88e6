package openai

import (
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
)

var (
	textFields    = []string{"content", "text"}
	refusalFields = []string{"refusal"}
	thoughtFields = []string{"reasoning_content", "reasoning", "thinking", "text", "summary"}
	callFields    = []string{"arguments"}
)

// Fields names the fields which the open block's pieces are in, as long as it
// is the only one: what begins no other, and ends none, only goes on with it.
func (d *chatDecoder) Fields() []string {
	open := d.blocks.only()
	if open == nil {
		return nil
	}
	switch start := open.start.(type) {
	case llm.Text:
		if start.Refusal {
			return refusalFields
		}
		return textFields
	case llm.Thinking:
		return thoughtFields
	case llm.ToolCall:
		return callFields
	}
	return nil
}

// Again goes on with the open block.
func (d *chatDecoder) Again(text string) {
	open := d.blocks.only()
	switch start := open.start.(type) {
	case llm.Text:
		if !start.Refusal {
			d.blocks.said += utf8.RuneCountInString(text)
		}
	case llm.ToolCall:
		open.args = append(open.args, text...)
	}
}

// only returns the open block, where there is no other and its pieces say just
// what is in them.
func (b *blocks) only() *block {
	if len(b.queue) != 1 || b.renamed {
		return nil
	}
	if open := b.queue[0]; open.begun && !open.custom && open.signature == "" && !open.Waits() {
		return open
	}
	return nil
}
