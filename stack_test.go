package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A stack is the program at work, as one process or as several.
type stack struct {
	url       string
	log       *output
	processes map[string]*child
}

// child is one process of a stack.
type child struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// stacks are the two ways to run the program. Both must pass the same tests.
var stacks = []struct {
	name  string
	start func(testing.TB, ...string) *stack
}{
	{"one process", startServe},
	{"five processes", startFive},
}

// startServe runs `allama serve` until the test ends.
func startServe(t testing.TB, env ...string) *stack {
	t.Helper()
	s := newStack(t)
	s.run(t, "serve", append(env, "PORT="+s.port())...)
	s.waitReady(t)
	return s
}

// startFive runs broker, sync, two workers and ingress, each as a process.
func startFive(t testing.TB, env ...string) *stack {
	t.Helper()
	s := newStack(t)
	bus := freeAddress(t)
	s.run(t, "broker", append(env, "ALLAMA_NATS_LISTEN="+bus)...)
	env = append(env, "NATS_URL=nats://"+bus)
	s.run(t, "sync", env...)
	s.run(t, "worker", append(env, "OPENAI_API_KEY=sk-worker-1")...)
	s.run(t, "worker", append(env, "OPENAI_API_KEY=sk-worker-2")...)
	s.run(t, "ingress", append(env, "PORT="+s.port())...)
	s.waitReady(t)
	return s
}

func newStack(t testing.TB) *stack {
	t.Helper()
	s := &stack{url: "http://" + freeAddress(t), log: &output{}, processes: map[string]*child{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the processes said:\n%s", s.notable())
		}
	})
	return s
}

// notable returns the log but for what went well.
func (s *stack) notable() string {
	var lines []string
	for line := range strings.Lines(s.log.String()) {
		if !strings.Contains(line, `"status":2`) && !strings.Contains(line, `"method":"GET"`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-100):], "")
}

func (s *stack) port() string { return s.url[strings.LastIndexByte(s.url, ':')+1:] }

// run starts a process; those of one command are numbered from the second on.
func (s *stack) run(t testing.TB, command string, env ...string) {
	t.Helper()
	s.runIn(t, t.TempDir(), command, env...)
}

// runIn starts a process that keeps its data in dir.
func (s *stack) runIn(t testing.TB, dir, command string, env ...string) *child {
	t.Helper()
	name := command
	for n := 2; s.processes[name] != nil; n++ {
		name = fmt.Sprintf("%s%d", command, n)
	}
	cmd := exec.Command("allama", strings.Fields(command)...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "DATABASE_PATH=" + filepath.Join(dir, "a.db"), "ALLAMA_DATA_DIR=" + dir}, env...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &child{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		cmd.Wait() //nolint:errcheck // a killed process has no good exit
	}()
	s.processes[name] = p
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.exited
	})
	return p
}

func (p *child) signal(sig syscall.Signal) {
	select {
	case <-p.exited:
	default:
		p.cmd.Process.Signal(sig) //nolint:errcheck // it may have ended just now
	}
}

// waitReady waits until the program has models of all providers and workers
// for them.
func (s *stack) waitReady(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		if s.ready() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the program is not ready after 30s")
		}
		<-time.After(20 * time.Millisecond)
	}
}

func (s *stack) ready() bool {
	response, err := http.Get(s.url + "/readyz")
	if err != nil {
		return false
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return false
	}
	for _, model := range []string{"openai%2Fecho", "anthropic%2Fecho", "ollama%2Fecho"} {
		response, err := http.Get(s.url + "/v1/models/" + model)
		if err != nil {
			return false
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return false
		}
	}
	return true
}

// freeAddress returns an address for a process to listen on. Its port is none
// that the system would meanwhile give to an outgoing connection.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}
