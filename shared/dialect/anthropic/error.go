package anthropic

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// statusOverloaded is Anthropic's own status for having no capacity.
const statusOverloaded = 529

type errorBody struct {
	Type      string    `json:"type"`
	Error     errorText `json:"error"`
	RequestID string    `json:"request_id,omitempty"`
}

type errorText struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

type refusal struct {
	status int
	word   string
}

var refusals = map[llm.Code]refusal{
	llm.CodeInvalid:       {http.StatusBadRequest, "invalid_request_error"},
	llm.CodeUnsupported:   {http.StatusBadRequest, "invalid_request_error"},
	llm.CodeUnauthorized:  {http.StatusUnauthorized, "authentication_error"},
	llm.CodeForbidden:     {http.StatusForbidden, "permission_error"},
	llm.CodeModelNotFound: {http.StatusNotFound, "not_found_error"},
	llm.CodeNotFound:      {http.StatusNotFound, "not_found_error"},
	llm.CodeTooLarge:      {http.StatusRequestEntityTooLarge, "request_too_large"},
	llm.CodeContextLength: {http.StatusBadRequest, "invalid_request_error"},
	llm.CodeContentFilter: {http.StatusBadRequest, "invalid_request_error"},
	llm.CodeRateLimited:   {http.StatusTooManyRequests, "rate_limit_error"},
	llm.CodeOverloaded:    {statusOverloaded, "overloaded_error"},
	llm.CodeUpstream:      {http.StatusInternalServerError, "api_error"},
	llm.CodeUpstreamAuth:  {http.StatusBadGateway, "api_error"},
	llm.CodeUpstreamBill:  {http.StatusBadGateway, "api_error"},
	llm.CodeUnreachable:   {http.StatusBadGateway, "api_error"},
	llm.CodeTimeout:       {http.StatusGatewayTimeout, "timeout_error"},
	llm.CodeInterrupted:   {http.StatusInternalServerError, "api_error"},
	llm.CodeCanceled:      {499, "api_error"}, // nobody reads it; for the log
	llm.CodeInternal:      {http.StatusInternalServerError, "api_error"},
}

// Refuse writes a failure that came before the answer.
func (Server) Refuse(e *llm.Error, requestID string) (status int, body []byte) {
	if e.Status != 0 && len(e.Body) > 0 {
		return e.Status, e.Body
	}
	return refusalOf(e.Code).status, errorJSON(e, requestID)
}

// errorFrame ends a stream that has failed.
func errorFrame(e *llm.Error) []byte {
	return fmt.Appendf(nil, "event: error\ndata: %s\n\n", errorJSON(e, ""))
}

func errorJSON(e *llm.Error, requestID string) []byte {
	body, err := rawjson.Marshal(errorBody{
		Type:      "error",
		Error:     errorText{Type: refusalOf(e.Code).word, Message: messageOf(e)},
		RequestID: requestID,
	})
	if err != nil {
		panic(fmt.Sprintf("internal error: %v", err)) // strings always marshal
	}
	return body
}

func refusalOf(code llm.Code) refusal {
	if r, ok := refusals[code]; ok {
		return r
	}
	return refusals[llm.CodeInternal]
}

// messageOf returns the message; clients shorten the conversation when
// it begins with the words that Anthropic uses for one too long.
func messageOf(e *llm.Error) string {
	if tooLong := "prompt is too long"; e.Code == llm.CodeContextLength && !strings.HasPrefix(e.Message, tooLong) {
		return tooLong + ": " + e.Message
	}
	return e.Message
}

// hidden are the messages for what is between the operator and the upstream.
var hidden = map[llm.Code]string{
	llm.CodeUpstreamAuth: "the upstream refused the gateway's credentials",
	llm.CodeUpstreamBill: "the gateway's account at the upstream has no credit",
}

// Error reads the body of an answer with a status of 400 or above.
func (Client) Error(status int, body []byte) *llm.Error { return failure(status, body) }

// failure reads an error; status is 0 where it came inside an answer.
func failure(status int, body []byte) *llm.Error {
	return dialect.ReadComplaint(body).Error(status, hidden)
}
