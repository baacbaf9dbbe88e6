package openai

import (
	"encoding/json"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// readUsage reads the usage of an answer, which must be valid JSON, as
// encoding/json does. It reports false where it is no usage.
func readUsage(counts []byte) (*llm.Usage, bool) {
	if u, ok := plainUsage(counts); ok {
		return u, true
	}
	var u usage
	if json.Unmarshal(counts, &u) != nil {
		return nil, false
	}
	return u.canonical(), true
}

// A place is where a count of an object goes, or the counts of an object in it.
type place struct {
	key    string
	count  *number
	inside []place
}

// plainUsage is readUsage for what has all keys in plain lower case.
func plainUsage(counts []byte) (*llm.Usage, bool) {
	var prompt promptDetails
	var completion completionDetails
	u := usage{Prompt: &prompt, Completion: &completion}
	ok := fill([]place{
		{key: "prompt_tokens", count: &u.PromptTokens},
		{key: "completion_tokens", count: &u.CompletionTokens},
		{key: "total_tokens", count: &u.TotalTokens},
		{key: "prompt_cache_hit_tokens", count: &u.CacheHit},
		{key: "prompt_tokens_details", inside: []place{
			{key: "cached_tokens", count: &prompt.Cached}, {key: "cache_write_tokens", count: &prompt.CacheWrite},
		}},
		{key: "completion_tokens_details", inside: []place{{key: "reasoning_tokens", count: &completion.Reasoning}}},
	}, counts)
	if !ok {
		return nil, false
	}
	return u.canonical(), true
}

// fill puts the counts of an object where they go.
func fill(places []place, object []byte) bool {
	if !rawjson.IsObject(object) {
		return false
	}
	for f := range rawjson.Fields(object) {
		if !rawjson.IsLower(f.Key) {
			return false // encoding/json may take it for one in lower case
		}
		for _, p := range places {
			if p.key == f.Key && !p.take(f.Value) {
				return false
			}
		}
	}
	return true
}

// take puts a value where it goes.
func (p place) take(value json.RawMessage) bool {
	if p.count != nil {
		_ = p.count.UnmarshalJSON(value) // it never fails
		return true
	}
	if rawjson.IsNull(value) { // that undoes one before it
		for _, inner := range p.inside {
			*inner.count = 0
		}
		return true
	}
	return fill(p.inside, value)
}
