package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
)

func TestUnreachable(t *testing.T) {
	tests := []struct {
		name string
		err  error
		code llm.Code
		says string
	}{
		{"refused", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, llm.CodeUnreachable, "refused"},
		{"no such name", &net.DNSError{Err: "no such host", Name: "secret.internal", IsNotFound: true}, llm.CodeUnreachable, "host name"},
		{"a slow name server", &net.DNSError{Err: "timeout", Name: "secret.internal", IsTimeout: true}, llm.CodeTimeout, "too long"},
		{"dial timeout", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, llm.CodeTimeout, "too long"},
		{"bad certificate", &tls.CertificateVerificationError{Err: errors.New("secret.internal")}, llm.CodeUnreachable, "certificate"},
		{"reset", fmt.Errorf("read: %w", syscall.ECONNRESET), llm.CodeUnreachable, "without an answer"},
		{"closed", io.EOF, llm.CodeUnreachable, "without an answer"},
		{"anything else", errors.New("secret.internal"), llm.CodeUnreachable, "reached"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := unreachable(&url.Error{Op: "Post", URL: "http://secret.internal", Err: tt.err})
			if e.Code != tt.code || !strings.Contains(e.Message, tt.says) || strings.Contains(e.Message, "secret") {
				t.Errorf("got %s %q want %s with %q", e.Code, e.Message, tt.code, tt.says)
			}
			if !errors.Is(e, tt.err) {
				t.Error("the operator is not told the cause")
			}
		})
	}
}

// clientOf returns a client of the upstream at an address.
func clientOf(t *testing.T, address string) *Client {
	t.Helper()
	base, err := ParseHost(address)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Base: base, Dialect: openai.Client{}})
	t.Cleanup(c.Close)
	return c
}

func TestCertificatesAreChecked(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	c := clientOf(t, server.URL)
	if e := llm.AsError(ask(c, true)); e == nil || e.Code != llm.CodeUnreachable || !strings.Contains(e.Message, "certificate") {
		t.Errorf("error is %v want that the certificate cannot be trusted", e)
	}
}

// An operator who writes https for a server without TLS is told so.
func TestTLSWhereThereIsNone(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	c := clientOf(t, strings.Replace(server.URL, "http:", "https:", 1))
	if e := llm.AsError(ask(c, true)); e == nil || e.Code != llm.CodeUnreachable || !strings.Contains(e.Message, "not https") {
		t.Errorf("error is %v want that there is no TLS", e)
	}
}

// What is no TLS behind the handshake comes from a server that has the request:
// nobody knows what it has made of that.
func TestTLSThatEndsAfterTheRequest(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = conn.(*tls.Conn).NetConn().Write([]byte("HTTP/1.1 502 Bad Gateway\r\n\r\n"))
	})
	server.StartTLS()
	defer server.Close()
	c := clientOf(t, server.URL)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	c.http.TLSClientConfig = &tls.Config{RootCAs: pool, NextProtos: []string{"http/1.1"}}
	c.http.ForceAttemptHTTP2 = false
	e := llm.AsError(ask(c, true))
	if e == nil || e.Unsent || !is[tls.RecordHeaderError](e) {
		t.Errorf("error is %v, unsent %t, want one of TLS after the request was sent", e, e != nil && e.Unsent)
	}
}

// A name and a password in the address of an upstream are sent, where there is no
// key that goes to the same place.
func TestPasswordOfAnAddress(t *testing.T) {
	for want, keys := range map[string][]logging.Secret{"Basic dXM6cHc=": nil, "Bearer sk-1": {"sk-1"}} {
		got := make(chan string, 1)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Authorization") }))
		defer server.Close()
		base, err := ParseHost(strings.Replace(server.URL, "//", "//us:pw@", 1))
		if err != nil {
			t.Fatal(err)
		}
		c := New(Options{Base: base, Dialect: openai.Client{}, Keys: keys,
			Authorize: func(h http.Header, key string) { h.Set("Authorization", "Bearer "+key) }})
		defer c.Close()
		_ = ask(c, true) // there is no answer
		if header := <-got; header != want {
			t.Errorf("Authorization is %q want %q", header, want)
		}
	}
}

func TestBounded(t *testing.T) {
	for _, size := range []int{0, 9, 10} {
		got, err := io.ReadAll(&bounded{r: bytes.NewReader(make([]byte, size)), left: 10})
		if err != nil || len(got) != size {
			t.Errorf("%d bytes under a limit of 10: %d, %v", size, len(got), err)
		}
	}
	if _, err := io.ReadAll(&bounded{r: bytes.NewReader(make([]byte, 11)), left: 10}); !errors.Is(err, errTooLong) {
		t.Errorf("11 bytes under a limit of 10: %v", err)
	}
}

// TestNothingIsSentTwice closes a connection that waits for its next request
// as that is written: the upstream may have seen it, so it is not repeated.
func TestNothingIsSentTwice(t *testing.T) {
	posts := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		posts <- string(body)
		if len(posts) > 1 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"choices":[]}`)
	}))
	defer server.Close()
	c := clientOf(t, server.URL)
	req := c.request(context.Background(), http.MethodPost, "x")
	setBody(req, []byte("{}"))
	if req.GetBody != nil {
		t.Error("the transport could repeat the request")
	}
	_ = ask(c, false)
	if e := llm.AsError(ask(c, false)); e == nil || e.Code != llm.CodeUnreachable {
		t.Errorf("second call: %v want unreachable", e)
	}
	if len(posts) != 2 {
		t.Errorf("two calls were sent %d times", len(posts))
	}
}
