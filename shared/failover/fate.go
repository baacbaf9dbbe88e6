package failover

import "github.com/offbeat-studio/allama/shared/llm"

// A fate is what an error means for the call that has failed with it.
type fate struct {
	again     bool // the same target may do better
	elsewhere bool // another one may
	move      bool // and that is the better choice
	larger    bool // if its context is larger
	ill       bool // the error is a sign that the target is out of order
}

// fates are those of what targets say; a code that is not here is the client's
// own fault, or it is not known whose.
var fates = map[llm.Code]fate{
	llm.CodeUpstream:      {again: true, elsewhere: true, ill: true},
	llm.CodeUnreachable:   {again: true, elsewhere: true, ill: true},
	llm.CodeInterrupted:   {again: true, elsewhere: true, ill: true},
	llm.CodeOverloaded:    {again: true, elsewhere: true, ill: true},
	llm.CodeTimeout:       {again: true, elsewhere: true, ill: true, move: true},
	llm.CodeRateLimited:   {again: true, elsewhere: true, move: true},
	llm.CodeCanceled:      {again: true, elsewhere: true}, // by the worker: the client is still there
	llm.CodeUpstreamAuth:  {elsewhere: true},
	llm.CodeUpstreamBill:  {elsewhere: true},
	llm.CodeModelNotFound: {elsewhere: true},
	llm.CodeUnsupported:   {elsewhere: true},
	llm.CodeInternal:      {elsewhere: true},
	llm.CodeContextLength: {elsewhere: true, larger: true},
}

// ownFates are those of what allama itself says, which tells nothing of the
// target.
var ownFates = map[llm.Code]fate{
	llm.CodeInterrupted: {again: true, elsewhere: true}, // on the bus
	llm.CodeUpstream:    {elsewhere: true},
	llm.CodeOverloaded:  {elsewhere: true},
	llm.CodeRateLimited: {elsewhere: true},
	llm.CodeTimeout:     {elsewhere: true},
	llm.CodeUnsupported: {elsewhere: true}, // at this target
}

// judge returns the fate of a call that has failed. Nothing comes after content
// that the client has got.
func judge(f Failure, careful bool) fate {
	e := f.Err
	if f.Own {
		if careful && f.Leases > 0 {
			return fate{}
		}
		return ownFates[e.Code]
	}
	is := fates[e.Code]
	if e.Firm {
		is.again, is.ill = false, false
	}
	if e.RetryAfter > 0 {
		is.move = true
	}
	if e.Again {
		is.again, is.move, is.ill = true, false, false
	}
	if careful && !e.Unsent {
		is = fate{ill: is.ill}
	}
	return is
}

// telling says which of several errors a client can make the most of: the one
// with the greatest number. A code that is not here has 0.
var telling = map[llm.Code]int{
	llm.CodeInvalid:       9,
	llm.CodeTooLarge:      9,
	llm.CodeContentFilter: 9,
	llm.CodeContextLength: 8,
	llm.CodeUnsupported:   7,
	llm.CodeRateLimited:   6,
	llm.CodeTimeout:       5,
	llm.CodeOverloaded:    4,
	llm.CodeUpstream:      3,
	llm.CodeUnreachable:   3,
	llm.CodeInterrupted:   3,
	llm.CodeUpstreamAuth:  2,
	llm.CodeUpstreamBill:  2,
	llm.CodeModelNotFound: 1,
}
