package dialect

import (
	"testing"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

func TestOutputLimitOfAnyDialect(t *testing.T) {
	for body, want := range map[string]int{
		`{"max_tokens":7}`:                                 7,
		`{"max_completion_tokens":7}`:                      7,
		`{"max_output_tokens":7}`:                          7,
		`{"options":{"seed":1,"num_predict":7}}`:           7,
		`{"options":{"num_predict":-1}}`:                   0,
		`{"options":[7],"num_predict":7}`:                  0,
		`{"max_tokens":null}`:                              0,
		`{"max_tokens":"7","messages":[{"max_tokens":7}]}`: 0,
	} {
		got := 0
		for f := range rawjson.Fields([]byte(body)) {
			got = max(got, OutputLimit(f))
		}
		if got != want {
			t.Errorf("%s: got %d, want %d", body, got, want)
		}
	}
}
