package ingress

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
)

// serves runs the server itself; stop begins its end, and done has what Run
// returned.
func (g *rig) serves() (stop context.CancelFunc, done <-chan error) {
	g.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g.t.Cleanup(cancel)
	result := make(chan error, 1)
	go func() { result <- g.server.Run(ctx) }()
	select {
	case <-g.server.Ready():
	case err := <-result:
		g.t.Fatalf("run: %v", err)
	}
	g.url = "http://" + g.server.Addr().String()
	return cancel, result
}

func TestServerListensOnLoopbackOnly(t *testing.T) {
	g := newRig(t, nil)
	if g.server.Addr() != nil {
		t.Error("there is an address before the server runs")
	}
	stop, done := g.serves()
	if !strings.HasPrefix(g.url, "http://127.0.0.1:") {
		t.Errorf("the server is at %s", g.url)
	}
	if got := g.get("/readyz"); got.status != 200 {
		t.Errorf("readyz: got %d %s", got.status, got.body)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAddressInUse(t *testing.T) {
	g := newRig(t, nil)
	g.serves()
	_, port, _ := strings.Cut(g.server.Addr().String(), ":")
	other := newRig(t, nil)
	for _, r := range port {
		other.server.cfg.Port = other.server.cfg.Port*10 + int(r-'0')
	}
	if err := other.server.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "PORT") {
		t.Errorf("got %v want an error about the port", err)
	}
}

func TestDrainLetsCallsEnd(t *testing.T) {
	g := newRig(t, &Config{DrainDelay: 300 * time.Millisecond})
	stop, done := g.serves()
	entered, release := make(chan struct{}), make(chan struct{})
	g.worker("oai", func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		close(entered)
		<-release
		return frames(bus.Head{Whole: true}, bus.End{}, "{}")(ctx, j, r)
	})
	result := make(chan reply)
	go func() { result <- g.post("/v1/chat/completions", ask("gpt-4o", false)) }()
	within(t, patience, "the job", entered)
	stop()
	eventually(t, "not being ready", func() bool { return g.get("/readyz").status == 503 })
	resp, err := http.Get(g.url + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || !resp.Close {
		t.Errorf("livez in the delay: got %d, close %v", resp.StatusCode, resp.Close)
	}
	eventually(t, "the closed door", func() bool {
		resp, err := http.Get(g.url + "/livez")
		if err == nil {
			resp.Body.Close()
		}
		return err != nil
	})
	close(release)
	if got := <-result; got.status != 200 || got.body != "{}" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestDrainDelayKeepsConnections is about a load balancer that has not heard
// yet: the request that it sends on a connection which waited is served.
func TestDrainDelayKeepsConnections(t *testing.T) {
	g := newRig(t, &Config{DrainDelay: patience})
	stop, _ := g.serves()
	conn, err := net.Dial("tcp", g.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	ask := func() (*http.Response, error) {
		if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(in, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		return resp, err
	}
	if resp, err := ask(); err != nil || resp.Close {
		t.Fatalf("before: %v, %v", resp, err)
	}
	stop()
	eventually(t, "not being ready", func() bool { return g.get("/readyz").status == 503 })
	if resp, err := ask(); err != nil || resp.StatusCode != 200 || !resp.Close {
		t.Errorf("in the delay: %v, %v", resp, err)
	}
}

func TestDrainEndsWhatGoesOnTooLong(t *testing.T) {
	for _, w := range wires() {
		g := newRig(t, &Config{DrainTimeout: 50 * time.Millisecond})
		stop, done := g.serves()
		entered, left := make(chan struct{}), make(chan struct{})
		g.worker("oai", hangs(entered, left))
		g.worker("llama", func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
			r.Head(bus.Head{})
			if say(ctx, r, hello()[:3]...) == nil {
				<-ctx.Done()
			}
			return bus.End{}
		})
		g.worker("claude", func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
			r.Head(bus.Head{})
			if say(ctx, r, hello()[:3]...) == nil {
				<-ctx.Done()
			}
			return bus.End{}
		})
		model := "tiny"
		if w.name == "ollama" {
			model = "claude-x"
		}
		body := g.open(w.path, ask(model, true))
		in := bufio.NewReader(body)
		if _, err := in.Peek(1); err != nil {
			t.Fatal(err)
		}
		waiting := make(chan reply)
		go func() { waiting <- g.post(w.path, ask("gpt-4o", false)) }()
		within(t, patience, "the job", entered)
		stop()
		streamed, err := io.ReadAll(in)
		if err != nil {
			t.Errorf("%s: the stream ends with %v", w.name, err)
		}
		body.Close()
		if !strings.Contains(string(streamed), "shutting down") || strings.Contains(string(streamed), w.terminal) {
			t.Errorf("%s: got the stream %s", w.name, streamed)
		}
		got := <-waiting
		outcome, message := w.outcome(got)
		want := failure{openai: "503 overloaded", anthropic: "529 overloaded_error", ollama: 503}.want(w.name)
		if outcome != want || !strings.Contains(message, "shutting down") || got.header.Get("Retry-After") != "1" {
			t.Errorf("%s: got %d %s", w.name, got.status, got.body)
		}
		within(t, time.Second, "the end of the upstream call", left)
		if err := <-done; err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
	}
}
