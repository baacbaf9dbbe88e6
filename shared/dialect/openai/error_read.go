package openai

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A complaint is what an upstream said, whatever the envelope.
type complaint struct {
	Message    string `json:"message"`
	Type       string `json:"type"`
	Code       word   `json:"code"`
	Param      string `json:"param"`
	Status     word   `json:"status"`      // Azure
	StatusCode word   `json:"status_code"` // Groq
}

// readError classifies a failure of the upstream. A status of zero means that
// the body came as if it were an answer.
func readError(status int, body []byte) *llm.Error {
	c, known := readComplaint(body)
	if status == 0 {
		status = c.status()
	}
	code := c.classify(status)
	e := &llm.Error{Code: code, Param: c.Param, Err: fmt.Errorf("upstream status %d", status)}
	if known {
		e.Err = fmt.Errorf("upstream status %d: %s", status, presentable(c.Message))
	}
	if e.Message = hidden[code]; e.Message != "" {
		e.Param = ""
		return e
	}
	if known {
		e.Message = presentable(c.Message)
		return e
	}
	e.Message = cmp.Or(phrases[code], "the upstream failed")
	return e
}

// hidden are the messages for what is between the operator and the upstream.
var hidden = map[llm.Code]string{
	llm.CodeUpstreamAuth:  "the provider refused the gateway's credentials",
	llm.CodeUpstreamBill:  "the gateway's account at the provider is exhausted",
	llm.CodeModelNotFound: "the provider no longer offers this model",
}

// phrases stand in for messages that cannot be shown.
var phrases = map[llm.Code]string{
	llm.CodeInvalid:     "the upstream refused the request",
	llm.CodeTooLarge:    "the request is too large for the upstream",
	llm.CodeRateLimited: "the upstream's rate limit is reached",
	llm.CodeOverloaded:  "the upstream is overloaded",
	llm.CodeTimeout:     "the upstream took too long",
}

// words are the codes and types of errors that say more than the status.
var words = map[string]llm.Code{
	"insufficient_quota":           llm.CodeUpstreamBill,
	"billing_hard_limit_reached":   llm.CodeUpstreamBill,
	"billing_not_active":           llm.CodeUpstreamBill,
	"context_length_exceeded":      llm.CodeContextLength,
	"exceed_context_size_error":    llm.CodeContextLength, // llama.cpp
	"too_many_prompt_tokens":       llm.CodeContextLength, // Perplexity
	"content_filter":               llm.CodeContentFilter,
	"content_policy_violation":     llm.CodeContentFilter,
	"ResponsibleAIPolicyViolation": llm.CodeContentFilter, // Azure
	"model_not_found":              llm.CodeModelNotFound,
	"invalid_api_key":              llm.CodeUpstreamAuth,
	"rate_limit_exceeded":          llm.CodeRateLimited,
	"rate_limit_error":             llm.CodeRateLimited,
	"overloaded_error":             llm.CodeOverloaded,
}

// hints are pieces of messages, in lower case, that say what a status of 400
// does not.
var hints = []struct {
	text string
	code llm.Code
}{
	{"maximum context length", llm.CodeContextLength},
	{"max context length", llm.CodeContextLength},
	{"context length exceeded", llm.CodeContextLength},
	{"exceeds the context length", llm.CodeContextLength},
	{"exceeds the available context", llm.CodeContextLength},
	{"exceed context limit", llm.CodeContextLength},
	{"prompt is too long", llm.CodeContextLength},
	{"prompt too long", llm.CodeContextLength},
	{"messages is too long", llm.CodeContextLength},
	{"incorrect api key", llm.CodeUpstreamAuth}, // xAI
	{"api key not valid", llm.CodeUpstreamAuth}, // Gemini
	{"credit balance is too low", llm.CodeUpstreamBill},
}

var statuses = map[int]llm.Code{
	404: llm.CodeModelNotFound,
	408: llm.CodeTimeout,
	429: llm.CodeRateLimited,
	503: llm.CodeOverloaded,
	504: llm.CodeTimeout,
	529: llm.CodeOverloaded,
}

func (c complaint) classify(status int) llm.Code {
	switch status {
	case 401, 403:
		return llm.CodeUpstreamAuth
	case 402:
		return llm.CodeUpstreamBill
	case 413: // Groq's has the code of a rate limit, but to wait is of no use
		return llm.CodeTooLarge
	}
	for _, w := range []string{string(c.Code), c.Type} {
		if code, ok := words[w]; ok {
			return code
		}
	}
	text := strings.ToLower(c.Message)
	for _, h := range hints {
		if strings.Contains(text, h.text) {
			return h.code
		}
	}
	if code, ok := statuses[status]; ok {
		return code
	}
	if status >= 400 && status < 500 {
		return llm.CodeInvalid
	}
	return llm.CodeUpstream
}

// status is that of an error in the body of an answer with status 200.
func (c complaint) status() int {
	for _, w := range []word{c.Code, c.StatusCode, c.Status} {
		if n, err := strconv.Atoi(string(w)); err == nil && n >= 400 && n < 600 {
			return n
		}
	}
	return 502
}

// readComplaint opens any known envelope.
func readComplaint(body []byte) (complaint, bool) {
	body = bytes.TrimSpace(body)
	var list []json.RawMessage // Gemini puts its one error into a list
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil && len(body) > 0 && body[0] != '{' {
		return complaint{}, false
	}
	c := complaint{Message: e.Message, Type: e.Type, Code: e.Code}
	switch {
	case !isNull(e.Error):
		var inner complaint
		_ = json.Unmarshal(e.Error, &inner) // as far as it goes; it may be a string
		inner.Message = cmp.Or(inner.Message, new(joiner).add(e.Error), e.Message)
		inner.Code = cmp.Or(inner.Code, e.Code)
		c = inner
	case !isNull(e.Detail):
		c.Message = readDetail(e.Detail)
	}
	shown := c.Message != "" && !strings.HasPrefix(strings.TrimSpace(c.Message), "<")
	return c, shown
}

func readDetail(raw json.RawMessage) string {
	var list []struct {
		Msg string `json:"msg"`
	}
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 {
		return list[0].Msg
	}
	return new(joiner).add(raw)
}

var (
	keys  = regexp.MustCompile(`(?i)\b(sk|gsk|pk|rk|xai|hf|api[_-]?key)[-_][A-Za-z0-9_*-]{8,}|\bBearer\s+\S+`)
	hosts = regexp.MustCompile(`\b(localhost|\d{1,3}(\.\d{1,3}){3})(:\d+)?\b`)
)

// presentable takes keys and inner hosts out of a message and bounds it.
func presentable(s string) string {
	s = clip(s) // more is not worth the search
	return clip(hosts.ReplaceAllString(keys.ReplaceAllString(s, "[key]"), "[host]"))
}

// clip bounds a message to 2 KiB, without cutting a rune.
func clip(s string) string {
	end := min(len(s), 2<<10)
	for end < len(s) && end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
