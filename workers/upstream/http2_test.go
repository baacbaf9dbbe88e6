package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/llm"
)

// overHTTP2 returns a client of h by TLS, and a way to count its connections.
func overHTTP2(t *testing.T, h http.HandlerFunc) (c *Client, connections func() int) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	var mu sync.Mutex
	n := 0
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			mu.Lock()
			n++
			mu.Unlock()
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	base, err := ParseHost(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c = New(Options{Base: base, Dialect: openai.Client{}})
	t.Cleanup(c.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	c.http.TLSClientConfig = &tls.Config{RootCAs: pool}
	return c, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// TestHTTP2 is about the protocol that most public APIs speak.
func TestHTTP2(t *testing.T) {
	left := make(chan struct{})
	c, connections := overHTTP2(t, func(w http.ResponseWriter, q *http.Request) {
		if q.ProtoMajor != 2 {
			t.Errorf("the protocol is %s", q.Proto)
		}
		body, _ := io.ReadAll(q.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, chunk)
		w.(http.Flusher).Flush()
		switch string(body) {
		case `"hang"`:
			<-q.Context().Done()
			close(left)
		case `"break"`:
			panic(http.ErrAbortHandler)
		default:
			io.WriteString(w, `data: {"id":"1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
		}
	})
	call := func(ctx context.Context, body string, each func()) error {
		answer, err := c.Forward(ctx, &Call{
			Operation: "chat/completions", Body: []byte(body), Stream: true, Wait: func(time.Duration) error { return nil },
		})
		if err != nil {
			return err
		}
		for _, err := range answer.Pieces {
			if err != nil {
				return err
			}
			each()
		}
		return nil
	}
	nothing := func() {}
	if err := call(t.Context(), `{}`, nothing); err != nil {
		t.Error(err)
	}
	if e := llm.AsError(call(t.Context(), `"break"`, nothing)); e == nil || e.Code != llm.CodeInterrupted {
		t.Errorf("a stream that breaks: %v", e)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	if err := call(ctx, `"hang"`, func() { cancel(gone) }); !errors.Is(err, gone) {
		t.Errorf("a client that leaves: %v", err)
	}
	select {
	case <-left:
	case <-time.After(time.Second):
		t.Error("the upstream does not notice that the client has left")
	}
	if err := call(t.Context(), `{}`, nothing); err != nil {
		t.Errorf("after all that: %v", err)
	}
	if n := connections(); n != 1 {
		t.Errorf("there were %d connections want 1", n)
	}
}
