package ingress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
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

// serveConn serves h on connections that the ingress accepts, and that are those of
// around, if not nil.
func serveConn(t *testing.T, around func(net.Listener) net.Listener, h http.HandlerFunc) (url string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	if around != nil {
		s.Listener = around(s.Listener)
	}
	s.Listener = listener{s.Listener}
	s.Config.ConnContext = withConn
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func TestAPieceOfAStreamIsOneWrite(t *testing.T) {
	const pieces = 3
	writes := new(atomic.Int64)
	counting := func(l net.Listener) net.Listener { return countedListener{l, writes} }
	url := serveConn(t, counting, func(plain http.ResponseWriter, r *http.Request) {
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

// A stalling connection takes nothing of one write, and all of the others.
type stalling struct {
	*net.TCPConn
	write, stalls int // which one it is, and which one fails
}

func (c *stalling) Write(p []byte) (int, error) {
	if c.write++; c.write == c.stalls {
		return 0, os.ErrDeadlineExceeded
	}
	return c.TCPConn.Write(p)
}

type stallingListener struct {
	net.Listener
	stalls int
}

func (l stallingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &stalling{TCPConn: c.(*net.TCPConn), stalls: l.stalls}, nil
}

// A client that stalls and reads on must not take what came through for all.
func TestNothingFollowsAPieceThatWasNotSent(t *testing.T) {
	for _, size := range []int{100, 5000} { // of what does not get through, and of what comes next
		for _, next := range []int{100, 5000} {
			errs := make(chan error, 2)
			once := func(l net.Listener) net.Listener { return stallingListener{l, 2} }
			url := serveConn(t, once, func(plain http.ResponseWriter, r *http.Request) {
				w := newResponse(plain, "req_1")
				w.conn = connOf(r.Context())
				if err := w.piece(make([]byte, 5000)); err != nil {
					t.Error(err)
				}
				errs <- w.piece(make([]byte, size))
				errs <- w.piece(make([]byte, next))
			})
			res, err := http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err == nil || len(got) != 5000 {
				t.Errorf("%d bytes lost, %d follow: the client got %d bytes, %v want 5000 and an error", size, next, len(got), err)
			}
			if failed, late := <-errs, <-errs; failed == nil || late == nil {
				t.Errorf("%d bytes lost, %d follow: the handler got %v, %v want errors", size, next, failed, late)
			}
		}
	}
}

// What was written before a failure is sent, and what comes after it is, too.
func TestAFailureEndsTheGathering(t *testing.T) {
	url := serveConn(t, nil, func(plain http.ResponseWriter, r *http.Request) {
		w, failure := newResponse(plain, "req_1"), errors.New("no")
		err := connOf(r.Context()).atOnce(func() error { return errors.Join(w.piece(make([]byte, 5000)), failure) })
		if !errors.Is(err, failure) {
			t.Errorf("got %v want %v", err, failure)
		}
		if err := w.piece(make([]byte, 100)); err != nil {
			t.Error(err)
		}
	})
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err != nil || len(got) != 5100 {
		t.Errorf("got %d bytes, %v want 5100", len(got), err)
	}
}

// A handler that panics while it writes must not leave the connection gathering.
func TestAPanicEndsTheGathering(t *testing.T) {
	url := serveConn(t, nil, func(w http.ResponseWriter, r *http.Request) {
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
