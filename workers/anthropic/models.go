package anthropic

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A record is one model as the API describes it.
type record struct {
	ID             string                `json:"id"`
	DisplayName    string                `json:"display_name"`
	CreatedAt      string                `json:"created_at"`
	MaxInputTokens int                   `json:"max_input_tokens"`
	MaxTokens      int                   `json:"max_tokens"`
	Capabilities   map[string]capability `json:"capabilities"`
}

func (r record) model() catalog.Model {
	created, _ := time.Parse(time.RFC3339, r.CreatedAt) // zero where it is no time
	m := catalog.Model{
		ID: r.ID, DisplayName: r.DisplayName, Kind: "chat", OwnedBy: "anthropic",
		ContextLength: max(r.MaxInputTokens, 0), Facts: r.facts(),
		Capabilities: []string{"completion", "tools"}, // all models of the API have these
		Created:      created,
	}
	for _, c := range capabilityOf {
		if r.Capabilities[c.theirs].has() && !slices.Contains(m.Capabilities, c.ours) {
			m.Capabilities = append(m.Capabilities, c.ours)
		}
	}
	return m
}

var capabilityOf = []struct{ theirs, ours string }{
	{"image_input", "vision"}, {"vision", "vision"}, {"thinking", "thinking"},
}

var (
	thinkingTypes = []string{"adaptive", "enabled", "disabled", "between_tools"}
	effortLevels  = []string{"low", "medium", "high", "xhigh", "max"}
)

// facts are what calls of the model have to go by.
func (r record) facts() llm.Facts {
	f := llm.Facts{MaxOutput: max(r.MaxTokens, 0), Schemas: r.Capabilities["structured_outputs"].supported}
	types := r.Capabilities["thinking"].part("types")
	for _, t := range thinkingTypes {
		if types.part(t).has() {
			f.Thinking = append(f.Thinking, t)
		}
	}
	for _, level := range effortLevels {
		if r.Capabilities["effort"].part(level).has() {
			f.Efforts = append(f.Efforts, level)
		}
	}
	return f
}

// A capability says whether a model has it, and the same of its parts. Its zero
// value says nothing.
type capability struct {
	supported *bool
	parts     map[string]json.RawMessage
}

// UnmarshalJSON reads an object, or a bare true or false. Anything else says
// nothing.
func (c *capability) UnmarshalJSON(data []byte) error {
	*c = capability{supported: verdicts[string(data)]}
	if c.supported == nil && json.Unmarshal(data, &c.parts) == nil {
		c.supported = verdicts[string(c.parts["supported"])]
	}
	return nil
}

var verdicts = map[string]*bool{"true": new(true), "false": new(false)}

func (c capability) has() bool { return c.supported != nil && *c.supported }

// part returns a part, the zero value where it is not spoken of.
func (c capability) part(name string) (p capability) {
	if raw, ok := c.parts[name]; ok {
		_ = p.UnmarshalJSON(raw)
	}
	return p
}
