package ingress

import (
	"cmp"
	"context"
	"net"

	"github.com/offbeat-studio/allama/shared/scratch"
)

// A piece of a stream of that size, in bytes, leaves in one write of the
// connection: net/http makes three of what does not fit into its own buffer. A
// smaller one mostly does so anyway; a larger one may not, for the deadline's
// sake.
const (
	minGathered = 3 << 10
	maxGathered = writeSize
)

// A clientConn is a client's connection, which can gather what is written to it.
type clientConn struct {
	halfCloser
	gathered *scratch.Buffer // nil: what is written is sent at once
	failed   error           // of what was gathered: nothing may follow it
}

// A halfCloser is a connection as TCP has it: net/http ends it from one side, so
// that who is refused while still sending gets to read why.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// A listener accepts connections of clients.
type listener struct{ net.Listener }

// Accept implements [net.Listener].
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(halfCloser); ok {
		return &clientConn{halfCloser: tcp}, err
	}
	return c, err
}

// Write implements [net.Conn].
func (c *clientConn) Write(p []byte) (int, error) {
	switch {
	case c.failed != nil:
		return 0, c.failed
	case c.gathered == nil:
		return c.halfCloser.Write(p)
	}
	c.gathered.Bytes = append(c.gathered.Bytes, p...)
	return len(p), nil
}

// atOnce has all that f writes leave in one write, however f ends: net/http
// takes it for sent.
func (c *clientConn) atOnce(f func() error) (err error) {
	all := scratch.Borrow()
	defer all.Return()
	c.gathered = all
	defer func() {
		c.gathered = nil
		if len(all.Bytes) > 0 {
			_, c.failed = c.halfCloser.Write(all.Bytes)
			err = cmp.Or(err, c.failed)
		}
	}()
	return f()
}

type connKey struct{}

// withConn is the [net/http.Server.ConnContext].
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf returns the connection of a request with the context; nil where no
// [listener] has accepted it.
func connOf(ctx context.Context) *clientConn {
	c, _ := ctx.Value(connKey{}).(*clientConn)
	return c
}
