// Package failover decides which of several targets a call goes to, and what
// becomes of the call when an attempt has failed: whether it is tried again,
// at the same target or at another one, and after what time.
//
// What it goes by over all calls is a [Guide]: how targets have fared lately,
// and how many attempts were repeated. A [Call] is the way of one call through
// its targets. The package makes no calls itself.
package failover

import (
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A Balance is how calls are shared by several targets.
type Balance string

// The balances.
const (
	Weights   Balance = "weights"    // by chance, or by affinity; also meant by the empty string
	LeastBusy Balance = "least-busy" // the target with the fewest calls for its weight
	Fastest   Balance = "fastest"    // the one whose answers begin the soonest
)

// A Target is a model of a provider.
type Target struct {
	Provider, Model string

	Weight  int // of its share; below 1: 1
	Context int // of the model, in tokens; 0: not known
}

// A Plan is what is known of a call before its first attempt.
type Plan struct {
	Targets []Target // in the order in which to try them; at least one
	Shares  int      // how many of the first ones share calls; below 2: all go to the first
	Balance Balance

	// Affinity is equal for calls that had better go to the same one of the
	// targets that share calls; empty: this one had not.
	Affinity string

	Stream   bool      // whether the answer comes bit by bit
	Stay     bool      // one target is tried, of those that share calls
	Once     bool      // no target is tried twice
	Careful  bool      // only what has not reached an upstream is tried again
	Deadline time.Time // of the whole call; zero: none
}

// A Failure is how an attempt has ended.
type Failure struct {
	Err      *llm.Error
	Own      bool // it comes from allama, not from whoever was to perform the call
	Answered bool // the client has got content already
	Leases   int  // attempts that workers were granted
}

// A Step is what is to be done after a failed attempt. The zero value is:
// tell the client.
type Step struct {
	Go   bool          // make another attempt, at [Call.Target]
	Same bool          // it is at the same target
	Wait time.Duration // before that
}

const (
	maxPerTarget = 2
	maxAttempts  = 3

	// minLeft is the time in which an attempt is worth to be made.
	minLeft = 2 * time.Second

	// maxPatience is the longest wait that an upstream can ask for, while a
	// client waits, too.
	maxPatience = 10 * time.Second

	minBackoff = 250 * time.Millisecond
	maxBackoff = 8 * time.Second
)

// errHopeless is for a target at which every call only waits in vain.
var errHopeless = &llm.Error{
	Code: llm.CodeOverloaded, RetryAfter: trialInterval,
	Message: "the upstream has not answered lately; try again shortly",
}
