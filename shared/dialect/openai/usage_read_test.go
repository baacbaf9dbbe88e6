package openai

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

const fullUsage = `{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":1,"cache_write_tokens":2,"audio_tokens":0},` +
	`"completion_tokens_details":{"reasoning_tokens":4,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":null},"cost":0.5}`

var usages = []string{
	fullUsage, `{}`, `[]`, `7`, `"x"`, `null`, `{"prompt_tokens":"9","completion_tokens":1.5e1,"total_tokens":null}`,
	`{"prompt_tokens":[1],"completion_tokens":{"a":1},"total_tokens":-1}`, `{"prompt_tokens":1,"prompt_tokens":2}`, `{"prompt_tokens":1,"Prompt_Tokens":2}`,
	`{"prompt_tokens":5,"prompt_tokens_details":null}`, `{"prompt_tokens":5,"prompt_tokens_details":[]}`, `{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":1},"prompt_tokens_details":{"cache_write_tokens":1}}`,
	`{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":1},"prompt_tokens_details":null}`, `{"prompt_tokens":5,"prompt_tokens_details":{"CACHED_TOKENS":1}}`,
	`{"completion_to\u006bens":5}`, `{"completion_toKens":5}`, `{"prompt_tokens":9007199254740993,"prompt_cache_hit_tokens":1}`,
}

func TestUsageIsReadAsEncodingJSONDoes(t *testing.T) {
	for _, counts := range usages {
		checkUsage(t, []byte(counts))
	}
	if _, ok := plainUsage([]byte(fullUsage)); !ok {
		t.Errorf("%s is not plain", fullUsage)
	}
}

func FuzzUsage(f *testing.F) {
	for _, counts := range usages {
		f.Add([]byte(counts))
	}
	f.Fuzz(func(t *testing.T, counts []byte) {
		if rawjson.Check(counts) == nil {
			checkUsage(t, counts)
		}
	})
}

func checkUsage(t *testing.T, counts []byte) {
	t.Helper()
	var want usage
	err := json.Unmarshal(counts, &want)
	got, ok := readUsage(counts)
	if ok != (err == nil) {
		t.Fatalf("%s: got %v want %v", counts, ok, err)
	}
	if ok && !reflect.DeepEqual(got, want.canonical()) {
		t.Errorf("%s: got %+v want %+v", counts, got, want.canonical())
	}
}
