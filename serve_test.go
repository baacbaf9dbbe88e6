package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestServeStopsWhenToldTo(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log output
	code := make(chan int, 1)
	go func() { code <- run(ctx, serveProgram(t, &log, "PORT=0"), "allama") }()
	log.wait(t, "point clients here")
	stop()
	if got := <-code; got != exitOK {
		t.Errorf("exit code: got %d, want %d; it said\n%s", got, exitOK, log.String())
	}
}

func TestServeFailsWhereItCannotListen(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	var log output
	code := run(t.Context(), serveProgram(t, &log, "PORT="+port), "allama", "serve")
	if code != exitError || !strings.Contains(log.String(), "address already in use") {
		t.Errorf("exit code: got %d, want %d; it said\n%s", code, exitError, log.String())
	}
}

func TestAnIncompleteProcessLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	var log output
	p, err := newProcess(mustLoad(t, "IS_OLLAMA_ACTIVE=false", "DATABASE_PATH="+t.TempDir()+"/allama.db"), &log, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.addServer(address, storeMemory), p.addSync(), p.discard()); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("NATS still listens")
	}
	if log.String() != "" {
		t.Errorf("it said\n%s", log.String())
	}
}

func TestServeRunsWithoutAProvider(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log output
	code := make(chan int, 1)
	program := serveProgram(t, &log, "PORT=0")
	program.environ = append(program.environ, "IS_DEMO_ACTIVE=false")
	go func() { code <- run(ctx, program, "allama") }()
	log.wait(t, "no provider is active")
	log.wait(t, "point clients here")
	stop()
	if got := <-code; got != exitOK {
		t.Errorf("exit code: got %d, want %d; it said\n%s", got, exitOK, log.String())
	}
}

// serveProgram is the program in an environment that touches nothing but a
// folder of the test, not even the .env of whoever runs it.
func serveProgram(t *testing.T, log *output, env ...string) program {
	t.Helper()
	dir := folder(t)
	return program{dir: dir, stdout: log, stderr: log, environ: append(env, "IS_DEMO_ACTIVE=true", "IS_OLLAMA_ACTIVE=false",
		"DATABASE_PATH="+dir+"/allama.db", "ALLAMA_DATA_DIR="+dir+"/data")}
}

// folder is a folder for the test, in which a NATS server may write its last for
// a moment after it has said that it has stopped.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "allama-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for deadline := time.Now().Add(5 * time.Second); os.RemoveAll(dir) != nil; <-time.After(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("%s cannot be removed", dir)
				return
			}
		}
	})
	return dir
}

// An output is a writer that can be read while it is written to.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// wait waits until something was written.
func (o *output) wait(t testing.TB, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(o.String(), text); {
		if time.Now().After(deadline) {
			t.Fatalf("no %q in\n%s", text, o.String())
		}
		<-time.After(10 * time.Millisecond)
	}
}
