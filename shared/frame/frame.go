// Package frame splits the bytes of a streamed answer into frames:
// server-sent events or lines of newline-delimited JSON. It does not look
// into the payload.
package frame

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
)

// MaxSize is the largest frame that is read, in bytes.
const MaxSize = 16 << 20

// ErrTooLarge is the error for a frame over [MaxSize].
var ErrTooLarge = errors.New("frame over the limit of 16 MiB")

// A Frame is one server-sent event or one line.
//
// The slices are valid until the next step of the iteration.
type Frame struct {
	Event string // the event's name; empty in NDJSON and where there is none
	Data  []byte // the payload; nil where there is none, as in comments and blank lines, or an empty one
	Raw   []byte // the frame as it was read, with its end; all Raws together are the input
}

// Frames are the frames of one answer, and at most one error, last. A clean
// end of the input ends the iteration without error; the rest of the input
// after the last separator is then a frame as well.
type Frames = iter.Seq2[Frame, error]

// bufferSize is what is read at once. There may be thousands of streams, and an
// HTTP connection gives no more at a time.
const bufferSize = 4 << 10

// readLine reads one line with its end into dst. The end is "\n", "\r\n", or
// the end of the input.
func readLine(r *bufio.Reader, dst []byte) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		dst = append(dst, part...)
		if len(dst) > MaxSize {
			return dst, ErrTooLarge
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return dst, err
		}
	}
}

// ended tells a clean end from a broken connection.
func ended(err error) error {
	if err == io.EOF {
		return nil
	}
	return fmt.Errorf("read stream: %w", err)
}
