package workers

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/metrics"
)

// scaled stands for the minute.
const scaled = time.Second

// A windowKind is a way to count calls.
type windowKind int

const (
	sliding windowKind = iota // any stretch of time is a window
	fixed                     // windows begin where others end
	filling                   // a bucket fills evenly, as OpenAI's
)

// A strictUpstream allows so many calls in a window, for each key, and answers
// 429 above.
type strictUpstream struct {
	*httptest.Server
	limit  int
	tells  bool // of its limit, in headers
	kind   windowKind
	refuse sync.Map
	took   time.Duration

	mu      sync.Mutex
	calls   map[string][]time.Time // by key
	refused int
	asked   []string // the keys of all calls
}

func newStrictUpstream(t *testing.T, u *strictUpstream) *strictUpstream {
	u.calls = map[string][]time.Time{}
	u.Server = httptest.NewServer(u)
	t.Cleanup(u.Server.Close)
	return u
}

// ServeHTTP answers a call, or refuses it.
func (u *strictUpstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if status, ok := u.refuse.Load(key); ok {
		u.note(key)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status.(int))
		fmt.Fprintf(w, `{"error":{"message":"no to %s","type":"x"}}`, key)
		return
	}
	ok, left, reset := u.count(key, time.Now())
	if u.tells {
		w.Header().Set("X-Ratelimit-Limit-Requests", fmt.Sprint(u.limit))
		w.Header().Set("X-Ratelimit-Remaining-Requests", fmt.Sprint(left))
		w.Header().Set("X-Ratelimit-Reset-Requests", reset.String())
	}
	w.Header().Set("Content-Type", "application/json")
	if !ok {
		w.Header().Set("Retry-After", fmt.Sprint(reset.Seconds()))
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, `{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}`)
		return
	}
	time.Sleep(u.took) // as a model does
	io.WriteString(w, `{"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
}

func (u *strictUpstream) note(key string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, key)
}

func (u *strictUpstream) count(key string, now time.Time) (ok bool, left int, reset time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, key)
	calls := u.calls[key] // that count, by when they cease to
	for u.kind != fixed && len(calls) > 0 && !now.Before(calls[0]) || len(calls) > 0 && !now.Before(calls[len(calls)-1]) {
		calls = calls[1:]
	}
	if ok = u.limit == 0 || len(calls) < u.limit; !ok {
		u.refused++
		return false, 0, calls[0].Sub(now)
	}
	ends := now.Add(scaled)
	switch {
	case u.kind == fixed && len(calls) > 0:
		ends = calls[0]
	case u.kind == filling && len(calls) > 0:
		ends = calls[len(calls)-1].Add(scaled / time.Duration(u.limit))
	case u.kind == filling:
		ends = now.Add(scaled / time.Duration(max(u.limit, 1)))
	}
	u.calls[key] = append(calls, ends)
	return true, u.limit - len(calls) - 1, ends.Sub(now)
}

func (u *strictUpstream) keys() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.asked...)
}

// A pacingRig has several workers of one provider, and an owner.
type pacingRig struct {
	owner    *bus.Owner
	upstream *strictUpstream
	log      *lines
	metrics  []*metrics.Registry // of the workers
}

type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write appends.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if os.Getenv("ALLAMA_TEST_LOG") != "" {
		os.Stderr.Write(p)
	}
	return l.text.Write(p)
}

// String returns all lines.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newPacingRig(t *testing.T, n int, u *strictUpstream, set ProviderConfig) *pacingRig {
	t.Helper()
	r := &pacingRig{upstream: newStrictUpstream(t, u), log: &lines{}}
	set.Name, set.Kind, set.Host = "paced", "openai", u.URL
	if set.APIKey == "" && len(set.APIKeys) == 0 {
		set.APIKey = "sk-of-the-operator"
	}
	server := bustest.Start(t, 6*time.Second, set.Name)
	var err error
	if r.owner, err = bus.NewOwner(bustest.Connect(t, server), bus.OwnerOptions{}); err != nil {
		t.Fatal(err)
	}
	runs := []func(context.Context) error{r.owner.Run}
	for range n {
		r.metrics = append(r.metrics, metrics.New(metrics.Build{}, nil))
		w, err := New(bustest.Connect(t, server), Config{
			Providers: []ProviderConfig{set}, Drain: time.Second, window: scaled, Metrics: r.metrics[len(r.metrics)-1],
			Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, w.Run)
	}
	ctx, stop := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	for _, run := range runs {
		parts.Go(func() { _ = run(ctx) })
	}
	t.Cleanup(func() { stop(); parts.Wait() })
	r.eventually(t, "the workers", func() bool { return r.owner.Load(set.Name).Workers == n })
	return r
}

func (r *pacingRig) eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10s", what)
		}
	}
}

// call makes a call and returns how it ended.
func (r *pacingRig) call(t *testing.T, affinity string) *llm.Error {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	call, err := r.owner.Call(bus.Job{
		Request: bus.NewID(), Provider: "paced", Model: "m", Encoding: bus.Native, Dialect: "openai", Operation: "chat/completions",
		Affinity: affinity, Body: []byte(`{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":20}`),
	})
	if err != nil {
		return llm.AsError(err)
	}
	var end bus.End
	for b, err := range call.Batches(ctx) {
		if err != nil {
			return llm.AsError(err)
		}
		for _, m := range b.Messages {
			if e, ok := m.(bus.End); ok {
				end = e
			}
		}
	}
	return end.Error
}

// burst makes n calls at once and returns how many failed, and how long they
// took together.
func (r *pacingRig) burst(t *testing.T, n int) (failed int, took time.Duration) {
	t.Helper()
	var calls sync.WaitGroup
	var failures atomic.Int32
	began := time.Now()
	for range n {
		calls.Go(func() {
			if e := r.call(t, ""); e != nil {
				failures.Add(1)
			}
		})
	}
	calls.Wait()
	return int(failures.Load()), time.Since(began)
}

func TestAnUpstreamsRateIsHeld(t *testing.T) {
	tests := []struct {
		name    string
		workers int
		rpm     int
		u       *strictUpstream
	}{
		{"as configured, by one worker", 1, 60, &strictUpstream{}},
		{"as configured, by three", 3, 60, &strictUpstream{}},
		{"as its headers say, by one", 1, 0, &strictUpstream{tells: true, kind: fixed}},
		{"as its headers say, by three", 3, 0, &strictUpstream{tells: true, kind: fixed}},
		{"as its headers say of a bucket, by one", 1, 0, &strictUpstream{tells: true, kind: filling}},
		{"as its headers say of a bucket, by three", 3, 0, &strictUpstream{tells: true, kind: filling}},
		{"as its headers say of a window that slides, by three", 3, 0, &strictUpstream{tells: true, kind: sliding}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.u.limit, tt.u.took = 60, 5*time.Millisecond
			r := newPacingRig(t, tt.workers, tt.u, ProviderConfig{RPM: tt.rpm})
			failed, took := r.burst(t, 300)
			t.Logf("300 calls in %v, %d refused by the upstream", took, tt.u.refused)
			const most = 3 // 1 %
			if tt.u.refused > most {
				t.Errorf("the upstream refused %d of 300 calls, want %d at the most", tt.u.refused, most)
			}
			if failed > 0 && tt.u.refused == 0 {
				t.Errorf("%d calls failed, and none was refused", failed)
			}
			if took < 39*scaled/10 || took > 12*scaled {
				t.Errorf("300 calls took %v, want about %v", took, 5*scaled)
			}
		})
	}
}
