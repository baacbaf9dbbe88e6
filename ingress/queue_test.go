package ingress

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/queue"
)

// capped has the server believe in a cap for all providers.
func (g *rig) capped(limit, depth int) {
	g.server.gate = queue.NewGate(queue.Options{Depth: depth, Cap: func(string) int { return limit }})
}

// A tap lets calls end one by one.
type tap struct {
	recorder
	began chan string // the models of the calls, as they begin
	open  chan struct{}
}

func newTap() *tap { return &tap{began: make(chan string, 1000), open: make(chan struct{})} }

func (c *tap) plays() bus.Handler {
	return c.recorder.plays(func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		r.Expect(time.Minute)
		c.began <- string(j.Body)
		select {
		case <-c.open:
		case <-ctx.Done():
		}
		if j.Encoding == bus.Canonical {
			return says(bus.End{}, hello()...)(ctx, j, r)
		}
		return frames(bus.Head{Whole: !j.Stream}, bus.End{Usage: &llm.Usage{Input: 3, Output: 2}}, "data: {}\n\n")(ctx, j, r)
	})
}

// single starts a worker that does one thing at a time.
func (g *rig) single(provider string, h bus.Handler) {
	g.t.Helper()
	w, err := bus.NewWorker(g.connect(), provider, bus.WorkerOptions{Timing: timing, Concurrency: 1, Grace: time.Second}, h)
	if err != nil {
		g.t.Fatal(err)
	}
	g.background(w.Run)
	eventually(g.t, "a worker of "+provider, func() bool { return g.server.owner.Workers(provider) > 0 })
}

// status is that of the only provider that was called.
func (g *rig) status() (s queue.Status) {
	for _, s := range g.server.gate.Snapshot() {
		return s
	}
	return s
}

// waits waits until so many calls are in the room.
func (g *rig) waits(n int) {
	g.t.Helper()
	eventually(g.t, fmt.Sprintf("%d calls that wait", n), func() bool {
		waiting := 0
		for _, calls := range g.status().Waiting {
			waiting += calls
		}
		return waiting == n
	})
}

// occupied has one call run at a worker, and another one be on its way to it,
// so that what comes now has to wait. The calls end with the test.
func (g *rig) occupied(depth int) *tap {
	g.t.Helper()
	tap := newTap()
	g.capped(1, depth)
	g.single("oai", tap.plays())
	for _, stage := range []string{"run", "queue"} {
		g.leave(g.t.Context(), "/v1/chat/completions", ask("gpt-4o", false))
		if stage == "run" {
			<-tap.began
		}
	}
	eventually(g.t, "a call on its way", func() bool { s := g.status(); return s.Running == 1 && s.Queued == 1 })
	return tap
}

func TestFiftyCallersShareTwoPlaces(t *testing.T) {
	g := newRig(t, nil)
	g.capped(2, 0)
	js, err := jetstream.New(g.connect())
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer("oai"))
	if err != nil {
		t.Fatal(err)
	}
	config := consumer.CachedInfo().Config
	config.MaxAckPending = 2
	if _, err := js.UpdateConsumer(t.Context(), bus.StreamJobs, config); err != nil {
		t.Fatal(err)
	}
	var running, most atomic.Int32
	for range 3 {
		g.worker("oai", func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
			n := running.Add(1)
			defer running.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			pass(ctx, 20*time.Millisecond)
			return frames(bus.Head{Whole: true}, bus.End{}, "{}")(ctx, j, r)
		})
	}
	var callers sync.WaitGroup
	var queued atomic.Int64
	for range 50 {
		callers.Go(func() {
			got := g.post("/v1/chat/completions", ask("gpt-4o", false))
			if got.status != 200 || got.body != "{}" {
				t.Errorf("got %d %s", got.status, got.body)
			}
			if got.header.Get("X-Allama-Queue-Position") != "0" {
				queued.Add(1)
			}
		})
	}
	callers.Wait()
	if most.Load() > 2 {
		t.Errorf("%d calls ran at once", most.Load())
	}
	if queued.Load() < 40 {
		t.Errorf("only %d calls were told that they had to wait", queued.Load())
	}
	if s := g.status(); s.Queued != 0 || s.Running != 0 {
		t.Errorf("at the end there is %+v", s)
	}
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	g := newRig(t, nil)
	g.occupied(5)
	for range 5 {
		g.leave(t.Context(), "/v1/chat/completions", ask("gpt-4o", true))
	}
	g.waits(5)
	for _, w := range wires() {
		for _, stream := range []bool{true, false} {
			began := time.Now()
			got := g.post(w.path, ask("gpt-4o", stream))
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Errorf("%s: refused after %v", w.name, took)
			}
			_, message := w.errorOf(got.body)
			if got.status != 503 && got.status != 529 || got.header.Get("Retry-After") == "" || got.header.Get("X-Should-Retry") != "true" || !strings.HasPrefix(message, "server busy") {
				t.Errorf("%s, stream %v: got %d %v %s", w.name, stream, got.status, got.header, got.body)
			}
		}
	}
}

func TestAClientThatLeavesTheWaitingRoomReachesNoWorker(t *testing.T) {
	for _, w := range wires() {
		g := newRig(t, nil)
		tap := g.occupied(0)
		ctx, cancel := context.WithCancel(t.Context())
		done := g.leave(ctx, w.path, ask("gpt-4o", true))
		g.waits(1)
		cancel()
		<-done
		g.waits(0)
		eventually(t, "a line in the log", func() bool { return len(g.log.lines("call")) == 1 })
		if line := g.log.lines("call")[0]; line["status"] != 499.0 || line["error"] != "canceled" || line["attempts"] != 0.0 {
			t.Errorf("%s: the log says %v", w.name, line)
		}
		close(tap.open)
		if got := g.post(w.path, ask("gpt-4o", false)); got.status != 200 {
			t.Errorf("%s: got %d %s", w.name, got.status, got.body)
		}
		if got := len(tap.jobs); got != 3 {
			t.Errorf("%s: %d jobs were run, want 3", w.name, got)
		}
	}
}

// TestAStreamThatWaitsSaysSo has a call wait until its client was told twice.
func TestAStreamThatWaitsSaysSo(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/chat/completions": ": waiting, position 1\n\n",
		"/v1/responses":        ": waiting, position 1\n\n",
		"/v1/messages":         "event: ping\ndata: {\"type\":\"ping\"}\n\n",
	} {
		g := newRig(t, nil)
		g.server.firstWord, g.server.keepAlive = 30*time.Millisecond, 60*time.Millisecond
		tap := g.occupied(0)
		resp, err := http.DefaultClient.Do(g.request(http.MethodPost, path, strings.Replace(ask("gpt-4o", true), "{", `{"input":"Hi",`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(resp.Body)
		for range 2 {
			got := make([]byte, len(want))
			if _, err := io.ReadFull(in, got); err != nil || string(got) != want {
				t.Errorf("%s: got %q, %v want %q", path, got, err, want)
			}
		}
		if got := resp.Header.Get("X-Allama-Queue-Position"); got != "1" {
			t.Errorf("%s: position %q", path, got)
		}
		close(tap.open)
		rest, err := io.ReadAll(in)
		if err != nil || !strings.HasSuffix(string(rest), "\n\n") || strings.Contains(string(rest), `"error":{`) {
			t.Errorf("%s: the rest is %q, %v", path, rest, err)
		}
		resp.Body.Close()
	}
}

func TestACallIsSilentWhileItCanStillGetAStatus(t *testing.T) {
	g := newRig(t, nil)
	g.server.firstWord = time.Hour
	tap := g.occupied(0)
	done := make(chan reply)
	go func() { done <- g.post("/v1/chat/completions", ask("gpt-4o", true), "X-Allama-Queue-Timeout", "200ms") }()
	got := <-done
	if got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "was not begun in time") {
		t.Errorf("got %d %v %s", got.status, got.header, got.body)
	}
	if got.header.Get("X-Allama-Queue-Position") != "1" || len(got.header.Get("X-Allama-Queue-Ms")) != 3 {
		t.Errorf("got %v", got.header)
	}
	close(tap.open)
}

func TestACallOnItsWayIsEndedWhenItTakesTooLong(t *testing.T) {
	g := newRig(t, &Config{QueueTimeout: 200 * time.Millisecond})
	tap := newTap()
	g.capped(4, 0)
	g.single("oai", tap.plays())
	first := g.leave(t.Context(), "/v1/chat/completions", ask("gpt-4o", false))
	<-tap.began
	got := g.post("/v1/chat/completions", ask("gpt-4o", false), "X-Allama-Queue-Timeout", "1h")
	if got.status != 503 || got.header.Get("Retry-After") == "" || got.header.Get("X-Allama-Queue-Position") != "0" {
		t.Errorf("got %d %v %s", got.status, got.header, got.body)
	}
	close(tap.open)
	<-first
	if got := g.post("/v1/chat/completions", ask("gpt-4o", false)); got.status != 200 {
		t.Errorf("the one after it got %d %s", got.status, got.body)
	}
	if len(tap.jobs) != 2 {
		t.Errorf("%d jobs were run, want 2", len(tap.jobs))
	}
}

func TestUrgentCallsOvertakeThoseThatHaveNotBegun(t *testing.T) {
	keys := keysFile(t, "alice:a\npaul:p [priority]\nfinn:f [flex, weight=3]")
	g := newRig(t, &Config{KeysFile: keys})
	tap := newTap()
	g.capped(1, 0)
	g.single("oai", tap.plays())
	calls := 0
	var clients sync.WaitGroup
	call := func(key, name, extra string, headers ...string) {
		body := strings.Replace(ask("gpt-4o", false), `"Hi"`, `"`+name+`"`, 1)
		body = strings.Replace(body, "{", "{"+extra, 1)
		clients.Go(func() { g.post("/v1/chat/completions", body, append(headers, "x-api-key", key)...) })
		calls++
		if calls == 1 {
			<-tap.began
		}
		eventually(t, "the call "+name, func() bool { return len(g.status().Calls) == calls })
	}
	call("a", "runs", "")
	call("a", "is on its way", "")
	call("f", "5", "")
	call("f", "6", `"service_tier":"priority",`) // its key may not
	call("a", "7", "", "x-allama-class", "flex")
	call("a", "3", "")
	call("a", "4", "", "x-allama-class", "priority") // nor this one
	call("p", "2", `"service_tier":"default",`)      // the other key has had its turn
	call("p", "1", "")
	var got []string
	for range calls - 1 {
		tap.open <- struct{}{}
		body := <-tap.began
		_, body, _ = strings.Cut(body, `"content":"`)
		name, _, _ := strings.Cut(body, `"`)
		got = append(got, name)
	}
	close(tap.open)
	clients.Wait()
	want := "is on its way 1 2 3 4 5 7 6"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("the calls went %s, want %s", s, want)
	}
}

func TestWishesThatNobodyUnderstandsAreRefused(t *testing.T) {
	g := newRig(t, nil)
	for name, values := range map[string][]string{
		"X-Allama-Class":         {"urgent", "Priority"},
		"X-Allama-Queue-Timeout": {"soon", "-1", "0", "-3s"},
	} {
		for _, value := range values {
			if got := g.post("/v1/chat/completions", ask("gpt-4o", false), name, value); got.status != 400 || !strings.Contains(got.body, strings.ToLower(name)) {
				t.Errorf("%s %s: got %d %s", name, value, got.status, got.body)
			}
		}
	}
}

func TestHintsOfABody(t *testing.T) {
	for body, want := range map[string]hints{
		`{"model":"a"}`:                                       {},
		`{"model":"a","service_tier":"flex"}`:                 {tier: "flex"},
		`{"service_tier":5,"max_tokens":"many"}`:              {},
		`{"max_tokens":7,"messages":[{"max_tokens":9}]}`:      {limit: 7},
		`{"max_completion_tokens":8,"service_tier":"flex\t"}`: {limit: 8, tier: "flex\t"},
		`{"max_output_tokens":9}`:                             {limit: 9},
	} {
		if got, err := peek([]byte(body), false); err != nil || got.hints != want {
			t.Errorf("%s: got %+v, %v", body, got.hints, err)
		}
	}
}

func TestChangesOfModelsDoNotQueue(t *testing.T) {
	g := newRig(t, nil)
	g.server.gate.SetState("llama", queue.Paused)
	var rec recorder
	g.worker("llama", rec.plays(frames(bus.Head{Whole: true}, bus.End{}, "")))
	if got := g.do(g.request(http.MethodDelete, "/api/delete", `{"model":"tiny"}`)); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestADrainingProviderTakesNoCalls(t *testing.T) {
	g := newRig(t, nil)
	tap := g.occupied(0)
	waiting := make(chan reply)
	go func() { waiting <- g.post("/v1/chat/completions", ask("gpt-4o", false)) }()
	g.waits(1)
	g.server.gate.SetState("oai", queue.Draining)
	if got := g.post("/v1/chat/completions", ask("gpt-4o", false)); got.status != 503 || got.header.Get("Retry-After") != "30" {
		t.Errorf("got %d %v %s", got.status, got.header, got.body)
	}
	close(tap.open)
	if got := <-waiting; got.status != 200 {
		t.Errorf("the one that waited got %d %s", got.status, got.body)
	}
}

// Signs of life are written by a timer, which says how long the call has waited
// while that is being found out: this one is for the race detector, too.
func TestACallThatHasWaitedInVainIsToldSoInItsStream(t *testing.T) {
	g := newRig(t, nil)
	g.server.firstWord = 20 * time.Millisecond
	tap := g.occupied(1)
	defer close(tap.open)
	got := g.post("/v1/chat/completions", ask("gpt-4o", true), "x-allama-queue-timeout", "200ms")
	if got.status != 200 || !strings.HasPrefix(got.body, ": ") || !strings.Contains(got.body, `data: {"error":`) || strings.Contains(got.body, "[DONE]") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
