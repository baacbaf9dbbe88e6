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

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// leave starts a call whose client leaves when the context is done.
func (g *rig) leave(ctx context.Context, path, body string) <-chan struct{} {
	g.t.Helper()
	r := g.request(http.MethodPost, path, body).WithContext(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // it breaks off
			resp.Body.Close()
		}
	}()
	return done
}

func TestClientLeavesBeforeTheFirstToken(t *testing.T) {
	for _, stream := range []bool{true, false} {
		for _, w := range wires() {
			g := newRig(t, nil)
			entered, left := make(chan struct{}), make(chan struct{})
			g.worker("oai", hangs(entered, left))
			ctx, cancel := context.WithCancel(t.Context())
			done := g.leave(ctx, w.path, ask("gpt-4o", stream))
			within(t, patience, "the job", entered)
			cancel()
			within(t, time.Second, "the end of the upstream call, "+w.name, left)
			<-done
			eventually(t, "a line in the log", func() bool { return len(g.log.lines("call")) == 1 })
			if line := g.log.lines("call")[0]; line["status"] != 499.0 || line["error"] != "canceled" {
				t.Errorf("the log says %v", line)
			} else if detail, _ := line["detail"].(string); strings.Count(detail, "request canceled") != 1 {
				t.Errorf("the log says %q, want it said once", detail)
			}
		}
	}
}

func TestClientLeavesInTheMiddleOfAStream(t *testing.T) {
	g := newRig(t, nil)
	left := make(chan struct{})
	g.worker("oai", func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		defer close(left)
		r.Head(bus.Head{})
		for r.Data(ctx, []byte("data: x\n\n")) == nil && r.Flush(ctx) == nil {
			pass(ctx, time.Millisecond)
		}
		return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
	})
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := http.DefaultClient.Do(g.request(http.MethodPost, "/v1/chat/completions", ask("gpt-4o", true)).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	within(t, time.Second, "the end of the upstream call", left)
	eventually(t, "a line in the log", func() bool { return len(g.log.lines("call")) == 1 })
	if line := g.log.lines("call")[0]; line["status"] != 499.0 {
		t.Errorf("the log says %v", line)
	}
}

func TestClientLeavesWhileItWaitsInTheQueue(t *testing.T) {
	g := newRig(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := g.leave(ctx, "/v1/chat/completions", ask("gpt-4o", false))
	js, err := jetstream.New(g.connect())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job in the queue", func() bool {
		queue, err := js.Stream(t.Context(), bus.StreamJobs)
		return err == nil && queue.CachedInfo().State.Msgs == 1
	})
	cancel()
	<-done
	eventually(t, "a line in the log", func() bool { return len(g.log.lines("call")) == 1 })
	var rec recorder
	g.worker("oai", rec.plays(frames(bus.Head{Whole: true}, bus.End{}, "{}")))
	// The job that was left behind comes before the next one.
	if got := g.post("/v1/chat/completions", ask("gpt-4o", false)); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if len(rec.jobs) != 1 {
		t.Errorf("%d jobs were run want 1", len(rec.jobs))
	}
}

// TestClientThatReadsNothing fills the buffers of the connection: the upstream
// must be read no further.
func TestClientThatReadsNothing(t *testing.T) {
	g := newRig(t, nil)
	written := make(chan int, 1)
	g.worker("oai", func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{})
		n := 0
		for frame := []byte(strings.Repeat("x", 64<<10)); n < 1<<30; n += len(frame) {
			if r.Data(ctx, frame) != nil || r.Flush(ctx) != nil {
				break
			}
			select {
			case <-written:
			default:
			}
			written <- n
		}
		return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := ask("gpt-4o", true)
	if _, err := io.WriteString(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "+itoa(len(body))+"\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	n := 0
	for still := false; !still; {
		select {
		case n = <-written:
		case <-time.After(300 * time.Millisecond):
			still = true
		}
	}
	if n == 0 || n > 64<<20 {
		t.Errorf("the upstream was read for %d bytes", n)
	}
}
