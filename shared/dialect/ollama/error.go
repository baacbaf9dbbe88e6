package ollama

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// Texts that clients know Ollama by.
const (
	busyText    = "server busy, please try again.  maximum pending requests exceeded"
	contextText = "the input length exceeds the context length"
)

const statusFailed = 500 // stands for the status of an error inside an answer

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
	if e.Status != 0 && printable(e.Body) {
		return e.Status, e.Body
	}
	return cmp.Or(statusOf[e.Code], 500), errorBody(e)
}

// printable reports whether clients can show an error body: they print what is
// at its key error, where servers that imitate Ollama put objects, or nothing.
func printable(body []byte) bool {
	var e struct{ Error string }
	return json.Unmarshal(body, &e) == nil && e.Error != ""
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
	case e.Code == llm.CodeContextLength && e.Message == "":
		return contextText
	case e.Code == llm.CodeContextLength && !strings.Contains(e.Message, contextText):
		return contextText + ": " + e.Message // clients look for the former
	case e.Code == llm.CodeOverloaded:
		return cmp.Or(e.Message, busyText)
	default:
		return cmp.Or(e.Message, strings.ReplaceAll(string(e.Code), "_", " "), "internal error")
	}
}

// hidden is said in place of what is wrong with the operator's key or account,
// which is not for clients.
var hidden = map[llm.Code]string{
	llm.CodeUpstreamAuth: "the upstream refused the provider's credentials",
	llm.CodeUpstreamBill: "the provider's account at the upstream is exhausted",
}

// Error reads the answer of an upstream that has refused a call. Ollama sends
// some of them as plain text.
func (Client) Error(status int, body []byte) *llm.Error {
	c := dialect.ReadComplaint(body)
	if text := strings.TrimSpace(string(body)); c.Message == "" && isPlain(text) {
		c = dialect.ReadComplaint(rawjson.String(text))
	}
	c.Message = cmp.Or(c.Message, fmt.Sprintf("the upstream answered with status %d", status))
	return c.Error(status, hidden)
}

// isPlain reports whether text is a short line of words: no page of a proxy,
// and nothing binary.
func isPlain(text string) bool {
	return len(text) <= 512 && !strings.HasPrefix(text, "{") && utf8.ValidString(text) && !strings.ContainsAny(text, "<>") &&
		!strings.ContainsFunc(text, unicode.IsControl)
}
