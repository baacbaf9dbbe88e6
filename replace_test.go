package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A balancer is the least that stands in front of two servers: it passes
// connections on to one that says it is ready.
type balancer struct {
	backends []string
	next     atomic.Int64
	ready    []atomic.Bool
}

func startBalancer(t *testing.T, backends ...string) string {
	t.Helper()
	b := &balancer{backends: backends, ready: make([]atomic.Bool, len(backends))}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); l.Close() })
	for i := range backends {
		go b.watch(ctx, i)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go b.pass(conn)
		}
	}()
	return "http://" + l.Addr().String()
}

func (b *balancer) watch(ctx context.Context, i int) {
	for ctx.Err() == nil {
		response, err := http.Get("http://" + b.backends[i] + "/readyz")
		if err == nil {
			response.Body.Close()
		}
		b.ready[i].Store(err == nil && response.StatusCode == http.StatusOK)
		<-time.After(20 * time.Millisecond)
	}
}

func (b *balancer) pass(client net.Conn) {
	defer client.Close()
	for range 500 {
		i := int(b.next.Add(1)) % len(b.backends)
		if !b.ready[i].Load() {
			<-time.After(10 * time.Millisecond)
			continue
		}
		server, err := net.Dial("tcp", b.backends[i])
		if err != nil {
			continue
		}
		defer server.Close()
		go func() {
			io.Copy(server, client)
			server.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(client, server)
		return
	}
}

// Ingresses can be replaced one after the other while calls come: no call fails,
// and a stream that runs is not cut.
func TestIngressesAreReplacedWithoutAFailure(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	env := append(u.env(), "ALLAMA_DRAIN_DELAY=300ms")
	s, env := startParts(t, env...)
	s.run(t, "worker", env...)
	second := freeAddress(t)
	start := func(address string) {
		s.run(t, "ingress", append(env, "PORT="+address[strings.LastIndexByte(address, ':')+1:])...)
	}
	start(second)
	s.waitForModel(t, "openai/echo")
	first := strings.TrimPrefix(s.url, "http://")
	balanced := startBalancer(t, first, second)

	ctx, stop := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	var done, failed atomic.Int64
	for range 8 {
		calls.Go(func() {
			for ctx.Err() == nil {
				if err := say(t.Context(), balanced, "openai/echo", "word"); err != nil {
					failed.Add(1)
					t.Error(err)
				}
				done.Add(1)
				<-time.After(10 * time.Millisecond)
			}
		})
	}
	for _, p := range []struct{ process, address string }{{"ingress", first}, {"ingress2", second}} {
		stream := make(chan folded)
		go func() {
			f, _ := clients[0].call(t.Context(), &stack{url: "http://" + p.address}, "openai/paced", "", true)
			stream <- f
		}()
		u.waitFor(t, "paced", 1)
		s.processes[p.process].signal(syscall.SIGTERM)
		if f := <-stream; !f.terminal || f.failed != "" {
			t.Errorf("the stream at %s: end %v, error %q", p.process, f.terminal, f.failed)
		}
		<-s.processes[p.process].exited
		start(p.address)
		(&stack{url: "http://" + p.address}).waitForModel(t, "openai/echo")
	}
	stop()
	calls.Wait()
	t.Logf("%d calls, %d failed", done.Load(), failed.Load())
	if done.Load() < 50 {
		t.Errorf("only %d calls were made", done.Load())
	}
}
