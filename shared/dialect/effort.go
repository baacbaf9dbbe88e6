package dialect

import (
	"slices"

	"github.com/offbeat-studio/allama/shared/llm"
)

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

// efforts are all of them, least first.
var efforts = []string{
	string(llm.EffortNone), string(llm.EffortMinimal), string(llm.EffortLow), string(llm.EffortMedium),
	string(llm.EffortHigh), string(llm.EffortXHigh), string(llm.EffortMax),
}

// NearestEffort returns the word for an effort that is among those that a model
// takes: the next one up where it does not take that one, or else the next one
// down. Where it is not known what it takes, and where the word is not known,
// that stays.
func NearestEffort(takes []string, word string) string {
	wanted := slices.Index(efforts, word)
	if takes == nil || wanted < 0 || slices.Contains(takes, word) {
		return word
	}
	for _, w := range efforts[wanted:] {
		if slices.Contains(takes, w) {
			return w
		}
	}
	for _, w := range slices.Backward(efforts[:wanted]) {
		if slices.Contains(takes, w) {
			return w
		}
	}
	return word
}
