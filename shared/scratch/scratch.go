// Package scratch lends memory for bytes that are needed for a moment: what is
// put together before it is sent.
package scratch

import "sync"

// maxKept is the size of a buffer, in bytes, above which it is not lent again.
const maxKept = 256 << 10

// A Buffer is borrowed and returned. Its zero value is an empty one that nobody
// has lent.
type Buffer struct{ Bytes []byte }

var buffers = sync.Pool{New: func() any { return new(Buffer) }}

// Borrow returns an empty buffer, with room or without. It is safe for
// concurrent use.
func Borrow() *Buffer { return buffers.Get().(*Buffer) }

// Return gives a buffer back: neither it nor its bytes may be used any more.
func (b *Buffer) Return() {
	if cap(b.Bytes) > maxKept {
		b.Bytes = nil
	}
	b.Bytes = b.Bytes[:0]
	buffers.Put(b)
}
