package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// twinIngress adds a second ingress to a stack, and returns its URL.
func (s *stack) twinIngress(t *testing.T, u *upstream) string {
	t.Helper()
	broker := ""
	for _, variable := range s.processes["ingress"].cmd.Env {
		if strings.HasPrefix(variable, "NATS_URL=") {
			broker = variable
		}
	}
	one := &stack{url: "http://" + freeAddress(t), log: s.log, processes: s.processes}
	one.run(t, "ingress", append(u.env(), broker, "PORT="+one.port())...)
	one.waitReady(t)
	return one.url
}

// once makes a call with an idempotency key.
func once(ctx context.Context, url, body, key string) (text string, header http.Header, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	r.Header.Set("Idempotency-Key", key)
	r.Header.Set("X-Idempotency-Key", key)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", response.StatusCode, data)
	}
	return string(data), response.Header, err
}

// Of 64 identical calls to two servers, one is made, and the upstream knows
// nothing of the key: with it, Go's own client might send a call twice.
func TestIdenticalCallsToTwoServersAreOne(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startFive(t, u.env()...)
	urls := []string{s.url, s.twinIngress(t, u)}
	for n, stream := range []bool{true, false} {
		body, key := openaiBody("paced", "hi", stream), fmt.Sprint("key-", n)
		var calls sync.WaitGroup
		var mu sync.Mutex
		texts, replayed := map[string]int{}, 0
		for i := range 64 {
			calls.Go(func() {
				text, header, err := once(t.Context(), urls[i%2], body, key)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				texts[text]++
				if header.Get("Idempotent-Replayed") == "true" {
					replayed++
				}
			})
		}
		calls.Wait()
		if len(texts) != 1 || replayed != 63 {
			t.Errorf("stream %v: %d answers, of which %d are replayed: %.500v", stream, len(texts), replayed, texts)
		}
		made := u.called("paced")
		if len(made) != n+1 {
			t.Fatalf("stream %v: the upstream was called %d times, want %d", stream, len(made), n+1)
		}
		for name := range made[n].header {
			if strings.Contains(name, "Idempotency") {
				t.Errorf("the upstream was sent the header %s", name)
			}
		}
	}
}

func TestCallOfAKilledServerIsTakenOver(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startFive(t, u.env()...)
	other := s.twinIngress(t, u)
	body := openaiBody("hang-1", "hi", false)
	go once(t.Context(), s.url, body, "k") //nolint:errcheck // its server is killed
	u.waitFor(t, "hang-1", 1)
	var text string
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		text, _, err = once(t.Context(), other, body, "k")
	}()
	killed := time.Now()
	s.processes["ingress"].signal(syscall.SIGKILL)
	<-done
	if took := time.Since(killed); err != nil || !strings.Contains(text, "hi") || took > 15*time.Second {
		t.Errorf("got %s, %v after %v", text, err, took)
	}
	if n := len(u.called("hang-1")); n != 2 {
		t.Errorf("the upstream was called %d times, want 2", n)
	}
}
