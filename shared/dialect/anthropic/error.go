package anthropic

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// statusOverloaded is Anthropic's own status for having no capacity.
const statusOverloaded = 529

// maxMessage is the longest message that is passed on, in bytes.
const maxMessage = 2 << 10

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

// messageOf returns the message; coding agents shorten the conversation when
// it begins with the words that Anthropic uses for one too long.
func messageOf(e *llm.Error) string {
	if tooLong := "prompt is too long"; e.Code == llm.CodeContextLength && !strings.HasPrefix(e.Message, tooLong) {
		return tooLong + ": " + e.Message
	}
	return e.Message
}

// statusCodes are the statuses that say more than the words in the body.
var statusCodes = map[int]llm.Code{
	http.StatusUnauthorized:          llm.CodeUpstreamAuth,
	http.StatusPaymentRequired:       llm.CodeUpstreamBill,
	http.StatusForbidden:             llm.CodeUpstreamAuth,
	http.StatusNotFound:              llm.CodeModelNotFound,
	http.StatusRequestTimeout:        llm.CodeTimeout,
	http.StatusRequestEntityTooLarge: llm.CodeTooLarge,
	http.StatusTooManyRequests:       llm.CodeRateLimited,
	http.StatusServiceUnavailable:    llm.CodeOverloaded,
	http.StatusGatewayTimeout:        llm.CodeTimeout,
	statusOverloaded:                 llm.CodeOverloaded,
}

var wordCodes = map[string]llm.Code{
	"invalid_request_error": llm.CodeInvalid,
	"authentication_error":  llm.CodeUpstreamAuth,
	"permission_error":      llm.CodeUpstreamAuth,
	"billing_error":         llm.CodeUpstreamBill,
	"not_found_error":       llm.CodeModelNotFound,
	"request_too_large":     llm.CodeTooLarge,
	"rate_limit_error":      llm.CodeRateLimited,
	"overloaded_error":      llm.CodeOverloaded,
	"timeout_error":         llm.CodeTimeout,
	"api_error":             llm.CodeUpstream,
}

// phraseCodes tell apart what the API calls an invalid request.
var phraseCodes = []struct {
	phrase string
	code   llm.Code
}{
	{"prompt is too long", llm.CodeContextLength},
	{"exceed context limit", llm.CodeContextLength},
	{"maximum context length", llm.CodeContextLength},
	{"credit balance is too low", llm.CodeUpstreamBill},
	{"content filtering policy", llm.CodeContentFilter},
}

// plainMessages are said where the upstream's own words are missing, or none
// of the client's business.
var plainMessages = map[llm.Code]string{
	llm.CodeInvalid:       "the upstream refused the request",
	llm.CodeModelNotFound: "the upstream does not have the model",
	llm.CodeTooLarge:      "the request is too large for the upstream",
	llm.CodeRateLimited:   "the upstream's rate limit is reached",
	llm.CodeOverloaded:    "the upstream is overloaded",
	llm.CodeTimeout:       "the upstream took too long",
	llm.CodeUpstream:      "the upstream failed",
	llm.CodeUpstreamAuth:  "the upstream refused the gateway's credentials",
	llm.CodeUpstreamBill:  "the gateway's account at the upstream has no credit",
}

// Error reads the body of an answer with a status of 400 or above.
func (Client) Error(status int, body []byte) *llm.Error { return failure(status, body) }

// failure reads an error; status is 0 where it came inside an answer.
func failure(status int, body []byte) *llm.Error {
	word, message := errorWords(body)
	e := &llm.Error{Code: codeOf(status, word, message), Message: message}
	plain := e.Code == llm.CodeUpstreamAuth || e.Code == llm.CodeUpstreamBill
	if plain || message == "" {
		e.Message = plainMessages[e.Code]
		e.Err = fmt.Errorf("status %d: %s", status, clean(cmp.Or(message, string(body))))
	}
	e.Message = clean(e.Message)
	return e
}

func codeOf(status int, word, message string) llm.Code {
	code, ok := statusCodes[status]
	if !ok {
		code, ok = wordCodes[word]
	}
	switch {
	case !ok && status >= 400 && status < 500:
		code = llm.CodeInvalid
	case !ok:
		code = llm.CodeUpstream
	}
	if code != llm.CodeInvalid {
		return code
	}
	for _, p := range phraseCodes {
		if strings.Contains(strings.ToLower(message), p.phrase) {
			return p.code
		}
	}
	return code
}

// errorWords reads the envelopes that servers of this API and proxies before
// them use; both words are empty for anything else, such as HTML.
func errorWords(body []byte) (word, message string) {
	var envelope struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &envelope) != nil {
		return "", ""
	}
	var inner errorText
	for _, raw := range []json.RawMessage{envelope.Error, envelope.Message, envelope.Detail} {
		switch {
		case absent(raw):
		case raw[0] == '"':
			_ = json.Unmarshal(raw, &message) // a string, as it begins like one
			return "", message
		case json.Unmarshal(raw, &inner) == nil && inner != errorText{}:
			return inner.Type, inner.Message
		}
	}
	return "", ""
}

var secrets = regexp.MustCompile(`\bsk-[\w-]{6,}|\bBearer\s+\S+`)

// clean hides what looks like a key, and shortens.
func clean(message string) string {
	message = secrets.ReplaceAllString(message, "[redacted]")
	if len(message) <= maxMessage {
		return message
	}
	cut := maxMessage
	for cut > 0 && !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut]
}
