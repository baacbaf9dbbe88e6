package anthropic

import "strings"

// thinkingStyle says how a model is asked to think.
type thinkingStyle int

const (
	thinksNot      thinkingStyle = iota
	thinksByBudget               // thinking of type enabled, with a number of tokens
	thinksByEffort               // thinking of type adaptive, with a word
)

var withoutXHigh = []string{"low", "medium", "high", "max"}

// samplingRule says which sampling parameters a model takes.
type samplingRule int

const (
	samplesFreely samplingRule = iota
	samplesOnce                // temperature or top_p, not both
	samplesNot                 // none: they are refused
)

// forcingRule says when a model can be made to call a tool.
type forcingRule int

const (
	forcesAlways forcingRule = iota
	forcesUnthinking
	forcesNever
)

// capability is what is known about a family of models.
type capability struct {
	families  []string // parts of their ids
	untold    bool     // no more is known than what the newest ones have in common
	maxTokens int      // of output; 0: not known
	schemas   bool     // answers can be held to a JSON Schema
	thinking  thinkingStyle
	off       string   // the type that switches adaptive thinking off; empty: nothing does
	efforts   []string // that adaptive thinking takes; nil: all
	sampling  samplingRule
	forcing   forcingRule
	midSystem bool // takes system messages behind those of users
}

// capabilities are looked through in order; the first family that is a part
// of the id counts. Wrong guesses show as the upstream's own refusals.
var capabilities = []capability{
	{families: []string{"opus-5-5", "fable-5-1"}, maxTokens: 128_000, schemas: true,
		thinking: thinksByEffort, sampling: samplesNot, forcing: forcesNever},
	{families: []string{"sonnet-5-5"}, maxTokens: 128_000, schemas: true,
		thinking: thinksByEffort, off: "between_tools", sampling: samplesNot, forcing: forcesNever},
	{families: []string{"haiku-5-5"}, maxTokens: 128_000, schemas: true,
		thinking: thinksByEffort, off: "disabled", sampling: samplesNot, forcing: forcesNever},
	{families: []string{"opus-5", "opus-4-8", "fable-5"}, maxTokens: 128_000, schemas: true,
		thinking: thinksByEffort, off: "disabled", sampling: samplesNot, midSystem: true},
	{families: []string{"opus-4-7", "sonnet-5"}, maxTokens: 128_000, schemas: true,
		thinking: thinksByEffort, off: "disabled", sampling: samplesNot},
	{families: []string{"opus-4-6", "sonnet-4-6"}, maxTokens: 128_000, schemas: true,
		thinking: thinksByEffort, off: "disabled", efforts: withoutXHigh, sampling: samplesOnce, forcing: forcesUnthinking},
	{families: []string{"sonnet-4-5", "opus-4-5", "haiku-4-5"}, maxTokens: 64_000, schemas: true,
		thinking: thinksByBudget, sampling: samplesOnce, forcing: forcesUnthinking},
	{families: []string{"opus-4-1"}, maxTokens: 32_000, schemas: true,
		thinking: thinksByBudget, sampling: samplesOnce, forcing: forcesUnthinking},
	{families: []string{"sonnet-4-"}, maxTokens: 64_000, thinking: thinksByBudget, forcing: forcesUnthinking},
	{families: []string{"opus-4-"}, maxTokens: 32_000, thinking: thinksByBudget, forcing: forcesUnthinking},
	{families: []string{"claude-3", "claude-2", "claude-instant"}, maxTokens: 4096},
	{families: []string{"claude-"}, untold: true, maxTokens: 128_000, schemas: true,
		thinking: thinksByEffort, off: "disabled", sampling: samplesNot, forcing: forcesNever},
}

// otherServer is what to expect of a server that only speaks the dialect.
var otherServer = capability{thinking: thinksByBudget}

// tabled returns what the table says of a model.
func tabled(model string) capability {
	id := strings.ReplaceAll(strings.ToLower(model), ".", "-") // some vendors write claude-sonnet-4.5
	for _, c := range capabilities {
		for _, family := range c.families {
			if strings.Contains(id, family) {
				return c
			}
		}
	}
	return otherServer
}
