// Package frame splits the bytes of a streamed answer into frames:
// server-sent events or lines of newline-delimited JSON. It does not look
// into the payload.
package frame

import (
	"bufio"
	"bytes"
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

// What is read at once, at first and from a stream that comes faster than that.
// There may be thousands of streams, and most of them are slow.
const (
	smallBuffer = 4 << 10
	largeBuffer = 16 << 10
)

// lines reads an input line by line.
type lines struct {
	buffer *bufio.Reader
	source *gauge
}

func newLines(r io.Reader) *lines {
	source := &gauge{Reader: r}
	return &lines{buffer: bufio.NewReaderSize(source, smallBuffer), source: source}
}

// A gauge knows whether the last read has filled what it was given.
type gauge struct {
	io.Reader
	full bool
}

func (g *gauge) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	g.full = err == nil && n == len(p)
	return n, err
}

// grow makes the buffer a large one.
func (l *lines) grow() {
	rest, _ := l.buffer.Peek(l.buffer.Buffered()) // there is as much
	l.buffer = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(rest), l.source), largeBuffer)
}

// next reads one line with its end into dst. The end is "\n", "\r\n", or the
// end of the input.
func (l *lines) next(dst []byte) ([]byte, error) {
	for {
		if l.source.full && l.buffer.Size() < largeBuffer {
			l.grow()
		}
		part, err := l.buffer.ReadSlice('\n')
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
