package dialect

import (
	"bytes"
	"slices"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// outputLimits are the fields of calls that say how long the answer may be, in
// all dialects but Ollama's, which has it among its options.
var outputLimits = []string{"max_tokens", "max_completion_tokens", "max_output_tokens"}

const (
	ollamaOptions = "options"
	ollamaLimit   = "num_predict" // negative: there is none
)

// OutputLimit returns how many tokens the answer to a call may have, where a
// field of its body says that in any dialect; otherwise, and where the field says
// that there is no limit, 0.
func OutputLimit(f rawjson.Field) (tokens int) {
	switch {
	case slices.Contains(outputLimits, f.Key):
		_ = rawjson.Read(f.Value, &tokens) // what is no number is no limit
	case f.Key == ollamaOptions && bytes.HasPrefix(f.Value, []byte("{")):
		for option := range rawjson.Fields(f.Value) {
			if option.Key == ollamaLimit {
				_ = rawjson.Read(option.Value, &tokens)
			}
		}
	}
	return max(tokens, 0)
}
