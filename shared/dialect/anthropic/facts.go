package anthropic

import (
	"slices"

	"github.com/offbeat-studio/allama/shared/llm"
)

// capabilityOf returns what is known of a model. What its provider says of it
// goes before the table, field by field.
func capabilityOf(model string, facts *llm.Facts) capability {
	c := tabled(model)
	if facts != nil {
		c.correct(facts)
	}
	return c
}

func (c *capability) correct(f *llm.Facts) {
	if f.MaxOutput > 0 {
		c.maxTokens = f.MaxOutput
	}
	if f.Schemas != nil {
		c.schemas = *f.Schemas
	}
	if len(f.Efforts) > 0 {
		c.efforts = f.Efforts
	}
	if len(f.Thinking) > 0 {
		c.think(f.Thinking)
	}
}

// think takes the types of thinking that a model has.
func (c *capability) think(types []string) {
	has := func(kind string) bool { return slices.Contains(types, kind) }
	c.thinking, c.off = thinksNot, ""
	switch {
	case has("adaptive"):
		c.thinking = thinksByEffort
	case has("enabled"):
		c.thinking = thinksByBudget
	}
	for _, off := range []string{"between_tools", "disabled"} { // the latter where there are both
		if has(off) {
			c.off = off
		}
	}
	if c.untold && (has("enabled") || !has("adaptive")) {
		c.sampling, c.forcing = samplesOnce, forcesUnthinking // which went with the types that are new
	}
}
