package main

import (
	"context"
	"strings"
	"testing"
)

// startPart runs a command until the test ends, and returns its log.
func startPart(t *testing.T, command string, env ...string) *output {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var log output
	code := make(chan int, 1)
	go func() { code <- run(ctx, serveProgram(t, &log, env...), "allama", command) }()
	t.Cleanup(func() {
		stop()
		if got := <-code; got != exitOK {
			t.Errorf("exit code of %s: got %d, want %d; it said\n%s", command, got, exitOK, log.String())
		}
	})
	return &log
}

func TestPartsWaitForNATS(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	nats := "NATS_URL=nats://" + address
	ingress := startPart(t, "ingress", nats, "PORT=0")
	sync := startPart(t, "sync", nats)
	for _, log := range []*output{ingress, sync} {
		log.wait(t, "NATS is not there yet")
	}
	if strings.Contains(ingress.String(), "point clients here") {
		t.Errorf("it has nothing to serve, but says\n%s", ingress.String())
	}

	broker := startPart(t, "broker", "ALLAMA_NATS_LISTEN="+address)
	broker.wait(t, "ready")
	for _, log := range []*output{ingress, sync} {
		log.wait(t, "connected to NATS")
	}
	ingress.wait(t, "point clients here")
	if n := strings.Count(ingress.String()+sync.String(), `"level":"WARN"`); n != 2 {
		t.Errorf("got %d warnings, want one of each part:\n%s%s", n, ingress.String(), sync.String())
	}
}

func TestPartsEndWhenNATSRefusesThem(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	startPart(t, "broker", "ALLAMA_NATS_LISTEN="+address, "ALLAMA_NATS_TOKEN=right").wait(t, "ready")
	for _, command := range []string{"serve", "worker", "sync", "ingress"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			var log output
			program := serveProgram(t, &log, "PORT=0", "NATS_URL=nats://canary@"+address)
			code := run(t.Context(), program, "allama", command)
			if code != exitError || !strings.Contains(log.String(), "check NATS_URL") {
				t.Errorf("exit code: got %d, want %d; it said\n%s", code, exitError, log.String())
			}
			if strings.Contains(log.String(), "canary") {
				t.Errorf("the token is in the log:\n%s", log.String())
			}
		})
	}
}
