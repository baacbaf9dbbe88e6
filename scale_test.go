package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A slowUpstream is an OpenAI whose answers take a while. It keeps a history of
// its own: whose calls came, how often each, and how many there were at once.
type slowUpstream struct {
	*httptest.Server
	takes time.Duration

	mu     sync.Mutex
	keys   map[string]int // calls by their key
	texts  map[string]int // calls by what was said
	heard  []string       // what was said, in the order in which it came
	now    int
	atOnce int
}

func newSlowUpstream(t testing.TB, takes time.Duration) *slowUpstream {
	t.Helper()
	return newScreenedUpstream(t, takes, func(next http.Handler) http.Handler { return next })
}

// newScreenedUpstream is newSlowUpstream with a screen that calls come through
// first.
func newScreenedUpstream(t testing.TB, takes time.Duration, screen func(next http.Handler) http.Handler) *slowUpstream {
	t.Helper()
	u := &slowUpstream{takes: takes, keys: map[string]int{}, texts: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"object":"list","data":[{"id":"slow","object":"model","created":1,"owned_by":"us"}]}`)
	})
	mux.HandleFunc("POST /v1/chat/completions", u.answer)
	u.Server = httptest.NewServer(screen(mux))
	t.Cleanup(u.Close)
	return u
}

func (u *slowUpstream) answer(w http.ResponseWriter, r *http.Request) {
	data, _ := io.ReadAll(r.Body)
	var body struct {
		Messages []struct{ Content json.RawMessage }
	}
	json.Unmarshal(data, &body)
	said := ""
	if n := len(body.Messages); n > 0 {
		said = lastText(body.Messages[n-1].Content)
	}
	u.mu.Lock()
	u.keys[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]++
	u.texts[said]++
	u.heard = append(u.heard, said)
	u.now++
	u.atOnce = max(u.atOnce, u.now)
	u.mu.Unlock()
	select {
	case <-time.After(u.takes):
	case <-r.Context().Done():
	}
	u.mu.Lock()
	u.now--
	u.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, openaiWhole(said, nil))
}

// most is how many calls there were at once.
func (u *slowUpstream) most() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.atOnce
}

// repeated returns what came more often than once.
func (u *slowUpstream) repeated() (texts []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for text, n := range u.texts {
		if n > 1 {
			texts = append(texts, text)
		}
	}
	return texts
}

// startParts runs everything but the workers, each part as a process, and
// returns what a worker's environment needs.
func startParts(t testing.TB, env ...string) (*stack, []string) {
	t.Helper()
	s := newStack(t)
	bus := freeAddress(t)
	env = append(env, "IS_OLLAMA_ACTIVE=false")
	s.run(t, "broker", append(env, "ALLAMA_NATS_LISTEN="+bus)...)
	env = append(env, "NATS_URL=nats://"+bus)
	s.run(t, "sync", env...)
	s.run(t, "ingress", append(env, "PORT="+s.port())...)
	return s, env
}

// waitWorkers waits until so many workers of a provider are there.
func (s *stack) waitWorkers(t testing.TB, provider string, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
		var health struct {
			Providers []struct {
				Name    string
				Workers int
			}
		}
		if response, err := http.Get(s.url + "/health"); err == nil {
			json.NewDecoder(response.Body).Decode(&health)
			response.Body.Close()
		}
		for _, p := range health.Providers {
			if p.Name == provider && p.Workers == n {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("there are not %d workers of %s: %+v", n, provider, health)
		}
	}
}

// burst makes so many calls at once, each of its own text, to the URLs in turn,
// and returns how long they took and which did not get their own answer.
func burst(ctx context.Context, n int, name string, urls ...string) (took time.Duration, failed []string) {
	began := time.Now()
	var mu sync.Mutex
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() {
			text := fmt.Sprintf("%s-%d", name, i)
			if err := say(ctx, urls[i%len(urls)], "slow", text); err != nil {
				mu.Lock()
				failed = append(failed, err.Error())
				mu.Unlock()
			}
		})
	}
	calls.Wait()
	return time.Since(began), failed
}

// say makes one call that is answered with its own text, on a connection of its
// own.
func say(ctx context.Context, url, model, text string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(openaiBody(model, text, false)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(quoted(text))) {
		return fmt.Errorf("status %d, error %v: %.300s", response.StatusCode, err, body)
	}
	return nil
}

// More workers serve more, and when some of them go, in whatever way, no call is
// lost.
func TestMoreWorkersServeMore(t *testing.T) {
	t.Parallel()
	u := newSlowUpstream(t, 500*time.Millisecond)
	s, env := startParts(t, "OPENAI_HOST="+u.URL+"/v1", "OPENAI_API_KEY=sk", "ALLAMA_WORKER_CONCURRENCY=4")
	s.run(t, "worker", env...)
	s.waitForModel(t, "slow")
	s.waitWorkers(t, "openai", 1)
	alone, failed := burst(t.Context(), 16, "alone", s.url)
	if len(failed) > 0 {
		t.Fatalf("one worker: %q", failed)
	}
	for range 3 {
		s.run(t, "worker", env...)
	}
	s.waitWorkers(t, "openai", 4)
	four, failed := burst(t.Context(), 64, "four", s.url)
	if len(failed) > 0 {
		t.Fatalf("four workers: %q", failed)
	}
	gain := 4 * alone.Seconds() / four.Seconds()
	t.Logf("16 calls at one worker: %v; 64 calls at four: %v; that is %.2f times as many", alone, four, gain)
	if gain < 3 { // 3.6 and more on a machine that does nothing else
		t.Errorf("four workers serve %.2f times what one does", gain)
	}

	go func() {
		<-time.After(700 * time.Millisecond) // the first calls are answered, the next have begun
		s.processes["worker"].signal(syscall.SIGTERM)
		s.processes["worker2"].signal(syscall.SIGTERM)
	}()
	if _, failed := burst(t.Context(), 48, "fewer", s.url); len(failed) > 0 {
		t.Errorf("calls that were lost when two workers were stopped: %q", failed)
	}
	if again := u.repeated(); len(again) > 0 {
		t.Errorf("performed twice: %q", again)
	}
	go func() {
		<-time.After(200 * time.Millisecond)
		s.processes["worker3"].signal(syscall.SIGKILL)
	}()
	if _, failed := burst(t.Context(), 12, "killed", s.url); len(failed) > 0 {
		t.Errorf("calls that were lost when a worker was killed: %q", failed)
	}
	if n := u.most(); n > 16 {
		t.Errorf("%d calls at once, want no more than 16", n)
	}
}

func TestWorkersShareTheCalls(t *testing.T) {
	t.Parallel()
	u := newSlowUpstream(t, 10*time.Millisecond)
	s, env := startParts(t, "OPENAI_HOST="+u.URL+"/v1", "OPENAI_API_KEY=sk-0")
	for i := range 3 {
		s.run(t, "worker", append(env, fmt.Sprintf("OPENAI_API_KEY=sk-%d", i+1))...)
	}
	s.waitForModel(t, "slow")
	s.waitWorkers(t, "openai", 3)
	for i := range 6 {
		if _, failed := burst(t.Context(), 50, fmt.Sprint(i), s.url); len(failed) > 0 {
			t.Fatal(failed)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	t.Logf("300 calls: %v", u.keys)
	for i := range 3 {
		if n := u.keys[fmt.Sprintf("sk-%d", i+1)]; n < 60 {
			t.Errorf("worker %d got %d of 300 calls", i+1, n)
		}
	}
}

// What keeps one provider busy does not delay another's calls.
func TestABusyProviderDelaysNoOther(t *testing.T) {
	t.Parallel()
	busy, quick := newSlowUpstream(t, 300*time.Millisecond), newSlowUpstream(t, 20*time.Millisecond)
	s, env := startParts(t, "OPENAI_HOST="+quick.URL+"/v1", "OPENAI_API_KEY=sk",
		"ALLAMA_PROVIDERS=busy", "BUSY_KIND=openai", "BUSY_HOST="+busy.URL+"/v1", "BUSY_API_KEY=sk", "BUSY_MAX_CONCURRENCY=4")
	s.run(t, "worker", append(env, "IS_BUSY_ACTIVE=false")...)
	s.run(t, "worker", append(env, "IS_OPENAI_ACTIVE=false")...)
	s.waitForModel(t, "openai/slow")
	s.waitForModel(t, "busy/slow")
	s.waitWorkers(t, "openai", 1)
	s.waitWorkers(t, "busy", 1)

	measure := func() []time.Duration {
		var all []time.Duration
		for range 40 {
			began := time.Now()
			if err := say(t.Context(), s.url, "openai/slow", "word"); err != nil {
				t.Fatal(err)
			}
			all = append(all, time.Since(began))
		}
		slices.Sort(all)
		return all
	}
	before := measure()
	ctx, stop := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	for i := range 60 { // of which four run
		calls.Go(func() { say(ctx, s.url, "busy/slow", fmt.Sprint(i)) })
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		busy.mu.Lock()
		full := busy.now == 4
		busy.mu.Unlock()
		if full {
			break
		}
	}
	during := measure()
	stop()
	calls.Wait()
	p90 := len(before) * 9 / 10
	t.Logf("alone: median %v, 90%% %v; beside a full queue: %v, %v", before[20], before[p90], during[20], during[p90])
	if during[20] > before[20]*3/2+10*time.Millisecond {
		t.Errorf("the median was %v, and is %v beside a full queue", before[20], during[20])
	}
	if n := busy.most(); n > 4 {
		t.Errorf("%d calls at once, want no more than 4", n)
	}
}
