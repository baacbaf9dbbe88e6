package anthropic

import (
	"fmt"

	"github.com/offbeat-studio/allama/shared/dialect"
)

// decodeCount reads a call that asks how many tokens a message has. Its body
// is that of the message, without a limit. The answer needs no upstream: only
// Anthropic's own models can count, and those are asked by passing the call on.
func decodeCount(body []byte) (*dialect.Call, error) {
	var b requestBody
	if err := b.read(body); err != nil {
		return nil, err
	}
	b.MaxTokens = new(1) // any will do: it is not asked for
	call, err := b.call(body)
	if err != nil {
		return nil, err
	}
	call.Request.Limits.MaxTokens = 0
	call.Reply = fmt.Appendf(nil, `{"input_tokens":%d}`, dialect.Estimate(call.Request))
	return call, nil
}
