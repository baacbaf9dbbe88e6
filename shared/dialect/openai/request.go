package openai

import (
	"cmp"
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
	if err := in.read(body); err != nil {
		return nil, wrongType(err)
	}
	r := reading{request: in, out: &llm.Request{
		Model:  in.Model,
		Stream: in.Stream,
		User:   cmp.Or(in.SafetyIdentifier, in.User),
		Extra:  extra(body),
	}}
	r.messages()
	r.tools()
	r.limits()
	r.format()
	r.sampled()
	r.reasoned()
	if r.err != nil {
		return nil, r.err
	}
	answer := chatAnswer{
		model:  in.Model,
		usage:  in.StreamOptions != nil && in.StreamOptions.IncludeUsage,
		legacy: in.legacy(),
		custom: r.custom,
	}
	call := &dialect.Call{Request: r.out, Encoder: &chatEncoder{chatAnswer: answer}}
	if len(r.custom) > 0 {
		call.Warnings = []llm.Warning{dialect.FreeFormWarning()}
	}
	return call, in.untranslatable()
}

// A reading is a request on its way from the wire. What is read after the
// first error is of no use.
type reading struct {
	request
	out    *llm.Request
	custom []string // the names of the free-form tools
	err    error
}

func (r *reading) invalid(param, format string, args ...any) {
	if r.err == nil {
		r.err = invalid(param, format, args...)
	}
}

// missing says that what should be at a path is not there.
func (r *reading) missing(path string) {
	r.invalid(path, "Missing required parameter: '%s'.", path)
}

// extra returns the fields that the canonical form has no word for.
func extra(body []byte) map[string]json.RawMessage { return unknown[request](body) }

// unknown returns the fields of a body that T has no word for.
func unknown[T any](body []byte) map[string]json.RawMessage {
	fields := rawjson.Unknown[T](body)
	for name, value := range fields {
		if rawjson.IsNull(value) {
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
		{"web_search_options", !rawjson.IsNull(in.WebSearch)},
	} {
		if f.asked {
			return unsupported(f.name, "'%s' is not supported with this model.", f.name)
		}
	}
	return nil
}

func (r *reading) sampled() {
	in := r.request
	r.out.Sampling = in.sampling.canonical()
	if in.Logprobs {
		r.out.Logprobs = &in.TopLogprobs
	}
}

func (r *reading) limits() {
	l := &r.out.Limits
	// Some clients say -1 for no limit.
	l.MaxTokens = cmp.Or(max(r.MaxCompletionTokens, 0), max(r.MaxTokens, 0))
	var err error
	if l.Stop, err = stops(r.Stop); err != nil && r.err == nil {
		r.err = err
	}
}

func (r *reading) format() {
	f := r.ResponseFormat
	switch {
	case f == nil || f.Type == "text":
	case f.Type == "json_object":
		r.out.Format = &llm.Format{Schema: known(f.Schema)}
	case f.Type == "json_schema" && f.JSONSchema != nil:
		s := f.JSONSchema
		r.out.Format = &llm.Format{Name: s.Name, Description: s.Description, Strict: s.Strict, Schema: known(s.Schema)}
	case f.Type == "json_schema":
		r.missing("response_format.json_schema")
	default:
		r.invalid("response_format.type", "Invalid value: '%s'. Supported values are: 'text', 'json_object', and 'json_schema'.", f.Type)
	}
}

// known returns a field, or nothing for null.
func known(raw json.RawMessage) json.RawMessage {
	if rawjson.IsNull(raw) {
		return nil
	}
	return raw
}

var efforts = []llm.Effort{
	llm.EffortNone, llm.EffortMinimal, llm.EffortLow, llm.EffortMedium,
	llm.EffortHigh, llm.EffortXHigh, llm.EffortMax,
}

func (r *reading) reasoned() {
	out, effort := r.out, r.ReasoningEffort
	if w := r.Reasoning; w != nil && *w != (reasoning{}) {
		effort = cmp.Or(effort, w.Effort)
		if w.Enabled != nil && !*w.Enabled {
			effort = string(llm.EffortNone)
		}
		out.Reasoning = &llm.Reasoning{Budget: max(w.MaxTokens, 0), Hidden: w.Exclude}
	}
	if thinksNot(r.Thinking) {
		effort = string(llm.EffortNone)
	} else {
		r.note("thinking", r.Thinking)
	}
	if effort == "" {
		return
	}
	if !slices.Contains(efforts, llm.Effort(effort)) { // such as Groq's default
		if out.Extra == nil {
			out.Extra = map[string]json.RawMessage{}
		}
		out.Extra["reasoning_effort"] = rawjson.String(effort)
		return
	}
	out.Reasoning = cmp.Or(out.Reasoning, &llm.Reasoning{})
	out.Reasoning.Effort = llm.Effort(effort)
}

func invalid(param, format string, args ...any) error {
	return refuse(llm.CodeInvalid, param, fmt.Sprintf(format, args...))
}

func unsupported(param, format string, args ...any) error {
	return refuse(llm.CodeUnsupported, param, fmt.Sprintf(format, args...))
}

func refuse(code llm.Code, param, message string) error {
	return &llm.Error{Code: code, Param: param, Message: dialect.Clip(message)}
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
