package ingress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// pipes is a listener in fake time.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

// TestBodiesThatAreWithheld sends requests whose bodies do not come: whatever
// becomes of a request, it must not hold its connection for ever.
func TestBodiesThatAreWithheld(t *testing.T) {
	const key = "Authorization: Bearer secret\r\n"
	tests := []struct {
		name, line, headers string
		want                int
	}{
		{"a call", "POST /v1/chat/completions", key, 408},
		{"a call by ollama", "POST /api/chat", key, 408},
		{"a call without a key", "POST /v1/chat/completions", "", 401},
		{"a page that is not known", "POST /v1/messages", key + "Origin: http://evil.com\r\n", 403},
		{"no such path", "POST /nothing", key, 404},
		{"no such method", "PUT /v1/chat/completions", key, 405},
		{"a path that takes none", "GET /livez", "", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := keysFile(t, "secret")
			synctest.Test(t, func(t *testing.T) {
				s, err := New(Config{KeysFile: path}, Parts{})
				if err != nil {
					t.Fatal(err)
				}
				l := pipes{make(chan net.Conn), make(chan struct{})}
				web := &http.Server{Handler: s.Handler()}
				done := make(chan error, 1)
				go func() { done <- web.Serve(l) }()
				ours, theirs := net.Pipe()
				l.accept <- theirs
				began := time.Now()
				go func() {
					_, _ = io.WriteString(ours, tt.line+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"+tt.headers+"\r\n{")
				}()
				_ = ours.SetReadDeadline(began.Add(time.Hour))
				resp, err := http.ReadResponse(bufio.NewReader(ours), nil)
				if err != nil {
					t.Fatalf("no answer: %v", err)
				}
				if resp.StatusCode != tt.want {
					t.Errorf("got %d want %d", resp.StatusCode, tt.want)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > bodyTimeout+5*time.Second {
					t.Errorf("the answer took %v", took)
				}
				ours.Close()
				web.Close()
				if err := <-done; !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
			})
		})
	}
}

// halfClosed makes a call of a model of the provider oai, and closes the
// client's side of the connection when begun, an answer to it, has. It returns
// all that the client gets.
func (g *rig) halfClosed(w wire, stream bool, begun <-chan struct{}) string {
	g.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	body := ask("gpt-4o", stream)
	if _, err := io.WriteString(conn, "POST "+w.path+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: "+itoa(len(body))+"\r\n\r\n"+body); err != nil {
		g.t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	within(g.t, patience, "the job", begun)
	if stream {
		if _, err := in.Peek(1); err != nil {
			g.t.Fatal(err)
		}
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		g.t.Fatal(err)
	}
	got, err := io.ReadAll(in)
	if err != nil {
		g.t.Fatalf("after %q: %v", got, err)
	}
	return string(got)
}

// TestClientThatClosesItsSide is about one that counts as gone, and still
// reads: it must not take the end of the connection for the end of an answer.
func TestClientThatClosesItsSide(t *testing.T) {
	for _, stream := range []bool{false, true} {
		for _, w := range wires() {
			g := newRig(t, nil)
			begun, left := make(chan struct{}), make(chan struct{})
			g.worker("oai", func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
				defer close(left)
				close(begun)
				switch {
				case stream && j.Encoding == bus.Native:
					frames(bus.Head{}, bus.End{}, "data: {}\n\n")(ctx, j, r)
				case stream:
					says(bus.End{}, hello()[:3]...)(ctx, j, r)
				}
				<-ctx.Done()
				return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
			})
			got := g.halfClosed(w, stream, begun)
			within(t, time.Second, "the end of the upstream call, "+w.name, left)
			if stream && (!strings.Contains(got, "request canceled") || strings.Contains(got, w.terminal)) ||
				!stream && !strings.HasPrefix(got, "HTTP/1.1 499 ") {
				t.Errorf("%s, stream %v: got %q", w.name, stream, got)
			}
		}
	}
}
