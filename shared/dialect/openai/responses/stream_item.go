package responses

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A messageItem is what is said: blocks of text in a row, a part each.
type messageItem struct {
	id      string
	parts   []part
	refusal bool // the last part is one
	said    strings.Builder
	pages   []*llm.Page // cited in the last part by others
}

func (m *messageItem) takes(b llm.Block) bool {
	_, ok := b.(llm.Text)
	return ok
}

func (m *messageItem) begin(e *encoder, b llm.Block) {
	if m.id == "" {
		m.id = e.itemID("msg")
		e.added(m.wire("in_progress"))
	}
	m.refusal = b.(llm.Text).Refusal
	m.said.Reset()
	if m.refusal {
		m.parts = append(m.parts, part{Type: "refusal", Refusal: new("")})
	} else {
		m.parts = append(m.parts, part{Type: "output_text", Text: new(""), Annotations: []json.RawMessage{}, Logprobs: []logprob{}})
	}
	e.send("response.content_part.added", event{place: m.place(e), Part: *m.part()})
}

func (m *messageItem) part() *part { return &m.parts[len(m.parts)-1] }

func (m *messageItem) place(e *encoder) place {
	return place{ItemID: m.id, Output: e.index(), Content: new(len(m.parts) - 1)}
}

func (m *messageItem) delta(e *encoder, d llm.Delta) {
	m.said.WriteString(d.Text)
	switch {
	case m.refusal:
		if d.Text != "" {
			e.say("response.refusal.delta", d.Text, func(text *string) event {
				return event{place: m.place(e), piece: piece{Delta: text}}
			})
		}
		return
	case len(d.Logprobs) > 0:
		probs := wireLogprobs(d.Logprobs)
		m.part().Logprobs = append(m.part().Logprobs, probs...)
		e.send("response.output_text.delta", event{place: m.place(e), piece: piece{Delta: new(d.Text)}, Logprobs: probs})
	case d.Text != "":
		e.say("response.output_text.delta", d.Text, func(text *string) event {
			return event{place: m.place(e), piece: piece{Delta: text}, Logprobs: []logprob{}}
		})
	}
	switch c := d.Citation; {
	case c == nil:
	case c.Dialect == name && json.Valid(c.JSON):
		m.annotate(e, c.JSON)
	case c.Page != nil:
		m.pages = append(m.pages, c.Page)
	}
}

func (m *messageItem) annotate(e *encoder, annotation json.RawMessage) {
	at := m.place(e)
	at.Annotation = new(len(m.part().Annotations))
	m.part().Annotations = append(m.part().Annotations, annotation)
	e.send("response.output_text.annotation.added", event{place: at, Annotation: annotation})
}

func (m *messageItem) end(e *encoder, _ string) {
	p, said := m.part(), m.said.String()
	for _, page := range m.pages { // the text of which is complete only now
		m.annotate(e, must(wireCitation(page, said)))
	}
	m.pages = nil
	if m.refusal {
		p.Refusal = &said
		e.send("response.refusal.done", event{place: m.place(e), piece: piece{Refusal: &said}})
	} else {
		p.Text = &said
		e.send("response.output_text.done", event{place: m.place(e), piece: piece{Text: &said}, Logprobs: p.Logprobs})
	}
	e.send("response.content_part.done", event{place: m.place(e), Part: *p})
}

func (m *messageItem) done(_ *encoder, status string) any { return m.wire(status) }

func (m *messageItem) wire(status string) any {
	return struct {
		ID      string `json:"id"`
		Type    string `json:"type"`
		Status  string `json:"status"`
		Role    string `json:"role"`
		Content []part `json:"content"`
	}{m.id, "message", status, "assistant", append([]part{}, m.parts...)}
}

// A reasoningItem is a thought, which is shown as its summary.
type reasoningItem struct {
	id        string
	said      strings.Builder
	encrypted string
	shown     bool
}

func (*reasoningItem) takes(llm.Block) bool { return false }

func (r *reasoningItem) begin(e *encoder, _ llm.Block) {
	r.id = e.itemID("rs")
	e.added(item{ID: r.id, Type: "reasoning", Summary: []part{}})
}

func (r *reasoningItem) place(e *encoder) place {
	return place{ItemID: r.id, Output: e.index(), Summary: new(0)}
}

func (r *reasoningItem) delta(e *encoder, d llm.Delta) {
	if d.Text == "" {
		return
	}
	if !r.shown {
		r.shown = true
		e.send("response.reasoning_summary_part.added", event{place: r.place(e), Part: part{Type: "summary_text", Text: new("")}})
	}
	r.said.WriteString(d.Text)
	e.say("response.reasoning_summary_text.delta", d.Text, func(text *string) event {
		return event{place: r.place(e), piece: piece{Delta: text}}
	})
}

func (r *reasoningItem) end(e *encoder, signature string) {
	if r.shown {
		said := r.said.String()
		e.send("response.reasoning_summary_text.done", event{place: r.place(e), piece: piece{Text: &said}})
		e.send("response.reasoning_summary_part.done", event{place: r.place(e), Part: part{Type: "summary_text", Text: &said}})
	}
	if e.encrypted {
		r.encrypted = cmp.Or(r.encrypted, encryptedOf(signature))
	}
}

func (r *reasoningItem) done(*encoder, string) any {
	out := item{ID: r.id, Type: "reasoning", Summary: []part{}, Encrypted: r.encrypted}
	if r.shown {
		out.Summary = []part{{Type: "summary_text", Text: new(r.said.String())}}
	}
	return out
}

// A callItem is a call of a function.
type callItem struct {
	item
	args strings.Builder
}

func (*callItem) takes(llm.Block) bool { return false }

func (c *callItem) begin(e *encoder, b llm.Block) {
	asked := b.(llm.ToolCall)
	tool := e.names.of(asked.Name)
	c.item = item{ID: e.itemID("fc"), Type: "function_call", Status: "in_progress"}
	c.call = call{CallID: cmp.Or(asked.ID, "call_"+newID()), Name: tool.name, Namespace: tool.namespace, Arguments: new("")}
	e.added(c.item)
}

func (c *callItem) delta(e *encoder, d llm.Delta) {
	if d.Text == "" {
		return
	}
	c.args.WriteString(d.Text)
	e.say("response.function_call_arguments.delta", d.Text, func(text *string) event {
		return event{place: c.place(e), piece: piece{Delta: text}}
	})
}

func (c *callItem) place(e *encoder) place { return place{ItemID: c.ID, Output: e.index()} }

func (c *callItem) end(e *encoder, _ string) {
	if c.args.Len() == 0 { // clients parse what they get
		c.delta(e, llm.Delta{Text: "{}"})
	}
	c.Arguments = new(c.args.String())
	e.send("response.function_call_arguments.done", event{place: c.place(e), piece: piece{Name: c.Name, Arguments: c.Arguments}})
}

func (c *callItem) done(_ *encoder, status string) any {
	c.Status = status
	return c.item
}

// A customItem is a call of a tool whose input is a text. What stands for it
// is a function with that text as its argument.
type customItem struct {
	callItem
	input dialect.FreeFormInput
}

func (c *customItem) begin(e *encoder, b llm.Block) {
	asked := b.(llm.ToolCall)
	tool := e.names.of(asked.Name)
	c.item = item{ID: e.itemID("ctc"), Type: "custom_tool_call", Status: "in_progress"}
	c.call = call{CallID: cmp.Or(asked.ID, "call_"+newID()), Name: tool.name, Namespace: tool.namespace, Input: new("")}
	e.added(c.item)
}

func (c *customItem) delta(e *encoder, d llm.Delta) { c.say(e, c.input.Add(d.Text)) }

func (c *customItem) say(e *encoder, text string) {
	if text != "" {
		c.args.WriteString(text)
		e.say("response.custom_tool_call_input.delta", text, func(text *string) event {
			return event{place: c.place(e), piece: piece{Delta: text}}
		})
	}
}

func (c *customItem) end(e *encoder, _ string) {
	c.say(e, c.input.Rest())
	c.Input = new(c.args.String())
	e.send("response.custom_tool_call_input.done", event{place: c.place(e), piece: piece{Input: c.Input}})
}

// A foreignItem is an item of this very dialect that has no word in the
// canonical language.
type foreignItem struct{ raw json.RawMessage }

func (*foreignItem) takes(llm.Block) bool            { return false }
func (f *foreignItem) begin(e *encoder, _ llm.Block) { e.added(f.raw) }
func (*foreignItem) delta(*encoder, llm.Delta)       {}
func (*foreignItem) end(*encoder, string)            {}
func (f *foreignItem) done(_ *encoder, _ string) any { return json.RawMessage(rawjson.Compact(f.raw)) }
