package dialect

import "github.com/offbeat-studio/allama/shared/llm"

// Effort names the effort that spends budget tokens on thinking, of limit
// tokens in all.
func Effort(budget, limit int) llm.Effort {
	switch share := float64(budget) / float64(limit); {
	case share < 0.25:
		return llm.EffortLow
	case share < 0.6:
		return llm.EffortMedium
	default:
		return llm.EffortHigh
	}
}
