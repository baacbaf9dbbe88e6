package llm

import "time"

// An Event is one step of an answer: [Start], [BlockStart], [Delta],
// [BlockEnd] or [Finish]. A well-formed stream is
//
//	Start (BlockStart Delta* BlockEnd)* Finish
//
// with one block open at a time.
//
//sumtype:decl
type Event interface{ event() }

// Start opens an answer. Its fields are empty where the upstream did not say.
type Start struct {
	ID      string    `json:"id,omitempty"`
	Model   string    `json:"model,omitempty"` // as the upstream names it
	Created time.Time `json:"created,omitzero"`
	Usage   *Usage    `json:"usage,omitempty"` // what is known before the first token
}

// BlockStart opens a block: an empty [Text], [Thinking] or [ToolCall] to be
// filled by deltas, or a whole block of another kind, which gets none.
type BlockStart struct {
	Block Block
}

// Delta continues the open block by a piece of its text, its thought or the
// JSON of its arguments. Pieces never end inside a rune.
type Delta struct {
	Text     string    `json:"text,omitempty"`
	Citation *Citation `json:"citation,omitempty"` // of the text said so far; only in a Text
	Logprobs []Logprob `json:"logprobs,omitempty"` // of the tokens of Text; only in a Text
}

// BlockEnd closes the open block.
type BlockEnd struct {
	Signature string `json:"signature,omitempty"` // only of a Thinking
}

// Finish closes an answer: the model came to an end, whatever its reason.
type Finish struct {
	Reason       FinishReason `json:"reason"`
	Raw          string       `json:"raw,omitempty"`           // the upstream's own word for the reason
	StopSequence string       `json:"stop_sequence,omitempty"` // the one that was hit, where known
	Usage        *Usage       `json:"usage,omitempty"`         // nil: the upstream did not say
}

func (Start) event()      {}
func (BlockStart) event() {}
func (Delta) event()      {}
func (BlockEnd) event()   {}
func (Finish) event()     {}

// A FinishReason says why an answer ended.
type FinishReason string

// The reasons.
const (
	FinishStop          FinishReason = "stop" // a natural end, or a stop sequence
	FinishLength        FinishReason = "length"
	FinishToolCalls     FinishReason = "tool_calls"
	FinishContentFilter FinishReason = "content_filter"
	FinishPause         FinishReason = "pause" // the provider wants the turn sent again to go on
)

// A Logprob is the log probability of a token, and of those it was drawn from.
type Logprob struct {
	Token   string    `json:"token"`
	Logprob float64   `json:"logprob"`
	Bytes   []int     `json:"bytes,omitempty"` // the token in UTF-8
	Top     []Logprob `json:"top,omitempty"`
}
