package openai

import (
	"cmp"

	"github.com/offbeat-studio/allama/shared/dialect"
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
	param  string // where the error names none; empty: null
}

var refusals = map[llm.Code]refusal{
	llm.CodeInvalid:       {400, "invalid_request_error", "", ""},
	llm.CodeUnsupported:   {400, "invalid_request_error", "unsupported_parameter", ""},
	llm.CodeUnauthorized:  {401, "authentication_error", "invalid_api_key", ""},
	llm.CodeForbidden:     {403, "permission_error", "", ""},
	llm.CodeModelNotFound: {404, "invalid_request_error", "model_not_found", ""},
	llm.CodeNotFound:      {404, "invalid_request_error", "unknown_url", ""},
	llm.CodeTooLarge:      {413, "invalid_request_error", "", ""},
	llm.CodeContextLength: {400, "invalid_request_error", "context_length_exceeded", "messages"},
	llm.CodeContentFilter: {400, "invalid_request_error", "content_filter", ""},
	llm.CodeRateLimited:   {429, "rate_limit_error", "rate_limit_exceeded", ""},
	llm.CodeOverloaded:    {503, "server_error", "overloaded", ""},
	llm.CodeUpstream:      {502, "server_error", "upstream_error", ""},
	llm.CodeUpstreamAuth:  {502, "api_error", "upstream_auth_error", ""},
	llm.CodeUpstreamBill:  {502, "api_error", "upstream_billing", ""},
	llm.CodeUnreachable:   {502, "server_error", "upstream_unreachable", ""},
	llm.CodeTimeout:       {504, "timeout_error", "upstream_timeout", ""},
	llm.CodeInterrupted:   {502, "server_error", "upstream_error", ""},
	llm.CodeCanceled:      {499, "server_error", "", ""}, // seen by no one but the log
	llm.CodeInternal:      {500, "server_error", "", ""},
}

// Refuse writes a failure. The dialect shows the request id in a header only.
func (Server) Refuse(e *llm.Error, _ string) (status int, body []byte) {
	if e.Status != 0 && len(e.Body) > 0 {
		return e.Status, e.Body
	}
	return wireError(e)
}

func wireError(e *llm.Error) (status int, body []byte) {
	r, ok := refusals[e.Code]
	if !ok {
		r = refusals[llm.CodeInternal]
	}
	var out errorBody
	out.Error.Message, out.Error.Type = e.Message, r.kind
	if param := cmp.Or(e.Param, r.param); param != "" {
		out.Error.Param = &param
	}
	if e.Code == llm.CodeForbidden && e.Param == "model" {
		r.code = "model_not_allowed"
	}
	if r.code != "" {
		out.Error.Code = &r.code
	}
	body, err := rawjson.Marshal(out)
	if err != nil {
		panic("internal error: " + err.Error()) // there are only strings in it
	}
	return r.status, body
}

// errorFrame ends a stream. No [DONE] follows, for the answer is not done.
func errorFrame(e *llm.Error) []byte {
	_, body := wireError(e)
	return append(append([]byte("data: "), body...), "\n\n"...)
}

// hidden are the messages for what is between the operator and the upstream.
var hidden = map[llm.Code]string{
	llm.CodeUpstreamAuth:  "the provider refused the gateway's credentials",
	llm.CodeUpstreamBill:  "the gateway's account at the provider is exhausted",
	llm.CodeModelNotFound: "the provider does not have this model",
}

// Error reads the body of a failed call.
func (Client) Error(status int, body []byte) *llm.Error { return readError(status, body) }

// readError reads a failure; its status is 0 where it came as if it were an
// answer.
func readError(status int, body []byte) *llm.Error {
	return dialect.ReadComplaint(body).Error(status, hidden)
}
