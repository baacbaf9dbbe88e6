package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startUsers runs the stack with a user of NATS for each part, as the
// containers do: one worker for each provider that only has what it needs, and
// one for what is defined at run time. It returns where each part tells how it
// is.
func startUsers(t *testing.T, u *upstream) (s *stack, healths map[string]string) {
	t.Helper()
	s, healths = newStack(t), map[string]string{}
	bus, dir := freeAddress(t), t.TempDir()
	bootstrap(t, dir, "--listen", bus, "--store", filepath.Join(dir, "store"))
	run := func(user, command string, env ...string) {
		healths[user] = freeAddress(t)
		env = append(env, "NATS_CREDS="+filepath.Join(dir, user, "nats.nk"), "ALLAMA_HEALTH_LISTEN="+healths[user], "ALLAMA_LOG_LEVEL=debug")
		if user != "broker" {
			env = append(env, "NATS_URL=nats://"+bus)
		}
		s.run(t, command, env...)
	}
	run("broker", "broker --config "+filepath.Join(dir, "broker", "nats.conf"))
	run("sync", "sync") // which hears of all providers from their workers
	run("worker-openai", "worker --provider openai", "OPENAI_HOST="+u.URL+"/v1", "OPENAI_API_KEY=sk-canary-openai", "IS_OLLAMA_ACTIVE=false")
	run("worker-anthropic", "worker --provider anthropic", "ANTHROPIC_HOST="+u.URL, "ANTHROPIC_API_KEY=sk-canary-anthropic", "IS_OLLAMA_ACTIVE=false")
	run("worker-ollama", "worker --provider ollama", "OLLAMA_HOST="+u.URL)
	run("worker", "worker", secretKey, "IS_OLLAMA_ACTIVE=false")
	run("ingress", "ingress", secretKey, "PORT="+s.port())
	s.waitReady(t)
	return s, healths
}

// bootstrap makes the keys of a stack.
func bootstrap(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "allama", append([]string{"bootstrap", "--credentials", dir}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("bootstrap: %v: %s", err, out)
	}
	return string(out)
}

// Nothing that the parts do needs more than their users may.
func TestStackWithUsers(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s, healths := startUsers(t, u)
	large := strings.Repeat("word ", 30_000) // so that the worker fetches the body
	for _, c := range clients {
		for _, provider := range []string{"openai", "anthropic", "ollama"} {
			for _, text := range []string{"hi you", strings.TrimSpace(large)} {
				if f := c.must(t, s, provider+"/echo", text, true); f.text != text || !f.terminal || f.failed != "" {
					t.Errorf("%s to %s: got %d bytes, terminal %t, failed %q; want the %d that were sent", c.name, provider, len(f.text), f.terminal, f.failed, len(text))
				}
			}
		}
	}

	for range 2 {
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/v1/chat/completions", strings.NewReader(`{"model":"openai/echo","messages":[{"role":"user","content":"once"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "the-same")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("a call with an idempotency key: status %d, want 200", response.StatusCode)
		}
	}

	ctx, leave := context.WithCancel(t.Context())
	go clients[0].call(ctx, s, "openai/stall", "x", true) //nolint:errcheck // it is cancelled
	call := u.waitFor(t, "stall", 1)
	leave()
	select {
	case <-call.gone:
	case <-time.After(2 * time.Second):
		t.Error("the upstream is still connected 2s after the client has left")
	}

	d := deployment{stack: s, t: t}
	d.wantManaged(http.StatusCreated, "POST", "", fmt.Sprintf(`{"name":"late","kind":"openai","host":%q,"api_key":%q}`, u.URL+"/v1", canaryKey), "late")
	d.waitForModel(t, "late/echo")
	d.within(10*time.Second, "what was defined at run time answers", func() bool {
		f, err := clients[0].call(t.Context(), s, "late/echo", "hi", true)
		return err == nil && f.text == "hi" && f.terminal
	})
	for user, address := range healths {
		if out, err := exec.CommandContext(t.Context(), "allama", "health", "--url", address).CombinedOutput(); err != nil || string(out) != "ready\n" {
			t.Errorf("health of %s: %v: %s", user, err, out)
		}
	}
	t.Run("a key is with those who need it", func(t *testing.T) {
		s.wantKeyOnlyIn(t, "sk-canary-openai", "worker --provider openai")
		s.wantKeyOnlyIn(t, "sk-canary-anthropic", "worker --provider anthropic")
		for _, without := range []string{"sync", "worker --provider openai"} {
			if holds(t, s.processes[without].cmd.Process.Pid, canaryKey) {
				t.Errorf("%s holds the key of what was defined at run time", without)
			}
		}
	})
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(strings.ToLower(line), "violation") || strings.Contains(line, "canary") {
			t.Errorf("the log says %s", line)
		}
	}
}

// Who is asked for its health tells what it waits for.
func TestHealthSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	s, bus, address := newStack(t), freeAddress(t), freeAddress(t)
	ask := func() (int, string) {
		cmd := exec.CommandContext(t.Context(), "allama", "health")
		cmd.Dir = t.TempDir()
		cmd.Env = []string{"ALLAMA_HEALTH_LISTEN=" + address}
		out, err := cmd.CombinedOutput()
		return exitCode(err), string(out)
	}
	want := func(code int, text string) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for {
			got, said := ask()
			if got == code && strings.Contains(said, text) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("health: exit code %d, %q; want %d with %q", got, said, code, text)
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	want(1, "nothing runs at http://"+address)
	s.run(t, "worker", "NATS_URL=nats://"+bus, "ALLAMA_HEALTH_LISTEN="+address, "IS_DEMO_ACTIVE=true", "IS_OLLAMA_ACTIVE=false")
	want(1, "the bus is not connected; workers: no queue to take calls from")
	s.run(t, "broker", "ALLAMA_NATS_LISTEN="+bus)
	want(0, "ready")
	s.processes["broker"].signal(syscall.SIGKILL)
	want(1, "the bus is not connected")
}

// A key that NATS does not know is no reason to go on trying.
func TestStackRefusesAForeignKey(t *testing.T) {
	t.Parallel()
	s, bus, ours, theirs := newStack(t), freeAddress(t), t.TempDir(), t.TempDir()
	bootstrap(t, ours, "--listen", bus, "--store", filepath.Join(ours, "store"))
	bootstrap(t, theirs)
	if again := bootstrap(t, ours); !strings.Contains(again, "none") {
		t.Errorf("bootstrap, run again: %s, want no new keys", again)
	}
	bootstrap(t, ours, "--listen", bus, "--store", filepath.Join(ours, "store"))
	s.run(t, "broker --config "+filepath.Join(ours, "broker", "nats.conf"), "NATS_CREDS="+filepath.Join(ours, "broker", "nats.nk"))
	p := s.runIn(t, t.TempDir(), "worker", "NATS_URL=nats://"+bus, "IS_DEMO_ACTIVE=true", "NATS_CREDS="+filepath.Join(theirs, "worker", "nats.nk"))
	select {
	case <-p.exited:
	case <-time.After(20 * time.Second):
		t.Fatal("the worker with a foreign key still runs after 20s")
	}
	if !strings.Contains(s.log.String(), "NATS does not let us in") {
		t.Errorf("the log does not say why: %s", s.log)
	}
}
