package ollama

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// Texts that clients know Ollama by.
const (
	busyText    = "server busy, please try again.  maximum pending requests exceeded"
	contextText = "the input length exceeds the context length"
)

const (
	statusFailed = 500  // stands for the status of an error inside an answer
	maxMessage   = 2048 // bytes of an upstream's message that are shown
)

func notFoundText(model string) string { return fmt.Sprintf("model '%s' not found", model) }

func invalid(param, text string) *llm.Error {
	return &llm.Error{Code: llm.CodeInvalid, Message: text, Param: param}
}

func unsupported(param, model, what string) *llm.Error {
	return &llm.Error{
		Code:    llm.CodeUnsupported,
		Message: fmt.Sprintf("%s is not supported for model '%s'", what, model),
		Param:   param,
	}
}

// notJSON words an error of encoding/json without the names of Go types.
func notJSON(err error) *llm.Error {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return invalid("", err.Error())
	}
	field := strings.TrimPrefix(e.Field, "request.") // the struct that all calls share
	return invalid(field, fmt.Sprintf("json: cannot unmarshal %s into field %s", e.Value, field))
}

// statusOf is the status of each code; others get 500.
var statusOf = map[llm.Code]int{
	llm.CodeInvalid:       400,
	llm.CodeUnsupported:   400,
	llm.CodeContextLength: 400,
	llm.CodeContentFilter: 400,
	llm.CodeUnauthorized:  401,
	llm.CodeForbidden:     403,
	llm.CodeModelNotFound: 404,
	llm.CodeNotFound:      404,
	llm.CodeTooLarge:      413,
	llm.CodeRateLimited:   429,
	llm.CodeCanceled:      499,
	llm.CodeUpstream:      502,
	llm.CodeUpstreamAuth:  502,
	llm.CodeUpstreamBill:  502,
	llm.CodeUnreachable:   502,
	llm.CodeInterrupted:   502,
	llm.CodeOverloaded:    503,
	llm.CodeTimeout:       504,
}

// Refuse writes the status and the body for a call that has failed. In an
// error with [llm.CodeModelNotFound], Param is the model's id. The dialect has
// no place for the request id.
func (Server) Refuse(e *llm.Error, _ string) (status int, body []byte) {
	if e.Status != 0 && isError(e.Body) {
		return e.Status, e.Body
	}
	return cmp.Or(statusOf[e.Code], 500), errorBody(e)
}

// isError reports whether a body is an error that clients can print. Servers
// that imitate Ollama send objects where Ollama has a string.
func isError(body []byte) bool {
	var e struct{ Error *string }
	return json.Unmarshal(body, &e) == nil && e.Error != nil
}

func errorLine(e *llm.Error) []byte { return append(errorBody(e), '\n') }

// errorBody never holds anything but a string: clients print it as it is.
func errorBody(e *llm.Error) []byte {
	return append(append([]byte(`{"error":`), rawjson.String(errorText(e))...), '}')
}

func errorText(e *llm.Error) string {
	switch {
	case e.Code == llm.CodeModelNotFound && e.Param != "":
		return notFoundText(e.Param)
	case e.Code == llm.CodeContextLength && !saysTooLong(e.Message):
		return contextText // the words of other upstreams mean nothing to clients
	case e.Code == llm.CodeOverloaded:
		return cmp.Or(e.Message, busyText)
	default:
		return cmp.Or(e.Message, strings.ReplaceAll(string(e.Code), "_", " "), "internal error")
	}
}

// saysTooLong reports whether text says, in one of Ollama's ways, that the
// conversation does not fit into the model's context.
func saysTooLong(text string) bool {
	text = strings.ToLower(text)
	if !strings.Contains(text, "context") {
		return false
	}
	for _, word := range []string{"exceed", "too large", "longer", "too long", "maximum context length"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// codeOf is the code of each status of an upstream; other statuses under 500
// mean CodeInvalid, the rest CodeUpstream.
var codeOf = map[int]llm.Code{
	401: llm.CodeUpstreamAuth, 403: llm.CodeUpstreamAuth,
	402: llm.CodeUpstreamBill,
	404: llm.CodeModelNotFound,
	408: llm.CodeTimeout, 504: llm.CodeTimeout,
	413: llm.CodeTooLarge,
	429: llm.CodeRateLimited,
	501: llm.CodeUnsupported,
	503: llm.CodeOverloaded, 529: llm.CodeOverloaded,
}

// codeOfText are phrases that say more than the statuses 400 and 500, with
// which Ollama sends them.
var codeOfText = []struct {
	phrase string
	code   llm.Code
}{
	{`option "`, llm.CodeInvalid},
	{"invalid format", llm.CodeInvalid},
	{"does not support", llm.CodeUnsupported},
	{"server busy", llm.CodeOverloaded},
}

// Error reads the answer of an upstream that has refused a call.
func (Client) Error(status int, body []byte) *llm.Error {
	return classify(status, errorMessage(body))
}

// classify makes an error of a status and a text, which may be empty.
func classify(status int, text string) *llm.Error {
	code, ok := codeOf[status]
	switch {
	case ok:
	case saysTooLong(text):
		code = llm.CodeContextLength
	default:
		code = llm.CodeUpstream
		if status < 500 {
			code = llm.CodeInvalid
		}
		for _, known := range codeOfText {
			if strings.Contains(text, known.phrase) {
				code = known.code
				break
			}
		}
	}
	if code == llm.CodeUpstreamAuth {
		// The key is the operator's: what is wrong with it is not for clients.
		return &llm.Error{
			Code:    code,
			Message: "the upstream refused the provider's credentials",
			Err:     fmt.Errorf("status %d: %s", status, text),
		}
	}
	return &llm.Error{Code: code, Message: cmp.Or(text, fmt.Sprintf("the upstream answered with status %d", status))}
}

// address is what an upstream's message must not tell about where it runs.
var address = regexp.MustCompile(`https?://[^\s"']+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b`)

// errorMessage returns the text of an error body, fit to be shown, or an empty
// one when the body is nothing that Ollama would send.
func errorMessage(body []byte) string {
	text, ok := unwrap(body, 4)
	if !ok {
		text = strings.TrimSpace(string(body))
		if strings.HasPrefix(text, "{") || !isPlain(text) {
			return ""
		}
	}
	text = address.ReplaceAllString(text, "[address]")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "")
	}
	return text
}

// unwrap returns the text of an error object. Ollama puts the error object of
// its runner, as text, into its own.
func unwrap(body []byte, depth int) (string, bool) {
	var e struct{ Error, Message, Detail json.RawMessage }
	if depth == 0 || !isObject(body) || json.Unmarshal(body, &e) != nil {
		return "", false
	}
	for _, raw := range []json.RawMessage{e.Error, e.Message, e.Detail} {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			if inner, ok := unwrap(raw, depth-1); ok {
				return inner, true
			}
			continue
		}
		if inner, ok := unwrap([]byte(text), depth-1); ok {
			return inner, true
		}
		if text != "" {
			return text, true
		}
	}
	return "", false
}

// isPlain reports whether text is a short line of words: no page of a proxy,
// and nothing binary.
func isPlain(text string) bool {
	return len(text) <= 512 && utf8.ValidString(text) && !strings.ContainsAny(text, "<>") &&
		!strings.ContainsFunc(text, unicode.IsControl)
}
