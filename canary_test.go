package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// A provider's key is nowhere but in its worker.
func TestAKeyIsInItsWorkerOnly(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/mem"); err != nil {
		t.Skip("there is no /proc to look into processes with")
	}
	const canary = "sk-canary-of-one-worker"
	u := newUpstream(t)
	bus := freeAddress(t)
	s := newStack(t)
	s.run(t, "broker", "ALLAMA_NATS_LISTEN="+bus)
	env := append(u.env(), "OPENAI_API_KEY=", "NATS_URL=nats://"+bus, "ALLAMA_LOG_LEVEL=debug")
	tapped := tap(t, "nats://"+bus)
	s.run(t, "sync", "NATS_URL=nats://"+bus, "ALLAMA_LOG_LEVEL=debug")
	s.run(t, "worker", append(env, "OPENAI_API_KEY="+canary, "IS_ANTHROPIC_ACTIVE=false", "IS_OLLAMA_ACTIVE=false")...)
	s.run(t, "worker", append(env, "IS_OPENAI_ACTIVE=false")...)
	s.run(t, "ingress", append(env, "PORT="+s.port())...)
	s.waitReady(t)
	for _, c := range clients {
		for _, model := range []string{"openai/echo", "openai/fail-401", "openai/fail-500", "anthropic/echo"} {
			if _, err := c.call(t.Context(), s, model, "word", false); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, p := range s.processes {
		found := holds(t, p.cmd.Process.Pid, canary)
		if want := name == "worker"; found != want {
			t.Errorf("the key is in the memory of %s: %v, want %v", name, found, want)
		}
	}
	if strings.Contains(s.log.String(), canary) {
		t.Error("the key is in a log")
	}
	if messages := tapped(); len(messages) < 1000 || bytes.Contains(messages, []byte(canary)) {
		t.Errorf("of %d bytes of messages some have the key", len(messages))
	}
}

// tap listens to everything that goes over the bus, and returns how to get it.
func tap(t *testing.T, url string) func() []byte {
	t.Helper()
	nc, err := nats.Connect(url, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	heard := &output{}
	if _, err := nc.Subscribe(">", func(m *nats.Msg) {
		for name, values := range m.Header {
			fmt.Fprintln(heard, name, values)
		}
		heard.Write(m.Data)
	}); err != nil {
		t.Fatal(err)
	}
	return func() []byte {
		nc.Flush()
		return []byte(heard.String())
	}
}

// holds reports whether a text is anywhere in what a process can write to, which
// its environment and its stacks are part of.
func holds(t *testing.T, pid int, text string) bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Skipf("the memory of processes cannot be read: %v", err)
	}
	defer memory.Close()
	looked := 0
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var rights string
		fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights)
		if !strings.HasPrefix(rights, "rw") {
			continue
		}
		for ; from < to; from += 1 << 20 {
			part := make([]byte, min(to-from, 1<<20+uint64(len(text)))) // parts overlap
			n, _ := memory.ReadAt(part, int64(from))                    // some cannot be read
			looked += n
			if bytes.Contains(part[:n], []byte(text)) {
				return true
			}
		}
	}
	if looked < 1<<20 {
		t.Skip("the memory of processes cannot be read")
	}
	return false
}
