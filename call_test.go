package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// eachStack runs a test against both ways to run the program.
func eachStack(t *testing.T, test func(*testing.T, *stack, *upstream)) {
	for _, way := range stacks {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t)
			test(t, way.start(t, u.env()...), u)
		})
	}
}

// A use is one thing that is done with a client of a kind.
type use[Client any] struct {
	name string
	test func(c Client, t *testing.T, stream bool)
}

// eachUse tests the uses of a client, whole and streamed.
func eachUse[Client any](t *testing.T, c Client, provider string, uses []use[Client]) {
	for _, u := range uses {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s from %s, stream %t", u.name, provider, stream), func(t *testing.T) { u.test(c, t, stream) })
		}
	}
}

// Every client gets the same answer from every kind of upstream.
func TestEveryPair(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, _ *upstream) {
		const text = "Grüße, 世界! \"quoted\" \\ and more"
		finish := map[string][2]string{ // of a text, of tool calls
			"openai": {"stop", "tool_calls"}, "anthropic": {"end_turn", "tool_use"}, "ollama": {"stop", "stop"},
		}
		for _, c := range clients {
			for _, provider := range []string{"openai", "anthropic", "ollama"} {
				for _, stream := range []bool{true, false} {
					name := fmt.Sprintf("%s to %s, stream %t", c.name, provider, stream)
					f := c.must(t, s, provider+"/echo", text, stream)
					if f.status != http.StatusOK || f.text != text || f.finish != finish[c.name][0] || !f.terminal || f.failed != "" {
						t.Errorf("%s: got %+v", name, f)
					}
					if got := f.header.Get("X-Allama-Provider"); got != provider {
						t.Errorf("%s: served by %q", name, got)
					}
					f = c.must(t, s, provider+"/tools", "what now", stream)
					want := []string{`get_weather{"location":"Boston"}`, `get_time{}`}
					if !slices.Equal(f.tools, want) || f.finish != finish[c.name][1] || !f.terminal || f.failed != "" {
						t.Errorf("%s, tools: got %+v", name, f)
					}
				}
			}
		}
	})
}

// What an upstream refuses reaches every client with its dialect's status.
func TestUpstreamRefuses(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, _ *upstream) {
		want := map[string]map[string]int{
			"fail-400": {"openai": 400, "anthropic": 400, "ollama": 400},
			"fail-401": {"openai": 502, "anthropic": 502, "ollama": 502},
			"fail-429": {"openai": 429, "anthropic": 429, "ollama": 429},
			"fail-500": {"openai": 502, "anthropic": 500, "ollama": 502},
		}
		for model, statuses := range want {
			for _, c := range clients {
				for _, provider := range []string{"openai", "anthropic", "ollama"} {
					for _, stream := range []bool{true, false} {
						f := c.must(t, s, provider+"/"+model, "x", stream)
						if f.status != statuses[c.name] {
							t.Errorf("%s of %s/%s, stream %t: status %d, want %d: %s", c.name, provider, model, stream, f.status, statuses[c.name], f.failed)
						}
						if strings.Contains(f.failed, "canary") {
							t.Errorf("the answer shows a key: %s", f.failed)
						}
					}
				}
			}
		}
		if strings.Contains(s.log.String(), "canary") {
			t.Error("the log shows a key")
		}
	})
}

// No token of a stream is lost, doubled, or another stream's.
func TestManyStreamsAtOnce(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, _ *upstream) {
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				c := clients[i%3]
				provider := []string{"openai", "anthropic", "ollama"}[i/3%3]
				nonce := fmt.Sprintf("nonce%d", i)
				var want strings.Builder
				for n := range 50 {
					fmt.Fprintf(&want, "%s:%d ", nonce, n)
				}
				f, err := c.call(t.Context(), s, provider+"/fifty", nonce, true)
				if err != nil || f.text != want.String() || !f.terminal {
					t.Errorf("stream %d: error %v, terminal %t, got %q", i, err, f.terminal, f.text)
				}
			})
		}
		wg.Wait()
	})
}

// Wherever a client is when it leaves, the upstream is left too, or was never
// called.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		n := map[string]int{}
		for _, c := range clients {
			for _, tt := range []struct {
				name, model string
				stream      bool
			}{
				{"before the first token", "hang", true},
				{"in the middle", "stall", true},
				{"not streaming", "hang", false},
			} {
				n[tt.model]++
				ctx, leave := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					c.call(ctx, s, "openai/"+tt.model, "x", tt.stream) //nolint:errcheck // it is cancelled
				}()
				call := u.waitFor(t, tt.model, n[tt.model])
				left := time.Now()
				leave()
				select {
				case <-call.gone:
				case <-time.After(time.Second):
					t.Errorf("%s, %s: the upstream is still connected 1s after", c.name, tt.name)
				}
				t.Logf("%s, %s: upstream left after %s", c.name, tt.name, time.Since(left).Round(time.Millisecond))
				<-done
			}
		}
	})
}

// A call whose client left while it was queued is never made.
func TestClientLeavesTheQueue(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startFive(t, append(u.env(), "OPENAI_MAX_CONCURRENCY=1")...)
	busy, release := context.WithCancel(t.Context())
	go clients[0].call(busy, s, "openai/hang", "x", true) //nolint:errcheck // it is cancelled
	u.waitFor(t, "hang", 1)
	for _, c := range clients {
		ctx, leave := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := c.call(ctx, s, "openai/echo", "x", c.name != "ollama"); err == nil {
			t.Errorf("%s: answered although the only slot is taken", c.name)
		}
		leave()
	}
	release()
	if f := clients[0].must(t, s, "openai/fifty", "x", true); !f.terminal {
		t.Errorf("call after the others: %+v", f)
	}
	if calls := u.called("echo"); len(calls) != 0 {
		t.Errorf("%d calls of clients that had left", len(calls))
	}
}

// worker returns the worker process that makes a call; their keys differ.
func (s *stack) worker(c *upstreamCall) *child {
	if strings.HasSuffix(c.key, "1") {
		return s.processes["worker"]
	}
	return s.processes["worker2"]
}

func TestWorkerKilledBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{true, false} {
		t.Run(fmt.Sprintf("stream %t", stream), func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t)
			s := startFive(t, u.env()...)
			result := make(chan folded, 1)
			go func() { result <- clients[1].must(t, s, "openai/hang-1", "again", stream) }()
			first := u.waitFor(t, "hang-1", 1)
			killed := time.Now()
			s.worker(first).signal(syscall.SIGKILL)
			f := <-result
			t.Logf("answered %s after the kill", time.Since(killed).Round(time.Millisecond))
			if f.text != "again" || !f.terminal || time.Since(killed) > 8*time.Second {
				t.Errorf("after %s: %+v", time.Since(killed), f)
			}
			if got := f.header.Get("X-Allama-Attempts"); got != "2" {
				t.Errorf("%s attempts said, want 2", got)
			}
			<-time.After(7 * time.Second) // the first job comes back to the other worker, and must not run
			if n := len(u.called("hang-1")); n != 2 {
				t.Errorf("%d calls upstream, want 2", n)
			}
		})
	}
}

func TestWorkerKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t)
			s := startFive(t, u.env()...)
			result := c.begin(t, s, "openai/stall", "x")
			call := u.waitFor(t, "stall", 1)
			killed := time.Now()
			s.worker(call).signal(syscall.SIGKILL)
			f := <-result
			t.Logf("told %s after the kill: %s", time.Since(killed).Round(time.Millisecond), f.failed)
			if f.text != "once " || f.terminal || f.failed == "" || time.Since(killed) > 4*time.Second {
				t.Errorf("after %s: %+v", time.Since(killed), f)
			}
			<-time.After(7 * time.Second) // the job comes back to the other worker, and must not run
			if n := len(u.called("stall")); n != 1 {
				t.Errorf("%d calls upstream, want 1", n)
			}
		})
	}
}

// NATS may be killed and come back: streams go on, and new calls wait.
func TestBrokerRestarts(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := newStack(t)
	bus := freeAddress(t)
	data := t.TempDir()
	brokerEnv := append(u.env(), "ALLAMA_NATS_LISTEN="+bus)
	broker := s.runIn(t, data, "broker", brokerEnv...)
	env := append(u.env(), "NATS_URL=nats://"+bus)
	s.run(t, "sync", env...)
	s.run(t, "worker", env...)
	s.run(t, "ingress", append(env, "PORT="+s.port())...)
	s.waitReady(t)

	var wg sync.WaitGroup
	var want strings.Builder
	for n := range 50 {
		fmt.Fprintf(&want, "x:%d ", n)
	}
	for i := range 30 {
		wg.Go(func() {
			f, err := clients[i%3].call(t.Context(), s, "openai/paced", "x", true)
			if err != nil || f.text != want.String() || !f.terminal {
				t.Errorf("stream %d: error %v, %+v", i, err, f)
			}
		})
	}
	u.waitFor(t, "paced", 30)
	<-time.After(300 * time.Millisecond)
	broker.signal(syscall.SIGKILL)
	<-broker.exited
	for i := range 10 {
		wg.Go(func() {
			f, err := clients[i%3].call(t.Context(), s, "openai/echo", "during", i%2 == 0)
			if err != nil || f.text != "during" {
				t.Errorf("call while the broker is away: error %v, %+v", err, f)
			}
		})
	}
	<-time.After(time.Second)
	s.runIn(t, data, "broker", brokerEnv...)
	wg.Wait()
}

// SIGTERM lets streams come to their end, and the process ends well.
func TestServeDrains(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startServe(t, u.env()...)
	result := clients[0].begin(t, s, "anthropic/paced", "x")
	serve := s.processes["serve"]
	serve.signal(syscall.SIGTERM)
	if f := <-result; !f.terminal || f.failed != "" {
		t.Errorf("the stream was not let to its end: %+v", f)
	}
	<-serve.exited
	if code := serve.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// A stream that the drain cannot wait for ends with an error, not as if it
// were whole.
func TestDrainCutsOff(t *testing.T) {
	t.Parallel()
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t)
			s := startServe(t, append(u.env(), "ALLAMA_DRAIN_TIMEOUT=500ms")...)
			result := c.begin(t, s, "openai/stall", "x")
			s.processes["serve"].signal(syscall.SIGTERM)
			if f := <-result; f.terminal || f.failed == "" {
				t.Errorf("got %+v, want an error and no end", f)
			}
			<-s.processes["serve"].exited
		})
	}
}

// A killed ingress takes its clients' calls with it: the worker notices, and
// leaves the upstream.
func TestIngressKilled(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startFive(t, u.env()...)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go clients[0].call(ctx, s, "openai/stall", "x", true) //nolint:errcheck // it is cut off
	call := u.waitFor(t, "stall", 1)
	killed := time.Now()
	s.processes["ingress"].signal(syscall.SIGKILL)
	select {
	case <-call.gone:
		t.Logf("the upstream was left %s after the kill", time.Since(killed).Round(time.Millisecond))
	case <-time.After(6 * time.Second):
		t.Error("the upstream is still connected 6s after the ingress was killed")
	}
}

// A frozen worker is given up, and when it wakes up it does no harm: it leaves
// its upstream, and nothing that it sends is taken for the answer.
func TestFrozenWorkerWakesUp(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startFive(t, u.env()...)
	result := make(chan folded, 1)
	go func() { result <- clients[2].must(t, s, "openai/hang-1", "awake", true) }()
	call := u.waitFor(t, "hang-1", 1)
	frozen := s.worker(call)
	frozen.signal(syscall.SIGSTOP)
	if f := <-result; f.text != "awake" || !f.terminal {
		t.Errorf("while the worker is frozen: %+v", f)
	}
	frozen.signal(syscall.SIGCONT)
	select {
	case <-call.gone:
	case <-time.After(3 * time.Second):
		t.Error("the worker has not left its upstream 3s after it woke up")
	}
	if n := len(u.called("hang-1")); n != 2 {
		t.Errorf("%d calls upstream, want 2", n)
	}
}

// With the provider in front, a model is called although no list has it.
func TestUnlistedModel(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startServe(t, u.env()...)
	for _, c := range clients {
		for _, provider := range []string{"openai", "anthropic", "ollama"} {
			if f := c.must(t, s, provider+"/echo-unlisted", "still there", true); f.text != "still there" || !f.terminal {
				t.Errorf("%s to %s: %+v", c.name, provider, f)
			}
		}
		if f := c.must(t, s, "echo-unlisted", "x", true); f.status != http.StatusNotFound {
			t.Errorf("%s, without a provider: %+v", c.name, f)
		}
	}
}
