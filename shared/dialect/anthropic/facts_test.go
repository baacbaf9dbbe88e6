package anthropic

import (
	"reflect"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestFactsGoBeforeTheTable(t *testing.T) {
	with := func(change func(*capability), model string) capability {
		c := tabled(model)
		change(&c)
		return c
	}
	tests := []struct {
		name  string
		model string
		facts *llm.Facts
		want  capability
	}{
		{"nothing is said", manual, nil, tabled(manual)},
		{"nothing is said in as many words", manual, &llm.Facts{}, tabled(manual)},
		{"a limit alone", old, &llm.Facts{MaxOutput: 9}, with(func(c *capability) { c.maxTokens = 9 }, old)},
		{"schemas alone", manual, &llm.Facts{Schemas: new(false)}, with(func(c *capability) { c.schemas = false }, manual)},
		{"efforts alone", fresh, &llm.Facts{Efforts: []string{"low"}}, with(func(c *capability) { c.efforts = []string{"low"} }, fresh)},
		{"thinking cannot be switched off", fresh, &llm.Facts{Thinking: []string{"adaptive"}}, with(func(c *capability) { c.off = "" }, fresh)},
		{"thinking can be switched off but between tools", newest, &llm.Facts{Thinking: []string{"adaptive", "between_tools"}}, with(func(c *capability) { c.off = "between_tools" }, newest)},
		{"thinking can be switched off altogether", newest, &llm.Facts{Thinking: []string{"adaptive", "disabled", "between_tools"}}, with(func(c *capability) { c.off = "disabled" }, newest)},
		{"no thinking", fresh, &llm.Facts{Thinking: []string{"disabled"}}, with(func(c *capability) { c.thinking, c.off = thinksNot, "disabled" }, fresh)},
		{"another server's model", foreign, &llm.Facts{MaxOutput: 5, Schemas: new(true), Thinking: []string{"adaptive"}},
			capability{maxTokens: 5, schemas: true, thinking: thinksByEffort}},
		{"an untold model of an earlier kind", "claude-new", &llm.Facts{Thinking: []string{"enabled", "disabled"}}, with(func(c *capability) {
			c.thinking, c.sampling, c.forcing = thinksByBudget, samplesOnce, forcesUnthinking
		}, "claude-new")},
		{"an untold model of the newest kind", "claude-new", &llm.Facts{Thinking: []string{"adaptive", "disabled"}}, tabled("claude-new")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := capabilityOf(tt.model, tt.facts); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}
