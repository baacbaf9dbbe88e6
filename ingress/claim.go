package ingress

import (
	"net/http"
	"strconv"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/queue"
)

// The headers by which a client says how a call is to queue.
const (
	headerClass        = "X-Allama-Class"         // a name of a class
	headerQueueTimeout = "X-Allama-Queue-Timeout" // seconds, or a duration such as 1m30s
)

// A share is what a key gets of the providers' time.
type share struct {
	class  queue.Class // of its calls; they can ask for less, but not for more
	weight int         // against other keys of the class; 0: 1
}

// tierClass says what class a service_tier of OpenAI or Anthropic asks for.
// With one that is not here, a call has its key's.
var tierClass = map[string]queue.Class{
	"priority":      queue.Priority,
	"default":       queue.Default,
	"standard_only": queue.Default,
	"flex":          queue.Flex,
}

// outputGuess is how many tokens an answer is taken for when the request sets
// no limit.
const outputGuess = 256

// claims takes note of how the call is to queue.
func (x *exchange) claims(h http.Header, p peeked) (err error) {
	x.claim = queue.Claim{
		Key: x.out.key, Weight: x.out.share.weight,
		Cost: len(x.body)/4 + p.outputTokens(),
	}
	if x.claim.Class, err = x.class(h, p.tier); err != nil {
		return err
	}
	x.patience, err = patienceOf(h, x.endpoint.server.cfg.QueueTimeout)
	return err
}

// class is the one that the client asks for, if its key may; without keys
// everyone may.
func (x *exchange) class(h http.Header, tier string) (queue.Class, error) {
	own := x.out.share.class
	asked, asks := tierClass[tier]
	if name := h.Get(headerClass); name != "" {
		if asked, asks = queue.ParseClass(name); !asks {
			return own, invalid("", "header x-allama-class must be priority, default or flex")
		}
	}
	switch {
	case !asks:
		return own, nil
	case x.endpoint.server.keys == nil:
		return asked, nil
	}
	return min(asked, own), nil
}

// patienceOf is how long the client wants to wait at the most, or the
// operator; 0: as long as it takes.
func patienceOf(h http.Header, longest time.Duration) (time.Duration, error) {
	text := h.Get(headerQueueTimeout)
	if text == "" {
		return longest, nil
	}
	asked, err := time.ParseDuration(text)
	if seconds, perr := strconv.ParseUint(text, 10, 31); perr == nil {
		asked, err = time.Duration(seconds)*time.Second, nil
	}
	switch {
	case err != nil || asked <= 0:
		return 0, invalid("", "header x-allama-queue-timeout must be a number of seconds, or a duration such as 1m30s")
	case longest == 0:
		return asked, nil
	}
	return min(asked, longest), nil
}

// tokensOf is how many tokens a call has cost; 0 where nobody said.
func tokensOf(u *llm.Usage) int {
	if u == nil {
		return 0
	}
	return u.Prompt() + u.Output
}
