package dialect

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A Complaint is what an upstream, or a proxy before it, says about a call that
// it did not serve. The zero value says nothing.
type Complaint struct {
	Message string // fit to be shown to clients

	kind, code, param string
	status            int    // as the body has it
	body              string // for the operator, where there is no message
}

// ReadComplaint opens any of the envelopes in which servers report an error,
// also one inside the other.
func ReadComplaint(body []byte) Complaint {
	c, _ := open(body, 8)
	c.Message = presentable(c.Message)
	c.body = presentable(string(body))
	if strings.HasPrefix(strings.TrimSpace(c.Message), "<") { // a page
		c.Message = ""
	}
	return c
}

// An envelope is any shape of an error, or of a part of one.
type envelope struct {
	Error      json.RawMessage `json:"error"` // an object or a string
	Message    json.RawMessage `json:"message"`
	Msg        json.RawMessage `json:"msg"`
	Detail     json.RawMessage `json:"detail"` // FastAPI: a string or a list
	Type       word            `json:"type"`
	Param      word            `json:"param"`
	Code       word            `json:"code"`
	Status     word            `json:"status"`      // Azure
	StatusCode word            `json:"status_code"` // Groq
}

func open(raw []byte, depth int) (c Complaint, ok bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || depth == 0 {
		return c, false
	}
	switch raw[0] {
	case '"':
		if json.Unmarshal(raw, &c.Message) == nil && strings.HasPrefix(c.Message, "{") {
			if inner, ok := open([]byte(c.Message), depth-1); ok { // Ollama's, of its runner
				return inner, true
			}
		}
		return c, c.Message != ""
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
			return c, false
		}
		return open(list[0], depth-1)
	case '{':
		var e envelope
		_ = json.Unmarshal(raw, &e) // what cannot be read says nothing
		c = e.open(depth)
		return c, c.Message+c.kind+c.code != ""
	}
	return c, false
}

func (e *envelope) open(depth int) (c Complaint) {
	for _, raw := range []json.RawMessage{e.Error, e.Message, e.Msg, e.Detail} {
		var ok bool
		if c, ok = open(raw, depth-1); ok {
			break
		}
	}
	c.kind, c.code = cmp.Or(c.kind, string(e.Type)), cmp.Or(c.code, string(e.Code))
	c.param = cmp.Or(c.param, string(e.Param))
	c.status = cmp.Or(c.status, e.Code.status(), e.StatusCode.status(), e.Status.status())
	return c
}

// A word is a string that some servers send as a number, and some as nothing
// of the kind, which reads as none.
type word string

// UnmarshalJSON never fails.
func (w *word) UnmarshalJSON(data []byte) error {
	*w = ""
	if data[0] == '"' {
		return json.Unmarshal(data, (*string)(w))
	}
	if _, err := strconv.ParseFloat(string(data), 64); err == nil {
		*w = word(data)
	}
	return nil
}

// status is the HTTP status of an error that w says, or 0.
func (w word) status() int {
	if n, err := strconv.Atoi(string(w)); err == nil && n >= 400 && n < 600 {
		return n
	}
	return 0
}

// Error makes an error of the complaint that came with a status; a status of 0
// means that it came as if it were an answer. Hidden are the messages to be
// shown in place of the upstream's own.
func (c Complaint) Error(status int, hidden map[llm.Code]string) *llm.Error {
	status = cmp.Or(status, c.status, typeStatuses[c.kind], 502)
	e := &llm.Error{Code: c.classify(status), Message: c.Message, Param: c.param}
	e.Err = fmt.Errorf("upstream status %d: %s", status, cmp.Or(c.Message, c.body))
	if text := hidden[e.Code]; text != "" {
		e.Message, e.Param = text, ""
	}
	e.Message = cmp.Or(e.Message, phrases[e.Code], "the upstream failed")
	return e
}

// Unreadable is the error for an answer that does not follow the dialect.
func Unreadable(err error) *llm.Error {
	return &llm.Error{Code: llm.CodeUpstream, Message: "the upstream's answer could not be read", Err: err}
}

// classify goes from what is most certain to what is least.
func (c Complaint) classify(status int) llm.Code {
	if code, ok := firmStatuses[status]; ok {
		return code
	}
	text := strings.ToLower(c.Message)
	i := slices.IndexFunc(hints, func(h hint) bool { return strings.Contains(text, h.text) })
	if i >= 0 {
		return hints[i].code
	}
	rest := llm.CodeUpstream
	if status < 500 {
		rest = llm.CodeInvalid
	}
	return cmp.Or(words[c.code], words[c.kind], statuses[status], rest)
}

var (
	keys      = `(?i)\b(?:sk|gsk|pk|rk|xai|hf|api[_-]?key)[-_][a-z0-9_*-]{8,}|\bBearer\s+\S+`
	addresses = `http://[^\s"']+|https://[^\s"'/]+:\d+[^\s"']*|\b(?:localhost|\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?\b`
	secrets   = regexp.MustCompile(keys + "|" + addresses)
)

// presentable takes keys and inner addresses out of a message and bounds it.
func presentable(s string) string {
	s = Clip(s) // more is not worth the search
	return Clip(secrets.ReplaceAllString(s, "[redacted]"))
}

// Clip bounds a message to 2 KiB, without cutting a rune.
func Clip(s string) string {
	end := min(len(s), 2<<10)
	for end < len(s) && end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.ToValidUTF8(s[:end], "\ufffd")
}
