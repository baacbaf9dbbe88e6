package ingress

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

func itoa[T ~int | ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// A fault is an error with a status of its own, for what HTTP alone can get
// wrong.
type fault struct {
	status int
	err    *llm.Error
}

func (f *fault) Error() string { return f.err.Error() }

func (f *fault) Unwrap() error { return f.err }

// refuse answers with an error, in the client's dialect. A nil speaker is
// nobody's path: the answer is a line of text.
func refuse(w *response, s *speaker, err error) {
	e := llm.AsError(err)
	if s == nil {
		w.text(statusOf(err, http.StatusNotFound), e.Message)
		return
	}
	status, body := s.Refuse(e, w.id)
	retryHeaders(w.Header(), e)
	_ = w.body(statusOf(err, status), s.json, body) // a client that is gone need not be told
}

func statusOf(err error, status int) int {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.status
	}
	return status
}

// maxPatience is the longest wait for which a client shall try again by
// itself.
const maxPatience = time.Minute

// shouldRetry says whether it helps when the client tries again; a code that
// is not here is left to the client. What has been tried by allama already is
// not worth another try, and what may have been paid for is not to be paid
// twice.
var shouldRetry = map[llm.Code]bool{
	llm.CodeInvalid:       false,
	llm.CodeUnsupported:   false,
	llm.CodeUnauthorized:  false,
	llm.CodeForbidden:     false,
	llm.CodeModelNotFound: false,
	llm.CodeNotFound:      false,
	llm.CodeTooLarge:      false,
	llm.CodeContextLength: false,
	llm.CodeContentFilter: false,
	llm.CodeUpstream:      false,
	llm.CodeUpstreamAuth:  false,
	llm.CodeUpstreamBill:  false,
	llm.CodeUnreachable:   false,
	llm.CodeTimeout:       false,
	llm.CodeInterrupted:   false,
	llm.CodeRateLimited:   true,
	llm.CodeOverloaded:    true,
}

const headerShouldRetry = "X-Should-Retry"

// retryHeaders say in three ways whether and when to try again. What was said
// of that before is left alone.
func retryHeaders(h http.Header, e *llm.Error) {
	if retry, known := shouldRetry[e.Code]; known && h.Get(headerShouldRetry) == "" {
		h.Set(headerShouldRetry, strconv.FormatBool(retry && e.RetryAfter <= maxPatience))
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", itoa(int64(math.Ceil(e.RetryAfter.Seconds()))))
		h.Set("Retry-After-Ms", itoa(e.RetryAfter.Milliseconds()))
	}
}

// warningHeaders list what was not carried as the client said it.
func warningHeaders(h http.Header, warnings []llm.Warning) {
	for _, w := range warnings {
		name := "X-Allama-Dropped"
		if w.Policy == llm.Emulated {
			name = "X-Allama-Emulated"
		}
		field := strings.Map(headerSafe, w.Field)
		list := h.Get(name)
		switch {
		case list == "":
			h.Set(name, field)
		case len(list) < maxHeader && !strings.Contains(","+list+",", ","+field+","):
			h.Set(name, list+","+field)
		}
	}
}

// maxHeader is about how long a header gets that lists something.
const maxHeader = 1 << 10

// headerSafe keeps what names of fields are made of, and replaces the rest: it
// may come from the client.
func headerSafe(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-[]", r):
		return r
	}
	return '_'
}
