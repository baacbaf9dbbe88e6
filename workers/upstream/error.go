package upstream

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/pace"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

var errTooLong = &llm.Error{Code: llm.CodeUpstream, Message: "the upstream's answer is over the limit"}

// Why an exchange is broken off, other than by its caller.
var (
	errSilent    = errors.New("the upstream is silent")
	errSlowError = errors.New("the error takes too long")
)

// silent is the error for an upstream that does not go on.
func silent(d time.Duration) *llm.Error {
	return &llm.Error{Code: llm.CodeTimeout, Message: fmt.Sprintf("the upstream was silent for %v", d)}
}

// unreadable is the error for an answer that nobody can make sense of. It is
// never repeated to the client: who knows who wrote it.
func unreadable(err error) *llm.Error {
	return &llm.Error{Code: llm.CodeUpstream, Message: "the upstream sent an answer that cannot be read", Err: err}
}

// notUnderstood is the error for a whole body: the dialect's own, if it has one.
func notUnderstood(err error) error {
	if _, ok := errors.AsType[*llm.Error](err); ok {
		return err
	}
	return unreadable(err)
}

// interrupted is the error for an answer that broke off.
func interrupted(err error) *llm.Error {
	message := "stream interrupted: the connection to the upstream broke"
	if errors.Is(err, llm.ErrTruncated) {
		message = llm.ErrTruncated.Error()
	}
	return &llm.Error{Code: llm.CodeInterrupted, Message: message, Err: err}
}

// unreachable is the error for a request that got no answer.
func unreachable(err error) *llm.Error {
	e := &llm.Error{Code: llm.CodeUnreachable, Message: "the upstream could not be reached", Err: err}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		e.Unsent = op.Op == "dial"
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		e.Code, e.Message = llm.CodeTimeout, "connecting to the upstream took too long"
		return e
	}
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok && header.Conn != nil { // there was no handshake yet
		e.Message, e.Unsent = "the upstream does not answer in TLS: is its address one of http, not https?", true
		return e
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Message = "the upstream refused the connection"
	case is[*net.DNSError](err):
		e.Message = "the upstream's host name cannot be resolved"
	case is[*tls.CertificateVerificationError](err):
		e.Message, e.Firm, e.Unsent = "the upstream's certificate cannot be trusted", true, true
	case errors.Is(err, errGuarded):
		e.Message = errGuarded.Error() + ", which the upstream of a provider defined at run time cannot have"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.ErrUnexpectedEOF):
		e.Message = "the upstream closed the connection without an answer"
	}
	return e
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// refusal is the error for an answer whose status is no success. A client that
// speaks the same dialect may be shown the answer as it is.
func (x *exchange) refusal(native bool) error {
	status := x.response.StatusCode
	if status < http.StatusBadRequest {
		return &llm.Error{Code: llm.CodeUpstream, Firm: true, Message: "the upstream redirects, which is not followed",
			Err: fmt.Errorf("status %d", status)}
	}
	body := x.errorBody()
	if cause := x.cause(); cause != nil && !errors.Is(cause, errSlowError) {
		return cause
	}
	e := x.dialect.Error(status, body)
	reading := pace.Read(x.response.Header, time.Now())
	e.RetryAfter = cmp.Or(reading.RetryAfter, e.RetryAfter)
	if e.Code == llm.CodeRateLimited && e.RetryAfter == 0 {
		e.RetryAfter = reading.UntilReset(time.Now())
	}
	if native && x.client.showable(e, status, body) {
		e.Status, e.Body = status, body
	}
	return x.client.redact(e)
}

// errorBody reads what comes of an error's body in a short time.
func (x *exchange) errorBody() []byte {
	x.silence = 2 * errorTimeout // the limit of the whole comes first
	limit := time.AfterFunc(errorTimeout, func() { x.cancel(errSlowError) })
	defer limit.Stop()
	content, err := x.decoded(maxError)
	if err != nil {
		return nil
	}
	body, _ := io.ReadAll(content) // a part is better than nothing
	return body
}

// ownWords are the statuses of errors that a client of the same dialect is
// best told in the upstream's own words: those that are about its request.
var ownWords = []int{400, 404, 409, 413, 422, 429}

// showable says whether a client of the upstream's dialect may see the body.
// What concerns the operator's account is not for clients.
func (c *Client) showable(e *llm.Error, status int, body []byte) bool {
	return slices.Contains(ownWords, status) &&
		e.Code != llm.CodeUpstreamAuth && e.Code != llm.CodeUpstreamBill &&
		len(body) <= maxOwnWords && rawjson.Check(body) == nil &&
		c.hide(string(body)) == string(body)
}
