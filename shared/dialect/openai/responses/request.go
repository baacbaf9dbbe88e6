package responses

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A decoding is one request on its way into the canonical language.
type decoding struct {
	in    request
	out   llm.Request
	names toolNames
}

func decode(body []byte) (*dialect.Call, error) {
	fields := fieldsOf(body)
	d := decoding{out: llm.Request{Extra: extra(body)}}
	if err := json.Unmarshal(body, &d.in); err != nil {
		return nil, wrongType(err)
	}
	for _, read := range []func() error{
		d.untranslatable, d.tools, d.input, d.sampling, d.format, d.reasoning,
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	d.out.Model, d.out.Stream = d.in.Model, d.in.Stream
	d.out.User = cmp.Or(d.in.SafetyIdentifier, d.in.User)
	a := answer{
		model: d.in.Model, echo: echo(fields), names: d.names,
		encrypted: slices.Contains(d.in.Include, includeEncrypted),
		began:     sync.OnceValue(time.Now), ended: sync.OnceValue(time.Now),
	}
	return &dialect.Call{Request: &d.out, Encoder: &encoder{answer: a}, Warnings: d.names.warnings()}, nil
}

// fieldsOf returns the fields of the body, which is not held on to.
func fieldsOf(body []byte) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	for f := range rawjson.Fields(body) {
		fields[f.Key] = slices.Clone(f.Value)
	}
	return fields
}

// idle are the values with which fields ask for nothing.
var idle = map[string][]string{
	"truncation":   {`"disabled"`},
	"service_tier": {`"auto"`, `"default"`},
	"metadata":     {"{}"},
	"background":   {"false"},

	"previous_response_id": {`""`},
}

// extra returns the fields that the canonical form has no word for.
func extra(body []byte) map[string]json.RawMessage {
	fields := rawjson.Unknown[request](body)
	for name, value := range fields {
		if rawjson.IsNull(value) || slices.Contains(idle[name], rawjson.Compact(value)) {
			delete(fields, name)
			continue
		}
		fields[name] = slices.Clone(value)
	}
	return fields
}

// note says that something of the request is in no field of the canonical form.
func (d *decoding) note(field string, value json.RawMessage) {
	if d.out.Extra == nil {
		d.out.Extra = map[string]json.RawMessage{}
	}
	d.out.Extra[field] = value
}

// stateful are the fields that would need a store of answers, or a run behind
// the client's back.
var stateful = []string{"previous_response_id", "conversation", "background", "prompt"}

// untranslatable refuses what must not be dropped.
func (d *decoding) untranslatable() error {
	if d.in.Model == "" {
		return invalid("model", "you must provide a model parameter")
	}
	for _, name := range stateful {
		if !rawjson.IsNull(d.out.Extra[name]) {
			return unsupported(name, "'%s' is not supported with this model.", name)
		}
	}
	return nil
}

func (d *decoding) sampling() error {
	d.out.Sampling = llm.Sampling{Temperature: d.in.Temperature, TopP: d.in.TopP}
	d.out.Limits.MaxTokens = max(d.in.MaxOutputTokens, 0)
	for _, what := range d.in.Include {
		switch what {
		case includeLogprobs:
			d.out.Logprobs = cmp.Or(d.in.TopLogprobs, new(0))
		case includeEncrypted:
		default: // more of a tool that the provider runs
			d.note("include."+what, json.RawMessage("true"))
		}
	}
	return nil
}

func (d *decoding) format() error {
	t := cmp.Or(d.in.Text, &textOptions{})
	if t.Verbosity != "" && t.Verbosity != "medium" {
		d.note("text.verbosity", rawjson.String(t.Verbosity))
	}
	f := cmp.Or(t.Format, &format{Type: "text"})
	switch f.Type {
	case "text":
	case "json_object":
		d.out.Format = &llm.Format{}
	case "json_schema":
		if rawjson.IsNull(f.Schema) {
			return invalid("text.format.schema", "Missing required parameter: 'text.format.schema'.")
		}
		d.out.Format = &llm.Format{Name: f.Name, Description: f.Description, Schema: f.Schema, Strict: f.Strict}
	default:
		return invalid("text.format.type", "Invalid value: '%s'. Supported values are: 'text', 'json_object', and 'json_schema'.", f.Type)
	}
	return nil
}

var efforts = []llm.Effort{
	llm.EffortNone, llm.EffortMinimal, llm.EffortLow, llm.EffortMedium,
	llm.EffortHigh, llm.EffortXHigh, llm.EffortMax,
}

// reasoning reads the effort. Thoughts are shown whether or not a summary was
// asked for: there is no other place for them.
func (d *decoding) reasoning() error {
	r := d.in.Reasoning
	if r == nil || text(r.Effort) == "" {
		return nil
	}
	effort := llm.Effort(*r.Effort)
	if !slices.Contains(efforts, effort) {
		d.note("reasoning.effort", rawjson.String(*r.Effort))
		return nil
	}
	d.out.Reasoning = &llm.Reasoning{Effort: effort}
	return nil
}
