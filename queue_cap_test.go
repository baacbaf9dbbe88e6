package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// running is how many calls the upstream has begun and not answered.
func (u *slowUpstream) running() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.now
}

// waitRunning waits until so many calls run, and returns how long that took.
func (u *slowUpstream) waitRunning(t testing.TB, n int) time.Duration {
	t.Helper()
	began := time.Now()
	for u.running() != n {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%d calls run, want %d", u.running(), n)
		}
		<-time.After(5 * time.Millisecond)
	}
	return time.Since(began)
}

// The upstream never sees more calls at once than it is said to take, whoever
// sends them; and what a killed worker held is soon free again.
func TestALimitHoldsOverAllParts(t *testing.T) {
	t.Parallel()
	quick, long := newSlowUpstream(t, 40*time.Millisecond), newSlowUpstream(t, time.Minute)
	s, env := startParts(t, "OPENAI_HOST="+quick.URL+"/v1", "OPENAI_API_KEY=sk", "OPENAI_MAX_CONCURRENCY=2",
		"ALLAMA_PROVIDERS=long", "LONG_KIND=openai", "LONG_HOST="+long.URL+"/v1", "LONG_API_KEY=sk", "LONG_MAX_CONCURRENCY=2")
	for range 3 {
		s.run(t, "worker", append(env, "IS_LONG_ACTIVE=false")...)
	}
	second := freeAddress(t)
	s.run(t, "ingress", append(env, "PORT="+second[strings.LastIndexByte(second, ':')+1:])...)
	other := &stack{url: "http://" + second}
	for _, edge := range []*stack{s, other} {
		edge.waitForModel(t, "openai/slow")
		edge.waitWorkers(t, "openai", 3)
	}
	if _, failed := burst(t.Context(), 50, "call", s.url, other.url); len(failed) > 0 {
		t.Errorf("calls that failed: %q", failed)
	}
	if n := quick.most(); n != 2 {
		t.Errorf("%d calls at once, want 2", n)
	}
	if again := quick.repeated(); len(again) > 0 {
		t.Errorf("performed twice: %q", again)
	}

	s.run(t, "worker", append(env, "IS_OPENAI_ACTIVE=false")...)
	s.waitWorkers(t, "long", 1)
	for i := range 2 {
		go say(t.Context(), s.url, "long/slow", fmt.Sprint(i))
	}
	long.waitRunning(t, 2)
	s.run(t, "worker", append(env, "IS_OPENAI_ACTIVE=false")...)
	s.waitWorkers(t, "long", 2)
	s.processes["worker4"].signal(syscall.SIGKILL)
	<-s.processes["worker4"].exited
	long.waitRunning(t, 0)
	took := long.waitRunning(t, 2)
	t.Logf("both places were in use again %v after their worker was killed", took)
	if took > 10*time.Second {
		t.Errorf("both places were in use again after %v, want 10s", took)
	}
}

// One who has queued many calls does not hold up another's few.
func TestNobodyHoldsUpTheOthers(t *testing.T) {
	t.Parallel()
	const service = 60 * time.Millisecond
	u := newSlowUpstream(t, service)
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("greedy:key-of-the-greedy\nmodest:key-of-the-modest\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStack(t)
	s.run(t, "serve", "PORT="+s.port(), "OPENAI_HOST="+u.URL+"/v1", "OPENAI_API_KEY=sk", "OPENAI_MAX_CONCURRENCY=4",
		"IS_OLLAMA_ACTIVE=false", "ALLAMA_KEYS_FILE="+keys)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	ask := func(ctx context.Context, key, text string) (waited time.Duration, err error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions", strings.NewReader(openaiBody("slow", text, false)))
		if err != nil {
			return 0, err
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+key)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %d: %s", response.StatusCode, body)
		}
		ms, _ := strconv.Atoi(response.Header.Get("X-Allama-Queue-Ms"))
		return time.Duration(ms) * time.Millisecond, err
	}
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(20 * time.Millisecond) {
		if _, err := ask(ctx, "key-of-the-modest", "warm"); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	var calls sync.WaitGroup
	for i := range 500 {
		calls.Go(func() {
			if _, err := ask(ctx, "key-of-the-greedy", fmt.Sprint("greedy ", i)); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	u.waitRunning(t, 4)
	<-time.After(5 * service) // most of the greedy one's calls have come by now
	var mu sync.Mutex
	var waits []time.Duration
	var few sync.WaitGroup
	for i := range 5 {
		few.Go(func() {
			waited, err := ask(ctx, "key-of-the-modest", fmt.Sprint("modest ", i))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, waited)
		})
	}
	few.Wait()
	slices.Sort(waits)
	t.Logf("of 500 calls of one key %d had yet to begin when five of another had waited %v", 506-len(u.said()), waits)
	if waits[2] > 2*service+service/2 { // half a service for a busy machine
		t.Errorf("the median wait of the modest one was %v, want less than two services, %v", waits[2], 2*service)
	}
	if n := len(u.said()); n > 400 {
		t.Errorf("%d calls had begun by then: there was no queue to speak of", n)
	}
	leave()
	calls.Wait()
}

// said returns what the upstream was told, each once.
func (u *slowUpstream) said() (texts []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for text := range u.texts {
		texts = append(texts, text)
	}
	return texts
}

// A key that the provider refuses, or has had too many calls of, is left out,
// and nobody notices.
func TestOneOfThreeKeysIsRefused(t *testing.T) {
	t.Parallel()
	for status, answer := range map[int]string{
		http.StatusUnauthorized:    `{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}`,
		http.StatusTooManyRequests: `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var refused atomic.Int32
			u := newScreenedUpstream(t, 0, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") != "Bearer sk-revoked" || r.Method != http.MethodPost {
						next.ServeHTTP(w, r)
						return
					}
					refused.Add(1)
					w.Header().Set("Content-Type", "application/json")
					w.Header().Set("Retry-After", "60")
					w.WriteHeader(status)
					io.WriteString(w, answer)
				})
			})
			s := newStack(t)
			s.run(t, "serve", "PORT="+s.port(), "OPENAI_HOST="+u.URL+"/v1", "OPENAI_API_KEYS=sk-revoked,sk-good-1,sk-good-2", "IS_OLLAMA_ACTIVE=false")
			s.waitForModel(t, "slow")
			for i := range 6 {
				if _, failed := burst(t.Context(), 5, fmt.Sprint("round ", i), s.url); len(failed) > 0 {
					t.Fatalf("calls that failed: %q", failed)
				}
			}
			if n := refused.Load(); n == 0 || n > 5 {
				t.Errorf("the refused key was used %d times", n)
			}
			u.mu.Lock()
			defer u.mu.Unlock()
			if u.keys["sk-good-1"] == 0 || u.keys["sk-good-2"] == 0 {
				t.Errorf("the good keys did not share the calls: %v", u.keys)
			}
			if strings.Contains(s.log.String(), "sk-revoked") {
				t.Error("the key is in the log")
			}
		})
	}
}
