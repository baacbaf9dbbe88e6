package anthropic

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// minBudget is the smallest number of tokens the API takes for thinking.
const minBudget = 1024

// budgetShare is the share of the output tokens that an effort may spend on
// thinking, where a model goes by tokens. The empty effort is a medium one.
var budgetShare = map[llm.Effort]float64{
	llm.EffortMinimal: 0.025, llm.EffortLow: 0.15, llm.EffortMedium: 0.425, "": 0.425,
	llm.EffortHigh: 0.8, llm.EffortXHigh: 0.9, llm.EffortMax: 0.9,
}

var effortWords = map[llm.Effort]string{
	llm.EffortMinimal: "low", llm.EffortLow: "low", llm.EffortMedium: "medium",
	llm.EffortHigh: "high", llm.EffortXHigh: "xhigh", llm.EffortMax: "max",
}

// reasoning asks for thinking in the model's way.
func (w *writer) reasoning() {
	r := w.request.Reasoning
	switch {
	case r == nil:
	case w.model.thinking == thinksByEffort:
		w.thinkByEffort(*r)
	case r.Effort == llm.EffortNone: // which is what holds when nothing is said
	case w.model.thinking == thinksNot, thoughtLost(w.turns):
		w.Drop("reasoning_effort")
	default:
		w.thinkByBudget(*r)
	}
}

func (w *writer) thinkByEffort(r llm.Reasoning) {
	switch {
	case r.Effort != llm.EffortNone:
		w.body.Thinking = &thinking{Type: "adaptive", Display: display(r)}
		w.config.Effort = w.effortWord(r)
	case w.model.off != "":
		w.body.Thinking = &thinking{Type: w.model.off}
	default:
		w.Emulate("reasoning_effort")
		w.config.Effort = dialect.NearestEffort(w.model.efforts, "low") // as near to none as the model goes
	}
}

func (w *writer) effortWord(r llm.Reasoning) string {
	if r.Effort == "" && r.Budget > 0 {
		r.Effort = dialect.Effort(r.Budget, *w.body.MaxTokens)
	}
	word := cmp.Or(effortWords[r.Effort], string(r.Effort)) // words newer than this package
	nearest := dialect.NearestEffort(w.model.efforts, word)
	if nearest != word {
		w.Emulate("reasoning_effort")
	}
	return nearest
}

// thinkByBudget grants a number of tokens. They count as output, so the limit
// is raised where they would leave nothing for the answer.
func (w *writer) thinkByBudget(r llm.Reasoning) {
	limit := *w.body.MaxTokens
	budget := r.Budget
	if budget == 0 {
		share, ok := budgetShare[r.Effort]
		if !ok {
			share = budgetShare[""]
		}
		budget = int(share * float64(limit))
	}
	budget = max(budget, minBudget)
	if budget >= limit {
		w.setMaxTokens(budget + limit)
		if wanted := w.request.Limits.MaxTokens; wanted > 0 && *w.body.MaxTokens > wanted {
			w.Emulate("max_tokens")
		}
	}
	budget = min(budget, *w.body.MaxTokens-1)
	w.body.Thinking = &thinking{Type: "enabled", Budget: budget}
	if r.Hidden {
		w.body.Thinking.Display = display(r)
	}
}

func display(r llm.Reasoning) string {
	if r.Hidden {
		return "omitted"
	}
	return "summarized"
}

// thoughtLost reports whether the model is in the middle of a turn, waiting for
// results, whose thoughts the client did not keep. Models that think by budget
// refuse to think on from there.
func thoughtLost(turns []llm.Message) bool {
	last := len(turns) - 1
	if last < 1 || turns[last-1].Role != llm.RoleAssistant || len(turns[last].Content) == 0 {
		return false
	}
	if _, waiting := turns[last].Content[0].(llm.ToolResult); !waiting {
		return false
	}
	switch turns[last-1].Content[0].(type) {
	case llm.Thinking, llm.RedactedThinking:
		return false
	default:
		return true
	}
}

func (w *writer) tools() {
	choice := w.request.ToolChoice
	for _, t := range w.request.Tools {
		if choice != nil && len(choice.Only) > 0 && !named(choice) && !slices.Contains(choice.Only, t.Name) {
			continue
		}
		w.body.Tools = append(w.body.Tools, w.tool(t))
	}
	if choice != nil && len(w.body.Tools) > 0 {
		w.toolChoice(choice)
	}
}

func (w *writer) tool(t llm.Tool) json.RawMessage {
	if p := t.Provider; p != nil {
		if p.Dialect != dialectName {
			w.unsupported("tools", "tools of type "+p.Kind+" are")
		}
		return p.JSON
	}
	schema := w.inputSchema(&t)
	if t.Strict != nil && !w.model.schemas {
		w.DropIf(*t.Strict, "tools.strict")
		t.Strict = nil
	}
	return w.JSON(tool{Name: t.Name, Description: t.Description, InputSchema: schema, Strict: t.Strict})
}

// named reports whether the choice is one tool that must be called.
func named(c *llm.ToolChoice) bool { return c.Mode == llm.ToolsRequired && len(c.Only) == 1 }

func (w *writer) toolChoice(c *llm.ToolChoice) {
	out := &toolChoice{Type: "auto", Serial: c.Serial}
	switch {
	case c.Mode == llm.ToolsNone:
		out = &toolChoice{Type: "none"}
	case c.Mode == llm.ToolsRequired && !w.forces():
		w.instruct("tool_choice", forcingInstruction(c))
	case named(c):
		out.Type, out.Name = "tool", c.Only[0]
	case c.Mode == llm.ToolsRequired:
		out.Type = "any"
	}
	w.body.ToolChoice = out
}

// forces reports whether the model can be made to call a tool.
func (w *writer) forces() bool {
	switch w.model.forcing {
	case forcesNever:
		return false
	case forcesUnthinking:
		return !w.thinks()
	default:
		return w.model.thinking != thinksByBudget || !w.thinks()
	}
}

func forcingInstruction(c *llm.ToolChoice) string {
	if named(c) {
		return "You must call the tool " + strings.TrimSpace(c.Only[0]) + " before you answer."
	}
	return "You must call at least one of the tools before you answer."
}
