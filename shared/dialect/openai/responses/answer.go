package responses

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// An answer is what is the same however a call is answered.
type answer struct {
	model     string
	echo      []byte // the fields of the response object that only repeat the request
	names     toolNames
	encrypted bool // thoughts carry encrypted_content

	// When the first answer to the call began, where the upstream does not
	// say, and when it was complete. Whoever starts over says the same.
	began, ended func() time.Time
}

// echoed are the fields of the response object that repeat the request, with
// what they say where the request does not.
var echoed = []struct{ field, otherwise string }{
	{"background", "false"},
	{"instructions", "null"},
	{"max_output_tokens", "null"},
	{"max_tool_calls", "null"},
	{"parallel_tool_calls", "true"},
	{"previous_response_id", "null"},
	{"prompt_cache_key", "null"},
	{"reasoning", "{}"},
	{"safety_identifier", "null"},
	{"service_tier", `"default"`},
	{"store", "false"}, // whatever the request says: nothing is kept
	{"temperature", "1"},
	{"text", "{}"},
	{"tool_choice", `"auto"`},
	{"tools", "[]"},
	{"top_logprobs", "0"},
	{"top_p", "1"},
	{"truncation", `"disabled"`},
	{"user", "null"},
	{"metadata", "{}"},
}

// echo writes the echoed fields, without the braces of an object.
func echo(fields map[string]json.RawMessage) []byte {
	var out []byte
	for _, e := range echoed {
		value := fields[e.field]
		if rawjson.IsNull(value) || e.field == "store" {
			value = json.RawMessage(e.otherwise)
		}
		switch e.field {
		case "reasoning":
			value = echoedReasoning(value)
		case "text":
			value = echoedText(value)
		}
		out = append(append(out, `,"`+e.field+`":`...), rawjson.Compact(value)...)
	}
	return out
}

func echoedReasoning(raw json.RawMessage) json.RawMessage {
	var in reasoning
	_ = json.Unmarshal(raw, &in) // the request was read before
	return must(struct {
		Effort  *string `json:"effort"`
		Summary *string `json:"summary"`
	}{in.Effort, cmp.Or(in.Summary, in.GenerateSummary)})
}

func echoedText(raw json.RawMessage) json.RawMessage {
	var in struct {
		Format    json.RawMessage `json:"format"`
		Verbosity string          `json:"verbosity"`
	}
	_ = json.Unmarshal(raw, &in)
	if rawjson.IsNull(in.Format) {
		in.Format = json.RawMessage(`{"type":"text"}`)
	}
	in.Verbosity = cmp.Or(in.Verbosity, "medium")
	return must(in)
}

// A response is the response object, but for what is echoed.
type response struct {
	ID          string            `json:"id"`
	Object      string            `json:"object"`
	CreatedAt   int64             `json:"created_at"`
	CompletedAt *int64            `json:"completed_at"`
	Status      string            `json:"status"`
	Error       *failure          `json:"error"`
	Incomplete  *incomplete       `json:"incomplete_details"`
	Model       string            `json:"model"`
	Output      []json.RawMessage `json:"output"`
	Usage       *usage            `json:"usage"`
}

type incomplete struct {
	Reason string `json:"reason"`
}

// response returns the object as it stands.
func (e *encoder) response(status string) response {
	return response{
		ID: e.id, Object: "response", CreatedAt: e.created, Status: status, Model: e.model,
		Output: append([]json.RawMessage{}, e.output...),
	}
}

// object writes a response with what is echoed.
func (a *answer) object(r response) json.RawMessage {
	text := must(r)
	return append(append(text[:len(text)-1], a.echo...), '}')
}

// cuts are the finish reasons with which an answer is not complete.
var cuts = map[llm.FinishReason]string{
	llm.FinishLength:        "max_output_tokens",
	llm.FinishContentFilter: "content_filter",
}

// finished returns the object of a whole answer.
func (e *encoder) finished(f llm.Finish) response {
	r := e.response("completed")
	r.Usage = wireUsage(f.Usage)
	if reason, ok := cuts[f.Reason]; ok {
		r.Status, r.Incomplete = "incomplete", &incomplete{Reason: reason}
		return r
	}
	r.CompletedAt = new(max(e.created, e.ended().Unix()))
	return r
}

// Whole writes an answer that is not streamed: the object that the stream of
// the same answer ends with.
func (e *encoder) Whole(r *llm.Response) ([]byte, error) {
	quiet := &encoder{answer: e.answer, quiet: true}
	for event, err := range r.Events() {
		if err == nil {
			_, err = quiet.Event(nil, event)
		}
		if err != nil {
			return nil, err
		}
	}
	return quiet.object(quiet.last), nil
}
