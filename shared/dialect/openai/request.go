package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// decodeChat reads the body of a chat completion.
func decodeChat(body []byte) (*dialect.Call, error) {
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, wrongType(err)
	}
	out := &llm.Request{Model: in.Model, Stream: in.Stream, Extra: extra(body)}
	for _, read := range []func(*llm.Request) error{
		in.readMessages, in.readTools, in.readSampling, in.readLimits, in.readFormat, in.readReasoning,
	} {
		if err := read(out); err != nil {
			return nil, err
		}
	}
	if out.User = in.SafetyIdentifier; out.User == "" {
		out.User = in.User
	}
	answer := chatAnswer{
		model:  in.Model,
		usage:  in.StreamOptions != nil && in.StreamOptions.IncludeUsage,
		legacy: in.legacy(),
	}
	return &dialect.Call{Request: out, Encoder: &chatEncoder{chatAnswer: answer}}, in.untranslatable()
}

// extra returns the fields that the canonical form has no word for.
func extra(body []byte) map[string]json.RawMessage {
	fields := rawjson.Unknown[request](body)
	for name, value := range fields {
		if isNull(value) {
			delete(fields, name)
			continue
		}
		fields[name] = slices.Clone(value) // do not hold on to the body
	}
	return fields
}

// untranslatable names what changes the answer's very form, and therefore must
// not be dropped.
func (in *request) untranslatable() error {
	for _, f := range []struct {
		name  string
		asked bool
	}{
		{"n", in.N > 1},
		{"best_of", in.BestOf > 1},
		{"modalities", slices.Contains(in.Modalities, "audio")},
		{"web_search_options", !isNull(in.WebSearch)},
	} {
		if f.asked {
			return unsupported(f.name, "'%s' is not supported with this model.", f.name)
		}
	}
	return nil
}

func (in *request) readSampling(out *llm.Request) error {
	out.Sampling = llm.Sampling{
		Temperature:      in.Temperature,
		TopP:             in.TopP,
		TopK:             in.TopK,
		MinP:             in.MinP,
		Seed:             in.Seed,
		FrequencyPenalty: in.FrequencyPenalty,
		PresencePenalty:  in.PresencePenalty,
		RepeatPenalty:    in.RepeatPenalty,
	}
	if in.Logprobs {
		out.Logprobs = &in.TopLogprobs
	}
	return nil
}

func (in *request) readLimits(out *llm.Request) error {
	// Some clients say -1 for no limit.
	if out.Limits.MaxTokens = max(in.MaxCompletionTokens, 0); out.Limits.MaxTokens == 0 {
		out.Limits.MaxTokens = max(in.MaxTokens, 0)
	}
	if isNull(in.Stop) {
		return nil
	}
	if in.Stop[0] == '"' {
		out.Limits.Stop = make([]string, 1)
		return json.Unmarshal(in.Stop, &out.Limits.Stop[0])
	}
	if json.Unmarshal(in.Stop, &out.Limits.Stop) != nil {
		return invalid("stop", "Invalid type for 'stop': expected a string or an array of strings.")
	}
	return nil
}

func (in *request) readFormat(out *llm.Request) error {
	f := in.ResponseFormat
	switch {
	case f == nil || f.Type == "text":
	case f.Type == "json_object":
		out.Format = &llm.Format{}
		if !isNull(f.Schema) {
			out.Format.Schema = f.Schema
		}
	case f.Type == "json_schema" && f.JSONSchema != nil:
		s := f.JSONSchema
		out.Format = &llm.Format{Name: s.Name, Description: s.Description, Strict: s.Strict}
		if !isNull(s.Schema) {
			out.Format.Schema = s.Schema
		}
	case f.Type == "json_schema":
		return invalid("response_format.json_schema", "Missing required parameter: 'response_format.json_schema'.")
	default:
		return invalid("response_format.type", "Invalid value: '%s'. Supported values are: 'text', 'json_object', and 'json_schema'.", f.Type)
	}
	return nil
}

var efforts = []llm.Effort{
	llm.EffortNone, llm.EffortMinimal, llm.EffortLow, llm.EffortMedium,
	llm.EffortHigh, llm.EffortXHigh, llm.EffortMax,
}

func (in *request) readReasoning(out *llm.Request) error {
	effort := in.ReasoningEffort
	if r := in.Reasoning; r != nil {
		if effort == "" {
			effort = r.Effort
		}
		if r.Enabled != nil && !*r.Enabled {
			effort = string(llm.EffortNone)
		}
		out.Reasoning = &llm.Reasoning{Budget: max(r.MaxTokens, 0), Hidden: r.Exclude}
	}
	if effort == "" {
		return nil
	}
	if !slices.Contains(efforts, llm.Effort(effort)) { // such as Groq's default
		if out.Extra == nil {
			out.Extra = map[string]json.RawMessage{}
		}
		out.Extra["reasoning_effort"] = rawjson.String(effort)
		return nil
	}
	if out.Reasoning == nil {
		out.Reasoning = &llm.Reasoning{}
	}
	out.Reasoning.Effort = llm.Effort(effort)
	return nil
}

func invalid(param, format string, args ...any) error {
	return refuse(llm.CodeInvalid, param, fmt.Sprintf(format, args...))
}

func unsupported(param, format string, args ...any) error {
	return refuse(llm.CodeUnsupported, param, fmt.Sprintf(format, args...))
}

func refuse(code llm.Code, param, message string) error {
	return &llm.Error{Code: code, Param: param, Message: clip(message)}
}

// wrongType words a complaint of encoding/json in the manner of the API.
func wrongType(err error) error {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return &llm.Error{Code: llm.CodeInvalid, Message: "We could not parse the JSON body of your request.", Err: err}
	}
	field := e.Field
	for _, group := range []string{"toolset.", "sampling.", "shape.", "caller."} {
		field = strings.TrimPrefix(field, group) // the name of a Go type, not of a field
	}
	have, _, _ := strings.Cut(e.Value, " ") // the rest is the number's text
	return invalid(field, "Invalid type for '%s': got %s instead.", field, article(have))
}

func article(kind string) string {
	if strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an " + kind
	}
	return "a " + kind
}
