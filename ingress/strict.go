package ingress

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

// headerStrict asks for a call to be strict: to be rather refused than carried
// in part.
const headerStrict = "X-Allama-Strict"

// strictly says whether a call is strict. Its header cannot loosen what its key
// says.
func (w *response) strictly(h http.Header) (bool, error) {
	strict := w.strict
	for _, value := range h.Values(headerStrict) {
		switch strings.ToLower(strings.TrimSpace(value)) {
		case "true":
			strict = true
		case "false":
		default:
			name := strings.ToLower(headerStrict)
			return false, invalid(name, fmt.Sprintf("header %s must be true or false, not %q", name, value))
		}
	}
	return strict, nil
}

// The fields are what dialects call a field, where that is not what it is called
// in package dialect: as OpenAI's chats have it.
var (
	anthropicFields = map[string]string{
		"parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
		"reasoning_effort":    "output_config.effort",
		"response_format":     "output_config.format",
		"stop":                "stop_sequences",
		"strict":              "tools.strict",
		"user":                "metadata.user_id",
	}
	responsesFields = map[string]string{
		"max_tokens":                  "max_output_tokens",
		"messages":                    "input",
		"reasoning_effort":            "reasoning.effort",
		"response_format":             "text.format",
		"response_format.description": "text.format.description",
		"strict":                      "tools.strict",
	}
	ollamaFields = map[string]string{
		"frequency_penalty": "options.frequency_penalty",
		"max_tokens":        "options.num_predict",
		"min_p":             "options.min_p",
		"num_batch":         "options.num_batch",
		"num_ctx":           "options.num_ctx",
		"num_gpu":           "options.num_gpu",
		"num_keep":          "options.num_keep",
		"num_thread":        "options.num_thread",
		"presence_penalty":  "options.presence_penalty",
		"reasoning_effort":  "think",
		"repeat_last_n":     "options.repeat_last_n",
		"repeat_penalty":    "options.repeat_penalty",
		"response_format":   "format",
		"seed":              "options.seed",
		"stop":              "options.stop",
		"temperature":       "options.temperature",
		"top_k":             "options.top_k",
		"top_p":             "options.top_p",
		"typical_p":         "options.typical_p",
		"use_mmap":          "options.use_mmap",
	}
)

// field is what the client calls a field.
func (s *speaker) field(name string) string {
	if own, ok := s.fields[name]; ok {
		return own
	}
	return name
}

// ownField returns an error with the name that the client has for the field in
// question, where the call was translated.
func (x *exchange) ownField(err error) error {
	e := llm.AsError(err)
	if e == nil || !x.translated() {
		return err
	}
	own := x.endpoint.speaker.field(e.Param)
	if own == e.Param {
		return err
	}
	said := *e
	said.Param = own
	if rest, ok := strings.CutPrefix(e.Message, e.Param+" "); ok {
		said.Message = own + " " + rest
	}
	return &said
}

// ownFields is ownField for warnings.
func (x *exchange) ownFields(warnings []llm.Warning) []llm.Warning {
	if !x.translated() {
		return warnings
	}
	own := slices.Clone(warnings)
	for i := range own {
		own[i].Field = x.endpoint.speaker.field(own[i].Field)
	}
	return own
}
