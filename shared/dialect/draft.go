package dialect

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A Draft is a request on its way to the wire. It keeps account of what the
// dialect cannot carry: that is dropped, emulated or refused. After a refusal
// writing may go on, for nothing but the first refusal will be seen of it. The
// zero value is ready; it is not safe for concurrent use.
type Draft struct {
	warnings []llm.Warning
	refusal  error
}

// Drop notes that a field is left out.
func (d *Draft) Drop(field string) { d.warn(llm.Dropped, field) }

// DropIf notes that a field is left out, should it be so.
func (d *Draft) DropIf(is bool, field string) {
	if is {
		d.Drop(field)
	}
}

// Forget notes that a thought of the history is left out: see
// [llm.Warning.Thought].
func (d *Draft) Forget(field string) {
	d.add(llm.Warning{Policy: llm.Dropped, Field: field, Thought: true})
}

// Emulate notes that a field is done in another way.
func (d *Draft) Emulate(field string) { d.warn(llm.Emulated, field) }

// Ask notes that a field is asked for in words.
func (d *Draft) Ask(field string) {
	d.add(llm.Warning{Policy: llm.Emulated, Field: field, Weak: true})
}

func (d *Draft) warn(p llm.Policy, field string) { d.add(llm.Warning{Policy: p, Field: field}) }

// add tells the client; once is enough.
func (d *Draft) add(w llm.Warning) {
	if !slices.Contains(d.warnings, w) {
		d.warnings = append(d.warnings, w)
	}
}

// Refuse makes the request fail with err; nil does nothing.
func (d *Draft) Refuse(err error) {
	if d.refusal == nil {
		d.refusal = err
	}
}

// JSON returns v as a JSON text.
func (d *Draft) JSON(v any) json.RawMessage {
	text, err := rawjson.Marshal(v)
	if err != nil {
		d.Refuse(fmt.Errorf("write request: %w", err))
	}
	return text
}

// Encoded returns the request with the body, or the first refusal.
func (d *Draft) Encoded(operation string, body any) (*Encoded, error) {
	text := d.JSON(body)
	if d.refusal != nil {
		return nil, d.refusal
	}
	return &Encoded{Operation: operation, Body: text, Warnings: d.warnings}, nil
}

// Foreign returns the text that stands for a block that an assistant's turn has
// of another dialect: what a provider has done by itself, of which other models
// know nothing. A conversation that was made shorter is its summary; all else
// is dropped.
func (d *Draft) Foreign(b llm.Opaque) string {
	var short struct {
		Content string `json:"content"`
	}
	if b.Kind == "compaction" && json.Unmarshal(b.JSON, &short) == nil && short.Content != "" {
		return short.Content + "\n\n"
	}
	d.Drop("messages." + b.Kind)
	return ""
}

// vital are the fields of [llm.Request.Extra] without which the answer would
// be another one, or be kept elsewhere, than was asked for.
var vital = []string{
	"background", "best_of", "container", "conversation", "mcp_servers", "modalities",
	"n", "previous_response_id", "prompt", "web_search_options",
}

// Rest takes the fields of [llm.Request.Extra] that the dialect has no word
// for. They are dropped, but for those that must not be: these are refused.
// Those that are idle are nobody's concern.
func (d *Draft) Rest(extra map[string]json.RawMessage, refusal func(field string) error) {
	for _, field := range slices.Sorted(maps.Keys(extra)) {
		switch {
		case Idle(field, extra[field]):
		case slices.Contains(vital, field):
			d.Refuse(refusal(field))
		default:
			d.Drop(field)
		}
	}
}
