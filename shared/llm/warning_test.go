package llm_test

import (
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestStrictlyRefusesWhatIsLostOfAWish(t *testing.T) {
	for _, tt := range []struct {
		name    string
		warning llm.Warning
		refused string
	}{
		{"a wish that is dropped", llm.Warning{Policy: llm.Dropped, Field: "seed"}, "seed"},
		{"one that is done in another way", llm.Warning{Policy: llm.Emulated, Field: "format"}, ""},
		{"one that is asked for in words", llm.Warning{Policy: llm.Emulated, Field: "format", Weak: true}, "format"},
		{"a thought of the past", llm.Warning{Policy: llm.Dropped, Field: "messages.thinking", Thought: true}, ""},
	} {
		e := llm.AsError(llm.Strictly([]llm.Warning{tt.warning}))
		if refused := e != nil; refused != (tt.refused != "") || refused && e.Param != tt.refused {
			t.Errorf("%s: got %v, want a refusal over %q", tt.name, e, tt.refused)
		}
	}
}
