package llm

import (
	"encoding/json"
	"errors"
	"time"
)

// A Code is the class of an [Error]. Each dialect has a status and a word for
// every code.
type Code string

// The codes.
const (
	CodeInvalid       Code = "invalid_request"  // malformed, or refused by the upstream's validation
	CodeUnsupported   Code = "unsupported"      // well formed, but this model or dialect cannot do it
	CodeUnauthorized  Code = "unauthorized"     // the client's own key is missing or wrong
	CodeForbidden     Code = "forbidden"        // the client's key may not do this
	CodeModelNotFound Code = "model_not_found"  // no provider has the model
	CodeNotFound      Code = "not_found"        // no such endpoint or object
	CodeTooLarge      Code = "too_large"        // the body is over the limit
	CodeContextLength Code = "context_length"   // the conversation is too long for the model
	CodeContentFilter Code = "content_filter"   // the upstream refused the content
	CodeRateLimited   Code = "rate_limited"     // too many calls; see RetryAfter
	CodeOverloaded    Code = "overloaded"       // nobody is free to serve the call now; see RetryAfter
	CodeUpstream      Code = "upstream_error"   // the upstream failed
	CodeUpstreamAuth  Code = "upstream_auth"    // the upstream refused the operator's key
	CodeUpstreamBill  Code = "upstream_billing" // the operator's account at the upstream is exhausted
	CodeUnreachable   Code = "unreachable"      // the upstream could not be connected to
	CodeTimeout       Code = "timeout"          // the upstream, or the queue, took too long
	CodeInterrupted   Code = "interrupted"      // an answer broke off after it had begun
	CodeCanceled      Code = "canceled"         // the client left
	CodeInternal      Code = "internal"         // a fault of allama itself
)

// An Error is a failure that the client is told about.
type Error struct {
	Code       Code          `json:"code"`
	Message    string        `json:"message"` // shown to the client; holds no secrets
	Param      string        `json:"param,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"` // zero when nobody said

	// Status and Body are the upstream's own answer, set only when the client
	// speaks the upstream's dialect and may see it as it is.
	Status int             `json:"status,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`

	// What another attempt would come to. Workers know, and say it to the
	// owners of calls.
	Again  bool `json:"again,omitempty"`  // at the same provider at once: with another credential, at another host, or by another worker
	Firm   bool `json:"firm,omitempty"`   // the same, until an operator does something
	Unsent bool `json:"unsent,omitempty"` // nothing of the call has reached the upstream

	Err error `json:"-"` // shown to the operator only; not sent over the bus
}

// Error returns the message and, for the operator, the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns the [Error] in err's chain, or a new one with CodeInternal
// and a message that gives nothing away. It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeInternal, Message: "internal error", Err: err}
}
