package bus

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go"
)

// sourceTries is how often a worker asks for a piece of a source. It reads while
// it makes the call, which would fail, so it bears with a bus that is away.
const sourceTries = 15

// errEnded is the error of a source after its attempt.
var errEnded = errors.New("the attempt has ended")

// A distant is a source that is with the owner, who hands out what is read of
// it. Reading it from the beginning to the end takes one piece of memory.
type distant struct {
	reply *Reply
	size  int64

	mu    sync.Mutex
	piece []byte // the last one
	at    int64  // where it begins
}

// ReadAt fetches what of p it does not have.
func (d *distant) ReadAt(p []byte, off int64) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n < len(p) {
		if off >= d.size {
			return n, io.EOF
		}
		if off < d.at || off >= d.at+int64(len(d.piece)) {
			piece, err := d.reply.fetchPiece(uint64(off), sourceTries)
			if err != nil {
				return n, fmt.Errorf("fetch body: %w", err)
			}
			d.piece, d.at = piece, off
		}
		copied := copy(p[n:], d.piece[off-d.at:])
		n, off = n+copied, off+int64(copied)
	}
	return n, nil
}

// sendPiece sends a part of the source that a worker asks for, without holding
// up what comes for other calls: it may have to be read from a disk. The caller
// holds the lock.
func (c *Call) sendPiece(m *nats.Msg, asked numbered) {
	if c.recv.done || m.Reply == "" {
		return
	}
	reply, source := m.Reply, c.job.Source
	c.reading.Go(func() {
		start := min(asked.n, uint64(source.Size()))
		body := make([]byte, min(pieceSize, source.Size()-int64(start)))
		n, err := source.ReadAt(body, int64(start))
		if err != nil && err != io.EOF {
			c.owner.log.Warn("the body of a call cannot be read", slog.String("request", c.job.Request), slog.Any("error", err))
			n = 0 // which the worker takes for a refusal
		}
		c.owner.send(reply, numbered{kind: kindPiece, fence: asked.fence, n: start, body: body[:n]}.encode())
	})
}
