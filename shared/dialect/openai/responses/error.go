package responses

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// An errorBody is what clients get: all four keys, always.
type errorBody struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	} `json:"error"`
}

// A refusal is a status with the words of the dialect for it.
type refusal struct {
	status int
	kind   string
	code   string // empty: null
}

var refusals = map[llm.Code]refusal{
	llm.CodeInvalid:       {400, "invalid_request_error", ""},
	llm.CodeUnsupported:   {400, "invalid_request_error", "unsupported_parameter"},
	llm.CodeUnauthorized:  {401, "authentication_error", "invalid_api_key"},
	llm.CodeForbidden:     {403, "permission_error", ""},
	llm.CodeModelNotFound: {404, "invalid_request_error", "model_not_found"},
	llm.CodeNotFound:      {404, "invalid_request_error", "unknown_url"},
	llm.CodeTooLarge:      {413, "invalid_request_error", ""},
	llm.CodeContextLength: {400, "invalid_request_error", "context_length_exceeded"},
	llm.CodeContentFilter: {400, "invalid_request_error", "content_filter"},
	llm.CodeRateLimited:   {429, "rate_limit_error", "rate_limit_exceeded"},
	llm.CodeOverloaded:    {503, "server_error", "overloaded"},
	llm.CodeUpstream:      {502, "server_error", "upstream_error"},
	llm.CodeUpstreamAuth:  {502, "api_error", "upstream_auth_error"},
	llm.CodeUpstreamBill:  {502, "api_error", "upstream_billing"},
	llm.CodeUnreachable:   {502, "server_error", "upstream_unreachable"},
	llm.CodeTimeout:       {504, "timeout_error", "upstream_timeout"},
	llm.CodeInterrupted:   {502, "server_error", "upstream_error"},
	llm.CodeCanceled:      {499, "server_error", ""}, // seen by no one but the log
	llm.CodeInternal:      {500, "server_error", ""},
}

// Refuse writes a failure. The dialect shows the request id in a header only.
func (Server) Refuse(e *llm.Error, _ string) (status int, body []byte) {
	if e.Status != 0 && len(e.Body) > 0 {
		return e.Status, e.Body
	}
	r, ok := refusals[e.Code]
	if !ok {
		r = refusals[llm.CodeInternal]
	}
	var out errorBody
	out.Error.Message, out.Error.Type = e.Message, r.kind
	param := e.Param
	if param == "" && e.Code == llm.CodeContextLength {
		param = "input"
	}
	if param != "" {
		out.Error.Param = &param
	}
	if e.Code == llm.CodeForbidden && param == "model" {
		r.code = "model_not_allowed"
	}
	if r.code != "" {
		out.Error.Code = &r.code
	}
	return r.status, must(out)
}

// A failure is the error of a response that has failed.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// failures are the words for errors inside a response, of which the API has
// few; all others are the server's.
var failures = map[llm.Code]string{
	llm.CodeRateLimited:   "rate_limit_exceeded",
	llm.CodeInvalid:       "invalid_prompt",
	llm.CodeUnsupported:   "invalid_prompt",
	llm.CodeContextLength: "invalid_prompt",
	llm.CodeContentFilter: "invalid_prompt",
}

func failed(e *llm.Error) *failure {
	return &failure{Code: cmp.Or(failures[e.Code], "server_error"), Message: e.Message}
}

// errorFrame ends a stream of which nothing is known. An encoder that has begun
// one can say more: see [encoder.Fail].
func errorFrame(e *llm.Error) []byte {
	blank := encoder{answer: answer{echo: echo(nil)}}
	blank.begin(llm.Start{Created: time.Now()})
	return blank.Fail(nil, e)
}

// brokenFrame ends a stream that somebody else has begun: as the same response,
// and with the number that comes next.
func brokenFrame(first, last []byte, e *llm.Error) []byte {
	var fields map[string]json.RawMessage
	var begun responseData
	for f := range payloads(first) {
		if json.Unmarshal(f.Response, &begun) == nil && json.Unmarshal(f.Response, &fields) == nil && begun.ID != "" {
			break
		}
	}
	if begun.ID == "" {
		return errorFrame(e)
	}
	next := 0
	for f := range payloads(last) {
		next = max(next, f.Sequence+1)
	}
	goes := encoder{answer: answer{model: begun.Model, echo: echo(fields)}, id: begun.ID, created: int64(begun.CreatedAt), next: next}
	return goes.Fail(nil, e)
}

// A numbered is what of a frame tells its place in a stream.
type numbered struct {
	Sequence int             `json:"sequence_number"`
	Response json.RawMessage `json:"response"`
}

// payloads yields the frames in raw that can be read.
func payloads(raw []byte) iter.Seq[numbered] {
	return func(yield func(numbered) bool) {
		for f, err := range frame.SSE(bytes.NewReader(raw)) {
			var in numbered
			if err == nil && f.Data != nil && json.Unmarshal(f.Data, &in) == nil && !yield(in) {
				return
			}
		}
	}
}

// newID makes up the part of an id behind its prefix.
func newID() string { return rand.Text() }

// Error reads the body of a failed call.
func (Client) Error(status int, body []byte) *llm.Error {
	return dialect.ReadComplaint(body).Error(status, hidden)
}

// hidden are the messages for what is between the operator and the upstream.
var hidden = map[llm.Code]string{
	llm.CodeUpstreamAuth:  "the provider refused the gateway's credentials",
	llm.CodeUpstreamBill:  "the gateway's account at the provider is exhausted",
	llm.CodeModelNotFound: "the provider does not have this model",
}

func invalid(param, format string, args ...any) *llm.Error {
	return &llm.Error{Code: llm.CodeInvalid, Param: param, Message: fmt.Sprintf(format, args...)}
}

func unsupported(param, format string, args ...any) *llm.Error {
	return &llm.Error{Code: llm.CodeUnsupported, Param: param, Message: fmt.Sprintf(format, args...)}
}

// wrongType names the field that could not be read.
func wrongType(err error) *llm.Error {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && t.Field != "" {
		return invalid(t.Field, "Invalid type for '%s': got %s.", t.Field, t.Value)
	}
	return &llm.Error{Code: llm.CodeInvalid, Message: "the request could not be read", Err: err}
}

// must marshals what holds strings and numbers only.
func must(v any) []byte {
	text, err := rawjson.Marshal(v)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return text
}
