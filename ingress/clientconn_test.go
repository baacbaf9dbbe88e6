package ingress

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
)

// What net/http looks for in a connection, see [halfCloser].
var _ interface{ CloseWrite() error } = (*clientConn)(nil)

// A counted connection counts its writes.
type counted struct {
	*net.TCPConn
	writes *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.TCPConn.Write(p)
}

type countedListener struct {
	net.Listener
	writes *atomic.Int64
}

func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return counted{c.(*net.TCPConn), l.writes}, nil
}

// serveConn serves h on connections that the ingress accepts, and counts their writes.
func serveConn(t *testing.T, h http.HandlerFunc) (url string, writes *atomic.Int64) {
	t.Helper()
	writes = new(atomic.Int64)
	s := httptest.NewUnstartedServer(h)
	s.Listener = listener{countedListener{s.Listener, writes}}
	s.Config.ConnContext = withConn
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, writes
}

func TestAPieceOfAStreamIsOneWrite(t *testing.T) {
	const pieces = 3
	url, writes := serveConn(t, func(plain http.ResponseWriter, r *http.Request) {
		w := newResponse(plain, "req_1")
		w.conn = connOf(r.Context())
		size, err := strconv.Atoi(r.URL.Query().Get("size"))
		if err != nil {
			t.Error(err)
		}
		for i := range pieces {
			if err := w.piece(bytes.Repeat([]byte{'a' + byte(i)}, size)); err != nil {
				t.Error(err)
			}
		}
	})
	for _, size := range []int{1, minGathered - 1, minGathered, 5000, 16 << 10, maxGathered} {
		writes.Store(0)
		res, err := http.Get(url + "?size=" + strconv.Itoa(size))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		want := bytes.Join([][]byte{bytes.Repeat([]byte("a"), size), bytes.Repeat([]byte("b"), size), bytes.Repeat([]byte("c"), size)}, nil)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("pieces of %d bytes: got %d bytes, %v want %d", size, len(got), err, len(want))
		}
		if n := writes.Load(); n != pieces+1 { // the last one is the end
			t.Errorf("pieces of %d bytes: %d writes want %d", size, n, pieces+1)
		}
	}
}

// A handler that panics while it writes must not leave the connection gathering.
func TestAPanicEndsTheGathering(t *testing.T) {
	url, _ := serveConn(t, func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			_ = recover()
			http.Error(w, "internal error", http.StatusInternalServerError)
		}()
		_ = connOf(r.Context()).atOnce(func() error { panic("no") })
	})
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusInternalServerError {
		t.Errorf("got status %d want 500", res.StatusCode)
	}
}

func TestARequestOfAnotherListenerHasNoClientConn(t *testing.T) {
	if c := connOf(context.Background()); c != nil {
		t.Errorf("got %v want nil", c)
	}
}
