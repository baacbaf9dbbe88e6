package openai

import (
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A Refusal says which optional fields some models of an upstream refuse. They
// are left out, and listed as dropped.
//
// Two of the fields are parts of others: tools.strict, and tool_choice, which
// stands for one that forces a call. That is then asked for in words.
type Refusal struct {
	Models   string   // how the names of these models begin, where a * is for anything; empty: of all
	Thinking bool     // only while they think, which effort none switches off
	Fields   []string // max_tokens and what is vital cannot be among them
}

// Efforts say which words for how long to think some models of an upstream
// take. Others become the nearest of them.
type Efforts struct {
	Models string   // as in [Refusal]
	Words  []string // nil: all
}

// isOf reports whether a model is one of those that are meant.
func isOf(models, model string) bool {
	begin, then, _ := strings.Cut(models, "*")
	rest, ok := strings.CutPrefix(model, begin)
	return ok && strings.Contains(rest, then)
}

// effortFor returns the effort that a model takes in place of another.
func (c Client) effortFor(model string, effort llm.Effort) llm.Effort {
	i := slices.IndexFunc(c.Efforts, func(e Efforts) bool { return isOf(e.Models, model) })
	if i < 0 {
		return effort
	}
	return llm.Effort(dialect.NearestEffort(c.Efforts[i].Words, string(effort)))
}

// optional are the fields that can be left out, and how: each reports whether
// the field was there and asked for anything.
var optional = map[string]func(*request) bool{
	"temperature":         func(r *request) bool { return withoutNumber(&r.Temperature, 1) },
	"top_p":               func(r *request) bool { return withoutNumber(&r.TopP, 1) },
	"seed":                func(r *request) bool { return without(&r.Seed) },
	"frequency_penalty":   func(r *request) bool { return withoutNumber(&r.FrequencyPenalty, 0) },
	"presence_penalty":    func(r *request) bool { return withoutNumber(&r.PresencePenalty, 0) },
	"logprobs":            func(r *request) bool { r.TopLogprobs = 0; return without(&r.Logprobs) },
	"stop":                func(r *request) bool { there := r.Stop != nil; r.Stop = nil; return there },
	"parallel_tool_calls": func(r *request) bool { return without(&r.Parallel) },
	"reasoning_effort":    withoutEffort,
	"user":                func(r *request) bool { return without(&r.User) },
}

// without takes a field out, and reports whether there was one.
func without[T comparable](field *T) bool {
	var none T
	there := *field != none
	*field = none
	return there
}

// withoutNumber is without for a number that asks for nothing when it is
// neutral.
func withoutNumber(field **float64, neutral float64) bool {
	asked := *field != nil && **field != neutral
	*field = nil
	return asked
}

// withoutEffort is for models that do not think: none at all is what they do.
func withoutEffort(r *request) bool {
	asked := r.ReasoningEffort != string(llm.EffortNone)
	return without(&r.ReasoningEffort) && asked
}

// refusedOf lists the fields that a model refuses with an effort.
func (c Client) refusedOf(model, effort string) []string {
	i := slices.IndexFunc(c.Refused, func(r Refusal) bool { return isOf(r.Models, model) })
	if i < 0 || c.Refused[i].Thinking && effort == string(llm.EffortNone) {
		return nil
	}
	return c.Refused[i].Fields
}

// refused leaves out what the model would refuse.
func (e *encoding) refused() {
	for _, field := range e.refusals {
		if leave, ok := optional[field]; ok {
			e.DropIf(leave(&e.out), field)
		}
	}
}

// samplers writes what only some upstreams take, and each by its own name.
func (e *encoding) samplers() {
	s := e.in.Sampling
	takes := func(field string) bool { return slices.Contains(e.client.Samplers, field) }
	if takes("top_k") {
		e.out.TopK, s.TopK = s.TopK, nil
	}
	if takes("min_p") {
		e.out.MinP, s.MinP = s.MinP, nil
	}
	switch {
	case takes("repetition_penalty"):
		e.out.RepeatPenalty, s.RepeatPenalty = s.RepeatPenalty, nil
	case takes("repeat_penalty"):
		e.out.OldRepeatPenalty, s.RepeatPenalty = s.RepeatPenalty, nil
	}
	e.Samplers(llm.Sampling{TopK: s.TopK, MinP: s.MinP, RepeatPenalty: s.RepeatPenalty})
}
