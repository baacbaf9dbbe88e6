package dialect

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// nothing are the values with which most fields ask for nothing.
var nothing = []string{"", "null", "false", `""`, "[]", "{}"}

// idle are the values with which a field asks for nothing more than holds
// anyway, besides those that are nothing.
var idle = map[string][]string{
	"best_of":                {"0", "1"},
	"frequency_penalty":      {"0"},
	"min_p":                  {"0"},
	"modalities":             {`["text"]`},
	"n":                      {"0", "1"},
	"parallel_tool_calls":    {"true"},
	"presence_penalty":       {"0"},
	"prompt_cache_retention": {`"in_memory"`, `"in-memory"`},
	"repeat_penalty":         {"1"},
	"repetition_penalty":     {"1"},
	"service_tier":           {`"auto"`, `"default"`},
	"stream_options":         {`{"include_usage":false}`},
	"temperature":            {"1"},
	"top_logprobs":           {"0"},
	"top_p":                  {"1"},
	"truncation":             {`"disabled"`},
	"typical_p":              {"1"},
	"verbosity":              {`"medium"`},
}

// said are the fields that ask for something with a value that is nothing in
// others, and the only values with which they do not.
var said = map[string][]string{
	"shift":              {"null", "true"},
	"truncate":           {"null", "true"},
	"use_mmap":           {"null", "true"},
	"web_search_options": {"null"},
}

// Idle reports whether a field asks for nothing with a value, so that whoever
// leaves it out need not say so. The field is as OpenAI's chats call it, or
// whichever dialect has it.
func Idle(field string, value json.RawMessage) bool {
	text := rawjson.Compact(value)
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		text = strconv.FormatFloat(number, 'g', -1, 64)
	}
	if only, ok := said[field]; ok {
		return text == "" || slices.Contains(only, text)
	}
	return slices.Contains(nothing, text) || slices.Contains(idle[field], text)
}

// Samplers drops what s has, but for values that leave the choice of tokens as
// it is.
func (d *Draft) Samplers(s llm.Sampling) {
	d.DropIf(asks(s.Temperature, 1), "temperature")
	d.DropIf(asks(s.TopP, 1), "top_p")
	d.DropIf(s.TopK != nil && *s.TopK > 0, "top_k")
	d.DropIf(asks(s.MinP, 0), "min_p")
	d.DropIf(s.Seed != nil, "seed")
	d.DropIf(asks(s.FrequencyPenalty, 0), "frequency_penalty")
	d.DropIf(asks(s.PresencePenalty, 0), "presence_penalty")
	d.DropIf(asks(s.RepeatPenalty, 1), "repeat_penalty")
}

func asks(wanted *float64, neutral float64) bool { return wanted != nil && *wanted != neutral }
