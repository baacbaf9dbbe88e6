package ingress

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// The headers by which a client says that a call is to run once.
const (
	headerOnce    = "Idempotency-Key"
	headerOnceToo = "X-Idempotency-Key"
	maxOnce       = 255
)

// headerReplayed says that an answer is that to another request with the same
// key.
const headerReplayed = "Idempotent-Replayed"

// terms are what a client has said of a call that is to be more than its own
// request. The zero value says nothing.
type terms struct {
	key   string        // a digest; empty: the call may run each time that it is sent
	grace time.Duration // how long it goes on without the client; 0: not at all
}

// termsOf reads the terms of a call.
func (e *endpoint) termsOf(w *response, h http.Header) (t terms, err error) {
	s := e.server
	if t.grace, err = s.graceOf(w, h); err != nil || s.errands.ttl == 0 {
		return t, err
	}
	key, err := onceKey(h)
	if key != "" {
		t.key = hashOf([]byte(w.key), []byte(e.route.Path), []byte(key))
	}
	return t, err
}

// onceKey returns the client's key for the call.
func onceKey(h http.Header) (string, error) {
	values := slices.Concat(h.Values(headerOnce), h.Values(headerOnceToo))
	if len(values) == 0 {
		return "", nil
	}
	name, key := strings.ToLower(headerOnce), values[0]
	for _, other := range values {
		if other != key {
			return "", invalid(name, "the request has two different idempotency keys")
		}
	}
	if key == "" || len(key) > maxOnce || strings.Map(printable, key) != key {
		return "", invalid(name, "header "+name+" must have 1 to 255 printable ASCII characters")
	}
	return key, nil
}

// printOf is equal for requests that are, on one path. The boundary of a form,
// which is another one each time, does not count.
func printOf(r dialect.Route, h http.Header, body []byte) string {
	if media, params, err := mime.ParseMediaType(h.Get("Content-Type")); err == nil && strings.HasPrefix(media, "multipart/") && params["boundary"] != "" {
		body = bytes.ReplaceAll(body, []byte(params["boundary"]), nil)
	}
	return hashOf([]byte(r.Operation), body)
}

// hashOf is a digest of parts, of which none but the last has a zero in it.
func hashOf(parts ...[]byte) string {
	sum := sha256.New()
	for i, p := range parts {
		if i > 0 {
			sum.Write([]byte{0})
		}
		sum.Write(p)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// lasting are the failures of a request that come to the same each time.
var lasting = map[llm.Code]bool{
	llm.CodeInvalid:       true,
	llm.CodeUnsupported:   true,
	llm.CodeTooLarge:      true,
	llm.CodeContextLength: true,
	llm.CodeContentFilter: true,
}

// lasts reports whether what a call came to is to be kept: a whole answer, or a
// refusal that the client would only get again. Nothing else is, for the client
// is to be able to try again.
func (x *exchange) lasts(err error, r *http.Request) bool {
	switch {
	case err == nil:
		return x.out.status >= 200 && x.out.status < 300
	case x.out.status != 0 || r.Context().Err() != nil:
		return false
	}
	return lasting[llm.AsError(err).Code] && statusOf(err, http.StatusBadRequest) < 500
}

var (
	errOther = &fault{http.StatusUnprocessableEntity, &llm.Error{
		Code: llm.CodeInvalid, Param: strings.ToLower(headerOnce),
		Message: "this Idempotency-Key has been used with another request; use a new key for a new request",
	}}
	errUnkept = &fault{http.StatusConflict, &llm.Error{
		Code: llm.CodeInvalid, Param: strings.ToLower(headerOnce),
		Message: "a request with this Idempotency-Key has run already, or is running, but its answer could not be kept, for it is too large, or there are too many; use a new key to run it again",
	}}
)

// errNoRoom is for a call that cannot be remembered.
func errNoRoom(wait time.Duration) error {
	return &llm.Error{Code: llm.CodeOverloaded, RetryAfter: wait,
		Message: "there are too many calls with an Idempotency-Key to keep account of one more; try again later, or without the key"}
}

// errNoBook is for a call of which nobody knows whether it runs elsewhere.
func errNoBook(err error) error {
	return &llm.Error{Code: llm.CodeOverloaded, RetryAfter: 5 * time.Second, Err: err,
		Message: "whether a call with this Idempotency-Key runs already cannot be found out now; try again shortly"}
}
