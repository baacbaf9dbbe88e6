package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A provider that comes later gets a key of its own, and NATS lets it in without
// a restart.
func TestNATSReadsItsUsersAgain(t *testing.T) {
	t.Parallel()
	s, bus, dir := newStack(t), freeAddress(t), t.TempDir()
	write := func(env ...string) {
		cmd := exec.CommandContext(t.Context(), "allama", "bootstrap", "--credentials", dir, "--listen", bus, "--store", filepath.Join(dir, "store"))
		cmd.Dir, cmd.Env = dir, append(env, "PATH="+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("bootstrap: %v: %s", err, out)
		}
	}
	write()
	gpu := []string{"ALLAMA_PROVIDERS=gpu", "GPU_KIND=openai", "GPU_HOST=http://127.0.0.1:1/v1", "GPU_API_KEY=k", "IS_OLLAMA_ACTIVE=false"}
	server := s.runIn(t, t.TempDir(), "broker --config "+filepath.Join(dir, "broker", "nats.conf"),
		append(gpu, "NATS_CREDS="+filepath.Join(dir, "broker", "nats.nk"))...)
	s.log.wait(t, "ready; streams and buckets are set up")
	write(gpu...)
	server.signal(syscall.SIGHUP)
	s.log.wait(t, "NATS has read its configuration again")
	health := freeAddress(t)
	s.run(t, "worker --provider gpu", append(gpu, "NATS_URL=nats://"+bus, "NATS_CREDS="+filepath.Join(dir, "worker-gpu", "nats.nk"), "ALLAMA_HEALTH_LISTEN="+health)...)
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(50 * time.Millisecond) {
		err := exec.CommandContext(t.Context(), "allama", "health", "--url", "http://"+health+"/readyz").Run()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the worker is not ready after 20s: %v", err)
		}
	}
}
