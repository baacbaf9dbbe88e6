// Package frame splits the bytes of a streamed answer into frames:
// server-sent events or lines of newline-delimited JSON. It does not look
// into the payload.
package frame

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
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

// A format says what a frame is.
type format interface {
	// ends reports whether a frame ends with the line, which has its end.
	ends(line []byte) bool

	// frame returns the frame of which raw is all. It is valid as long as raw
	// is, and until it is called again.
	frame(raw []byte) Frame
}

// split splits what r reads. A frame that is not finished is one where the input
// ends, but not where it breaks off.
func split(r io.Reader, f format) Frames {
	return func(yield func(Frame, error) bool) {
		in := newInput(r)
		for {
			raw, err := in.next(f)
			if err != nil && err != io.EOF {
				yield(Frame{}, err)
				return
			}
			if len(raw) > 0 && !yield(f.frame(raw), nil) || err != nil {
				return
			}
		}
	}
}

// What is read at once, at first and from a stream that comes faster than that.
// There may be thousands of streams, and most of them are slow.
const (
	smallRead = 4 << 10
	largeRead = 16 << 10
)

// maxEmpty is how many reads in a row may bring nothing.
const maxEmpty = 100

// An input is read frame by frame, and each frame line by line.
type input struct {
	source io.Reader
	buffer []byte // what was read and is not given up
	begin  int    // of the frame
	at     int    // the end of its last line
	size   int    // of a read
	empty  int    // reads in a row that have brought nothing
	err    error  // why nothing more can be read
}

func newInput(r io.Reader) *input {
	return &input{source: r, buffer: make([]byte, 0, smallRead), size: smallRead}
}

// next returns the next frame, which is valid until it is called again. With
// [io.EOF] comes what is left, perhaps nothing.
func (in *input) next(f format) ([]byte, error) {
	in.begin = in.at
	for {
		line, err := in.line()
		if err != nil || f.ends(line) {
			return in.buffer[in.begin:in.at:in.at], err
		}
	}
}

// line adds a line to the frame and returns it, with its end. With [io.EOF]
// comes what is left.
func (in *input) line() ([]byte, error) {
	for searched := 0; ; {
		rest := in.buffer[in.at:]
		if n := bytes.IndexByte(rest[searched:], '\n'); n >= 0 {
			return in.take(searched+n+1, nil)
		}
		if in.err != nil || in.at-in.begin+len(rest) > MaxSize {
			return in.take(len(rest), in.err)
		}
		searched = len(rest)
		in.fill()
	}
}

// take adds n bytes to the frame.
func (in *input) take(n int, err error) ([]byte, error) {
	in.at += n
	if in.at-in.begin > MaxSize {
		return nil, ErrTooLarge
	}
	return in.buffer[in.at-n : in.at], err
}

// fill reads once, into what room there is behind what was read before.
func (in *input) fill() {
	kept := len(in.buffer) - in.begin
	if in.begin > 0 {
		copy(in.buffer, in.buffer[in.begin:])
		in.buffer, in.at, in.begin = in.buffer[:kept], in.at-in.begin, 0
	}
	if cap(in.buffer)-kept < in.size/2 {
		in.buffer = slices.Grow(in.buffer, in.size)
	}
	p := in.buffer[kept:min(cap(in.buffer), kept+in.size)]
	n, err := in.source.Read(p)
	in.buffer = in.buffer[:kept+n]
	if in.empty++; n > 0 {
		in.empty = 0
	} else if err == nil && in.empty == maxEmpty {
		err = io.ErrNoProgress
	}
	if in.err = err; err != nil && err != io.EOF {
		in.err = fmt.Errorf("read stream: %w", err)
	}
	if n == len(p) {
		in.size = largeRead
	}
}
