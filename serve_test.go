package main

import (
	"bytes"
	"context"
	"net"
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
	go func() { code <- run(ctx, []string{"allama"}, serveEnv(t, "PORT=0"), &log, &log) }()
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
	code := run(t.Context(), []string{"allama", "serve"}, serveEnv(t, "PORT="+port), &log, &log)
	if code != exitError || !strings.Contains(log.String(), "address already in use") {
		t.Errorf("exit code: got %d, want %d; it said\n%s", code, exitError, log.String())
	}
}

func TestServeLeavesNothingRunningWhenItCannotStart(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	var log output
	// NATS starts, but the file of keys has no key in it.
	env := serveEnv(t, "PORT=0", "ALLAMA_NATS_LISTEN="+address, "ALLAMA_KEYS_FILE=/dev/null")
	if code := run(t.Context(), []string{"allama", "serve"}, env, &log, &log); code != exitError {
		t.Errorf("exit code: got %d, want %d; it said\n%s", code, exitError, log.String())
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("NATS still listens")
	}
}

// serveEnv is an environment for serve that touches nothing but a folder of
// the test.
func serveEnv(t *testing.T, more ...string) []string {
	t.Helper()
	dir := t.TempDir()
	return append(more, "IS_DEMO_ACTIVE=true", "IS_OLLAMA_ACTIVE=false",
		"DATABASE_PATH="+dir+"/allama.db", "ALLAMA_DATA_DIR="+dir+"/data")
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
func (o *output) wait(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(o.String(), text); {
		if time.Now().After(deadline) {
			t.Fatalf("no %q in\n%s", text, o.String())
		}
		<-time.After(10 * time.Millisecond)
	}
}
