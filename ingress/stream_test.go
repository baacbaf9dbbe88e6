package ingress

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A gate holds the end of an answer back until its client has seen some of it.
type gate chan struct{}

func (c gate) holds(h bus.Handler) bus.Handler {
	return func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		end := h(ctx, j, r)
		select {
		case <-c:
		case <-ctx.Done():
		}
		return end
	}
}

// watch makes a call and opens the gate at the first byte of the answer.
func (g *rig) watch(path, body string, c gate) reply {
	g.t.Helper()
	resp, err := http.DefaultClient.Do(g.request(http.MethodPost, path, body))
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	if _, err := in.Peek(1); err != nil {
		g.t.Fatal(err)
	}
	c <- struct{}{}
	all, err := io.ReadAll(in)
	if err != nil {
		g.t.Fatalf("read the body after %q: %v", all, err)
	}
	return reply{resp.StatusCode, resp.Header, string(all)}
}

func TestFailureInTheMiddleOfAStream(t *testing.T) {
	g, seen := newRig(t, nil), gate(make(chan struct{}))
	broken := bus.End{Error: &llm.Error{Code: llm.CodeInterrupted, Message: "upstream closed the stream unexpectedly"}}
	native := map[string]string{"oai": "data: {\"id\":\"x\"}\n\n", "claude": "event: message_start\ndata: {}\n\n", "llama": "{\"message\":{}}\n"}
	for _, p := range []string{"oai", "claude", "llama"} {
		g.worker(p, seen.holds(func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
			if j.Encoding == bus.Native {
				return frames(bus.Head{}, broken, native[p])(ctx, j, r)
			}
			return says(broken, hello()[:3]...)(ctx, j, r)
		}))
	}
	for _, w := range wires() {
		for _, other := range wires() {
			got := g.watch(w.path, ask(other.model, true), seen)
			if got.status != 200 {
				t.Errorf("%s to %s: got %d %s", w.name, other.name, got.status, got.body)
			}
			frame := string(g.server.calls[w.path].Framing("").Error(broken.Error))
			if !strings.HasSuffix(got.body, frame) || strings.Count(got.body, "unexpectedly") != 1 || got.body == frame {
				t.Errorf("%s to %s: %q does not end with the error %q", w.name, other.name, got.body, frame)
			}
			if strings.Contains(got.body, w.terminal) {
				t.Errorf("%s to %s: %q has the mark of a whole answer", w.name, other.name, got.body)
			}
		}
	}
	if line := g.log.lines("call")[0]; line["status"] != 200.0 || line["error"] != "interrupted" {
		t.Errorf("the log says %v", line)
	}
}

func TestFailureInTheMiddleOfAWholeAnswer(t *testing.T) {
	g := newRig(t, nil)
	broken := bus.End{Error: &llm.Error{Code: llm.CodeUpstream, Message: "it broke"}}
	g.worker("oai", frames(bus.Head{Whole: true}, broken, `{"half":`))
	g.worker("claude", says(broken, hello()[:4]...))
	for _, model := range []string{"gpt-4o", "claude-x"} {
		got := g.post("/v1/chat/completions", ask(model, false))
		if outcome, message := wires()[0].outcome(got); outcome != "502 upstream_error" || message != "it broke" {
			t.Errorf("%s: got %d %s", model, got.status, got.body)
		}
	}
}

func TestAnswerWithoutItsEndIsAnError(t *testing.T) {
	g, seen := newRig(t, nil), gate(make(chan struct{}))
	g.worker("oai", seen.holds(says(bus.End{}, hello()[:4]...)))
	g.worker("claude", says(bus.End{}, hello()[:4]...))
	stream := g.watch("/v1/messages", ask("gpt-4o", true), seen)
	if stream.status != 200 || !strings.Contains(stream.body, llm.ErrTruncated.Error()) || strings.Contains(stream.body, "message_stop") {
		t.Errorf("stream: got %d %s", stream.status, stream.body)
	}
	whole := g.post("/v1/chat/completions", ask("claude-x", false))
	if whole.status != 502 || !strings.Contains(whole.body, llm.ErrTruncated.Error()) {
		t.Errorf("whole: got %d %s", whole.status, whole.body)
	}
}

func TestAnswerThatIsNotWellFormedIsAnError(t *testing.T) {
	g := newRig(t, nil)
	g.worker("oai", frames(bus.Head{}, bus.End{}, "no event\n"))
	g.worker("claude", frames(bus.Head{}, bus.End{}, `{"delta":{"text":"x"}}`+"\n"))
	for _, tt := range []struct{ path, model string }{{"/v1/messages", "gpt-4o"}, {"/v1/chat/completions", "claude-x"}} {
		for _, stream := range []bool{true, false} {
			if got := g.post(tt.path, ask(tt.model, stream)); got.status != 500 || !strings.Contains(got.body, "internal error") {
				t.Errorf("%s, stream %v: got %d %s", tt.path, stream, got.status, got.body)
			}
		}
	}
}

// TestNothingIsSentBeforeContent holds the answer back after its start: the
// client must not have got a status by then, but a failure must still be one.
func TestNothingIsSentBeforeContent(t *testing.T) {
	g := newRig(t, nil)
	g.worker("oai", func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{})
		if say(ctx, r, hello()[0]) != nil {
			return bus.End{}
		}
		pass(ctx, 50*time.Millisecond)
		return bus.End{Error: &llm.Error{Code: llm.CodeUpstream, Message: "it broke"}}
	})
	got := g.post("/v1/messages", ask("gpt-4o", true))
	if outcome, _ := wires()[1].outcome(got); outcome != "500 api_error" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// pass lets time go by, on a worker: enough of it for whatever must not happen.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func TestContentIsSentAtOnce(t *testing.T) {
	g := newRig(t, nil)
	seen := make(chan struct{})
	g.worker("oai", func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{})
		if r.Data(ctx, []byte("first\n")) != nil || r.Flush(ctx) != nil {
			return bus.End{}
		}
		<-seen
		return frames(bus.Head{}, bus.End{}, "second\n")(ctx, nil, r)
	})
	body := g.open("/v1/chat/completions", ask("gpt-4o", true))
	defer body.Close()
	lines := bufio.NewReader(body)
	if line, err := lines.ReadString('\n'); line != "first\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	close(seen)
}

// open starts a call and returns its body.
func (g *rig) open(path, body string) io.ReadCloser {
	g.t.Helper()
	resp, err := http.DefaultClient.Do(g.request(http.MethodPost, path, body))
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.Body
}

// dies plays a worker that is lost after it has said something.
func (g *rig) dies(provider string, list ...llm.Event) (lost <-chan struct{}) {
	g.t.Helper()
	return g.diesAs(provider, bus.Head{Warnings: []llm.Warning{{Policy: llm.Dropped, Field: "of_the_first"}}}, list...)
}

// diesAs is dies, for an answer with another head.
func (g *rig) diesAs(provider string, head bus.Head, list ...llm.Event) (lost <-chan struct{}) {
	g.t.Helper()
	started := make(chan struct{})
	stop := make(chan struct{})
	nc := g.worker(provider, func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(head)
		if err := say(ctx, r, list...); err != nil {
			g.t.Errorf("say: %v", err)
		}
		close(started)
		<-stop
		return bus.End{}
	})
	g.t.Cleanup(func() { close(stop) })
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-started:
			if err := nc.Flush(); err != nil {
				g.t.Errorf("flush: %v", err)
			}
			nc.Close()
		case <-stop:
		}
	}()
	return gone
}

func TestLostWorkerBeforeContentIsMadeGood(t *testing.T) {
	for _, stream := range []bool{true, false} {
		g := newRig(t, nil)
		lost := g.dies("oai", llm.Start{ID: "the_first", Model: "m"})
		done := make(chan reply)
		go func() { done <- g.post("/v1/messages", ask("gpt-4o", stream)) }()
		within(t, patience, "the first worker's end", lost)
		g.worker("oai", says(bus.End{}, hello()...))
		got := <-done
		if got.status != 200 || !strings.Contains(got.body, "Hello") || strings.Contains(got.body, "the_first") {
			t.Errorf("stream %v: got %d %s", stream, got.status, got.body)
		}
		if strings.Count(got.body, `"message_start"`) > 1 || stream && !strings.Contains(got.body, "message_stop") {
			t.Errorf("stream %v: it is no single answer: %s", stream, got.body)
		}
		if got.header.Get("X-Allama-Attempts") != "2" || got.header.Get("X-Allama-Dropped") != "" {
			t.Errorf("stream %v: got the headers %v", stream, got.header)
		}
	}
}

func TestLostWorkerAfterContentEndsTheStream(t *testing.T) {
	g := newRig(t, nil)
	lost := g.dies("oai", hello()[:3]...)
	done := make(chan reply)
	go func() { done <- g.post("/v1/messages", ask("gpt-4o", true)) }()
	within(t, patience, "the first worker's end", lost)
	var rec recorder
	g.worker("oai", rec.plays(says(bus.End{}, hello()...)))
	got := <-done
	if got.status != 200 || !strings.Contains(got.body, "event: error") || strings.Count(got.body, "Hello") != 1 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if len(rec.jobs) != 0 {
		t.Error("there was a second generation")
	}
}

func TestSilenceIsBroken(t *testing.T) {
	for _, tt := range []struct {
		path string
		sign string
	}{
		{"/v1/chat/completions", ": keep-alive\n\n"},
		{"/v1/messages", "event: ping\n"},
	} {
		g := newRig(t, nil)
		g.server.keepAlive = 50 * time.Millisecond
		answer := make(chan bool)
		g.worker("llama", func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
			r.Expect(time.Minute)
			if <-answer {
				return says(bus.End{}, hello()...)(ctx, j, r)
			}
			return bus.End{Error: &llm.Error{Code: llm.CodeUpstream, Firm: true, Message: "it broke"}}
		})
		for _, well := range []bool{true, false} {
			body := g.open(tt.path, ask("tiny", true))
			lines := bufio.NewReader(body)
			for range 2 {
				if line, err := lines.ReadString('\n'); !strings.HasPrefix(tt.sign, line) {
					t.Fatalf("%s: got %q, %v want %q", tt.path, line, err, tt.sign)
				}
				for line := " "; line != "\n"; {
					line, _ = lines.ReadString('\n')
				}
			}
			answer <- well
			rest, err := io.ReadAll(lines)
			if err != nil {
				t.Fatal(err)
			}
			body.Close()
			if well != strings.Contains(string(rest), "Hello") || well == strings.Contains(string(rest), "it broke") {
				t.Errorf("%s, well %v: got %s", tt.path, well, rest)
			}
		}
	}
}

func TestNoSignOfLifeWhileTheAnswerFlows(t *testing.T) {
	g := newRig(t, nil)
	g.server.keepAlive = 400 * time.Millisecond
	g.worker("oai", func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{})
		for range 12 {
			if r.Data(ctx, []byte("data: x\n\n")) != nil || r.Flush(ctx) != nil {
				break
			}
			pass(ctx, 50*time.Millisecond)
		}
		return bus.End{}
	})
	if got := g.post("/v1/chat/completions", ask("gpt-4o", true)); got.body != strings.Repeat("data: x\n\n", 12) {
		t.Errorf("got %s", got.body)
	}
}

// TestSilenceIsKeptWhereNothingMayBeSaid waits longer than a sign of life would
// take: a dialect without one, and a client that wants a whole answer.
func TestSilenceIsKeptWhereNothingMayBeSaid(t *testing.T) {
	g := newRig(t, nil)
	g.server.keepAlive = 10 * time.Millisecond
	g.worker("oai", func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Expect(time.Minute)
		pass(ctx, 20*g.server.keepAlive)
		return bus.End{Error: &llm.Error{Code: llm.CodeUpstream, Message: "it broke"}}
	})
	if got := g.post("/api/chat", ask("gpt-4o", true)); got.status != 502 {
		t.Errorf("ollama: got %d %s", got.status, got.body)
	}
	if got := g.post("/v1/chat/completions", ask("gpt-4o", false)); got.status != 502 {
		t.Errorf("whole: got %d %s", got.status, got.body)
	}
}

// What came together with the failure belongs to the client that has got the
// beginning already.
func TestFailureDoesNotTakeBackWhatCameWithIt(t *testing.T) {
	g, seen := newRig(t, nil), gate(make(chan struct{}))
	g.worker("oai", func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{})
		if err := r.Data(ctx, []byte("data: first\n\n")); err != nil {
			return bus.End{Error: llm.AsError(err)}
		}
		if err := r.Flush(ctx); err != nil {
			return bus.End{Error: llm.AsError(err)}
		}
		<-seen
		if err := r.Data(ctx, []byte("data: second\n\n")); err != nil { // goes with the end
			return bus.End{Error: llm.AsError(err)}
		}
		return bus.End{Error: &llm.Error{Code: llm.CodeInterrupted, Message: "broken off"}}
	})
	got := g.watch("/v1/chat/completions", ask("oai/gpt-4o", true), seen)
	if !strings.HasPrefix(got.body, "data: first\n\ndata: second\n\ndata: {\"error\":") {
		t.Errorf("got %q, want both pieces and then the error", got.body)
	}
}
