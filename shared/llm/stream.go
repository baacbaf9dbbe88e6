package llm

import (
	"errors"
	"fmt"
	"iter"
)

// A Stream yields the events of one answer in order. It yields at most one
// non-nil error, last. A Stream can be ranged over once; breaking out of the
// loop releases what it reads from.
type Stream = iter.Seq2[Event, error]

// ErrTruncated is the error of a stream that ends without [Finish]: what came
// before it is no whole answer.
var ErrTruncated = errors.New("upstream closed the stream unexpectedly")

// A Checker follows a stream and says where it is not well formed. The zero
// value expects a [Start].
type Checker struct {
	state checkerState
	open  Block
}

type checkerState int

const (
	wantStart checkerState = iota
	betweenBlocks
	inBlock
	finished
)

// Check takes the next event. After an error it must not be called again.
func (c *Checker) Check(event Event) error {
	switch e := event.(type) {
	case Start:
		return c.move(event, wantStart, betweenBlocks)
	case BlockStart:
		c.open = e.Block
		if e.Block == nil {
			return errors.New("llm: BlockStart without a block")
		}
		return c.move(event, betweenBlocks, inBlock)
	case Delta:
		if !filledByDeltas(c.open) {
			return fmt.Errorf("llm: Delta in %T", c.open)
		}
		return c.move(event, inBlock, inBlock)
	case BlockEnd:
		return c.move(event, inBlock, betweenBlocks)
	case Finish:
		return c.move(event, betweenBlocks, finished)
	default:
		return fmt.Errorf("llm: unknown event %T", e)
	}
}

// End says whether the stream may end here: nil after [Finish], otherwise
// [ErrTruncated].
func (c *Checker) End() error {
	if c.state != finished {
		return ErrTruncated
	}
	return nil
}

func (c *Checker) move(e Event, from, to checkerState) error {
	if c.state != from {
		return fmt.Errorf("llm: %T out of place", e)
	}
	c.state = to
	return nil
}

func filledByDeltas(b Block) bool {
	switch b.(type) {
	case Text, Thinking, ToolCall:
		return true
	default:
		return false
	}
}

// A BlockWriter turns flat deltas, as dialects without block borders have them, into
// blocks: it closes the open block when another kind of text comes. The zero
// value has no block open.
type BlockWriter struct {
	open Block
}

// Text returns the events that continue a block of the same kind as start, or
// that close the open one and open start first.
func (w *BlockWriter) Text(start Block, d Delta) []Event {
	if !sameKind(w.open, start) {
		return append(w.Open(start), d)
	}
	return []Event{d}
}

// Open returns the events that close the open block, if any, and open b.
func (w *BlockWriter) Open(b Block) []Event {
	events := append(w.Close(), BlockStart{Block: b})
	w.open = b
	return events
}

// Close returns the event that closes the open block, if any.
func (w *BlockWriter) Close() []Event {
	if w.open == nil {
		return nil
	}
	w.open = nil
	return []Event{BlockEnd{}}
}

func sameKind(a, b Block) bool {
	switch b := b.(type) {
	case Text:
		open, ok := a.(Text)
		return ok && open.Refusal == b.Refusal
	case Thinking:
		_, ok := a.(Thinking)
		return ok
	default:
		return false // calls and whole blocks never continue
	}
}
