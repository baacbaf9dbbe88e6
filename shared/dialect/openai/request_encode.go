package openai

import (
	"cmp"
	"encoding/json"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// Encode writes a chat completion.
func (c Client) Encode(r *llm.Request) (*dialect.Encoded, error) {
	e := encoding{client: c, in: r, ids: dialect.CallIDs{Legal: shorten}}
	e.out = request{Model: r.Model, Messages: []message{}}
	e.refusals = c.refusedOf(r.Model, string(e.reasoning()))
	e.tools()
	e.messages()
	e.sampling()
	e.limits()
	e.format()
	e.caller()
	e.refused()
	e.Rest(r.Extra, func(field string) error {
		return unsupported(field, "'%s' is not supported with this model", field)
	})
	return e.Encoded(chatCompletions, e.out)
}

// An encoding is one request on its way to the wire.
type encoding struct {
	dialect.Draft
	client  Client
	in      *llm.Request
	out     request
	ids     dialect.CallIDs
	pending []any // parts of tool results, which can be shown in a user's message only

	refusals []string // the fields that the model refuses
	urged    bool     // a call that must be made can only be asked for in words
}

func (e *encoding) unsupported(param, format string, args ...any) {
	e.Refuse(unsupported(param, format, args...))
}

func (e *encoding) sampling() {
	s := e.in.Sampling
	e.out.sampling = sampling{
		Temperature:      s.Temperature,
		TopP:             s.TopP,
		Seed:             s.Seed,
		FrequencyPenalty: s.FrequencyPenalty,
		PresencePenalty:  s.PresencePenalty,
	}
	e.samplers()
	if n := e.in.Logprobs; n != nil {
		e.out.Logprobs, e.out.TopLogprobs = true, *n
	}
}

func (e *encoding) limits() {
	l := e.in.Limits
	if e.client.MaxTokensField == "max_completion_tokens" {
		e.out.MaxCompletionTokens = l.MaxTokens
	} else {
		e.out.MaxTokens = l.MaxTokens
	}
	const most = 4
	e.DropIf(len(l.Stop) > most, "stop")
	if len(l.Stop) > 0 {
		e.out.Stop = e.JSON(l.Stop[:min(len(l.Stop), most)])
	}
}

func (e *encoding) format() {
	f := e.in.Format
	switch {
	case f == nil:
	case rawjson.IsNull(f.Schema):
		e.out.ResponseFormat = &responseFormat{Type: "json_object"}
	case !json.Valid(f.Schema):
		e.Refuse(invalid("response_format", "the schema of the response format is not valid JSON"))
	case e.emulated():
		e.out.ResponseFormat = &responseFormat{Type: "json_object"}
		e.Ask("response_format")
	default:
		e.out.ResponseFormat = &responseFormat{Type: "json_schema", JSONSchema: &jsonSchema{
			Name: cmp.Or(f.Name, "response"), Description: f.Description, Schema: f.Schema,
			Strict: cmp.Or(f.Strict, new(dialect.Closed(f.Schema))),
		}}
	}
}

// schemaPrompt asks for a schema where the upstream cannot enforce it.
const schemaPrompt = "Answer with one JSON object and nothing else. It must be valid against this JSON Schema: "

// emulated reports whether the answer's schema can only be asked for in words.
func (e *encoding) emulated() bool {
	f := e.in.Format
	return e.client.NoSchemas && f != nil && !rawjson.IsNull(f.Schema) && json.Valid(f.Schema)
}

// reasoning writes the effort, and returns it. Where only a budget is given, its share of the
// output tells the effort.
func (e *encoding) reasoning() llm.Effort {
	r := e.in.Reasoning
	if r == nil {
		return ""
	}
	e.DropIf(r.Hidden && e.client.ReasoningField != "none", "thinking.display") // where it is none, thoughts are never shown
	effort := cmp.Or(r.Effort, llm.EffortMedium)
	if limit := e.in.Limits.MaxTokens; r.Effort == "" && r.Budget > 0 && limit > 0 {
		effort = dialect.Effort(r.Budget, limit)
	}
	if e.client.ThinkingSwitch && effort == llm.EffortNone {
		e.out.Thinking = json.RawMessage(`{"type":"disabled"}`)
		return effort
	}
	taken := e.client.effortFor(e.in.Model, effort)
	if taken != effort {
		e.Emulate("reasoning_effort")
	}
	e.out.ReasoningEffort = string(taken)
	return taken
}

func (e *encoding) caller() {
	user := dialect.ShortUser(e.in.User)
	if e.client.UserField == "safety_identifier" {
		e.out.SafetyIdentifier = user
	} else {
		e.out.User = user
	}
	e.out.Stream = e.in.Stream
	if e.in.Stream && !e.client.NoStreamOptions {
		e.out.StreamOptions = &streamOptions{IncludeUsage: true}
	}
}
