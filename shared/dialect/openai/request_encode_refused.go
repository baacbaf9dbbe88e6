package openai

import (
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A Refusal says which optional fields some models of an upstream refuse. They
// are left out, and listed as dropped.
type Refusal struct {
	Models   string   // how the names of these models begin; empty: of all
	Thinking bool     // only while they think, which effort none switches off
	Fields   []string // max_tokens and what is vital cannot be among them
}

// optional are the fields that can be left out, and how: each reports whether
// the field was there.
var optional = map[string]func(*request) bool{
	"temperature":         func(r *request) bool { return without(&r.Temperature) },
	"top_p":               func(r *request) bool { return without(&r.TopP) },
	"seed":                func(r *request) bool { return without(&r.Seed) },
	"frequency_penalty":   func(r *request) bool { return without(&r.FrequencyPenalty) },
	"presence_penalty":    func(r *request) bool { return without(&r.PresencePenalty) },
	"logprobs":            func(r *request) bool { r.TopLogprobs = 0; return without(&r.Logprobs) },
	"stop":                func(r *request) bool { there := r.Stop != nil; r.Stop = nil; return there },
	"parallel_tool_calls": func(r *request) bool { return without(&r.Parallel) },
	"reasoning_effort":    func(r *request) bool { return without(&r.ReasoningEffort) },
	"user":                func(r *request) bool { return without(&r.User) },
}

// without takes a field out, and reports whether there was one.
func without[T comparable](field *T) bool {
	var none T
	there := *field != none
	*field = none
	return there
}

// refusedOf lists the fields that a model refuses with an effort.
func (c Client) refusedOf(model, effort string) []string {
	i := slices.IndexFunc(c.Refused, func(r Refusal) bool { return strings.HasPrefix(model, r.Models) })
	if i < 0 || c.Refused[i].Thinking && effort == string(llm.EffortNone) {
		return nil
	}
	return c.Refused[i].Fields
}

// refused leaves out what the model would refuse.
func (e *encoding) refused() {
	for _, field := range e.client.refusedOf(e.in.Model, e.out.ReasoningEffort) {
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
	e.DropIf(s.TopK != nil, "top_k")
	e.DropIf(s.MinP != nil, "min_p")
	e.DropIf(s.RepeatPenalty != nil, "repeat_penalty")
}
