package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/metrics"
	"github.com/offbeat-studio/allama/shared/metrics/metricstest"
)

func page(t *testing.T, r *metrics.Registry) metricstest.Page {
	t.Helper()
	return metricstest.Read(t, r.Handler())
}

func TestRegistryKnowsTheBuildAndTheProcess(t *testing.T) {
	p := page(t, metrics.New(metrics.Build{Version: "v1.2.3", Revision: "abc"}, nil))
	p.Want(t, metricstest.Page{`allama_build_info{revision="abc",version="v1.2.3"}`: 1})
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if p[name] <= 0 {
			t.Errorf("%s: got %v, want more", name, p[name])
		}
	}
}

func TestCallsAreCounted(t *testing.T) {
	r := metrics.New(metrics.Build{}, nil)
	c := metrics.NewCalls(r)
	call := metrics.Call{Dialect: "openai", Operation: "chat/completions", Provider: "oai", Status: 200, Took: 2 * time.Second, FirstByte: time.Second, Queued: 500 * time.Millisecond}
	c.Ended(call)
	c.Ended(call)
	call.Status, call.Code = 429, "rate_limited"
	c.Ended(call)
	call.Status, call.Code = 0, "canceled"
	c.Ended(call)
	c.Ended(metrics.Call{Dialect: "ollama", Operation: "chat", Status: 404, Code: "model_not_found"})
	c.Ended(metrics.Call{Dialect: "ollama", Operation: "chat", Status: 999})
	c.Tried("oai", 3)
	c.Tried("oai", 0)
	c.Failed("oai", "timeout", "retry")
	c.Refused("oai", "overloaded")
	c.Replayed("openai", "chat/completions")
	page(t, r).Want(t, metricstest.Page{
		`allama_calls_total{code="ok",dialect="openai",operation="chat/completions",provider="oai",status="2xx"}`:           2,
		`allama_calls_total{code="rate_limited",dialect="openai",operation="chat/completions",provider="oai",status="4xx"}`: 1,
		`allama_calls_total{code="canceled",dialect="openai",operation="chat/completions",provider="oai",status="none"}`:    1,
		`allama_calls_total{code="model_not_found",dialect="ollama",operation="chat",provider="",status="4xx"}`:             1,
		`allama_calls_total{code="ok",dialect="ollama",operation="chat",provider="",status="none"}`:                         1,
		`allama_call_duration_seconds_count{provider="oai"}`:                                                                4,
		`allama_call_duration_seconds_sum{provider="oai"}`:                                                                  8,
		`allama_call_first_byte_seconds_count{provider="oai"}`:                                                              3,
		`allama_call_queue_wait_seconds_sum{provider="oai"}`:                                                                2,
		`allama_call_attempts_total{provider="oai"}`:                                                                        3,
		`allama_call_attempt_failures_total{code="timeout",next="retry",provider="oai"}`:                                    1,
		`allama_queue_refusals_total{code="overloaded",provider="oai"}`:                                                     1,
		`allama_call_replays_total{dialect="openai",operation="chat/completions"}`:                                          1,
	})
}

func TestAttemptsAreCounted(t *testing.T) {
	r := metrics.New(metrics.Build{}, nil)
	u := metrics.NewAttempts(r).Of("oai")
	u.Ended(metrics.Attempt{Took: 2 * time.Second, Input: 10, Output: 5})
	u.Ended(metrics.Attempt{Took: time.Second, Code: "rate_limited"})
	u.Ended(metrics.Attempt{Took: time.Hour, Code: "rate_limited", Unsent: true})
	var told int
	pause := u.Pausing(func(time.Time) { told++ })
	pause(time.Now().Add(-time.Minute)) // over
	pause(time.Now().Add(time.Hour))
	pause(time.Now().Add(2 * time.Hour)) // the same, for longer
	if told != 3 {
		t.Errorf("pauses that were passed on: got %d, want 3", told)
	}
	page(t, r).Want(t, metricstest.Page{
		`allama_upstream_requests_total{outcome="ok",provider="oai"}`:           1,
		`allama_upstream_requests_total{outcome="rate_limited",provider="oai"}`: 1,
		`allama_upstream_requests_total{outcome="held_back",provider="oai"}`:    1,
		`allama_upstream_request_duration_seconds_sum{provider="oai"}`:          3,
		`allama_upstream_tokens_total{direction="input",provider="oai"}`:        10,
		`allama_upstream_tokens_total{direction="output",provider="oai"}`:       5,
		`allama_upstream_pauses_total{provider="oai"}`:                          1,
	})
}

func TestListingsAreShown(t *testing.T) {
	r := metrics.New(metrics.Build{}, nil)
	l := metrics.NewListings(r)
	page(t, r)
	l.Failed("claude")
	l.Show([]metrics.Listing{{Provider: "oai", Models: 3, Listed: time.UnixMilli(1500)}, {Provider: "claude", Failing: true}})
	p := page(t, r)
	p.Want(t, metricstest.Page{
		`allama_sync_models{provider="oai"}`:                         3,
		`allama_sync_last_success_timestamp_seconds{provider="oai"}`: 1.5,
		`allama_sync_failing{provider="oai"}`:                        0,
		`allama_sync_failing{provider="claude"}`:                     1,
		`allama_sync_failures_total{provider="claude"}`:              1,
	})
	if _, ok := p[`allama_sync_last_success_timestamp_seconds{provider="claude"}`]; ok {
		t.Error("a provider that was never listed has a time at which it was")
	}
	l.Show(nil)
	if got := page(t, r).Names("allama_sync_models"); got != nil {
		t.Errorf("after all have gone: got %q, want none", got)
	}
}

// TestNobodyCounts is the package without a registry.
func TestNobodyCounts(t *testing.T) {
	var r *metrics.Registry
	metrics.NewCalls(r).Ended(metrics.Call{Provider: "a"})
	metrics.NewCalls(r).Tried("a", 1)
	metrics.NewCalls(r).Failed("a", "b", "c")
	metrics.NewCalls(r).Refused("a", "b")
	metrics.NewCalls(r).Replayed("a", "b")
	u := metrics.NewAttempts(r).Of("a")
	u.Ended(metrics.Attempt{})
	told := false
	u.Pausing(func(time.Time) { told = true })(time.Now())
	metrics.NewListings(r).Show(nil)
	metrics.NewListings(r).Failed("a")
	r.Watch(nil, nil)
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusNotFound || !told {
		t.Errorf("got %d, told of the pause: %v; want 404, true", w.Code, told)
	}
}

// TestWhatCannotBeShownIsLeftOut has a value that is none of its family.
func TestWhatCannotBeShownIsLeftOut(t *testing.T) {
	r := metrics.New(metrics.Build{}, nil)
	r.Watch([]metrics.Family{{Name: "things", Help: "Things.", Labels: []string{"kind"}}, {Name: "others", Help: "Others."}}, func(emit metrics.Emit) {
		emit("things", 1)
		emit("things", 2, "good")
		emit("others", 3)
		emit("strangers", 4)
	})
	p := page(t, r)
	p.Want(t, metricstest.Page{"allama_others": 3, `allama_things{kind="good"}`: 2})
	if got := len(p.Names("allama_")); got != 3 { // and the build
		t.Errorf("got %q, want three families", p.Names("allama_"))
	}
}

func TestCallsAreCountedFromAllSides(t *testing.T) {
	r := metrics.New(metrics.Build{}, nil)
	c := metrics.NewCalls(r)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 1000 {
				c.Ended(metrics.Call{Dialect: "d", Operation: "o", Provider: string(rune('a' + i%4)), Status: 200})
			}
		})
	}
	all.Wait()
	page(t, r).Want(t, metricstest.Page{`allama_calls_total{code="ok",dialect="d",operation="o",provider="a",status="2xx"}`: 2000})
}

// BenchmarkCall is what a call costs, on both sides of the bus.
func BenchmarkCall(b *testing.B) {
	r := metrics.New(metrics.Build{}, nil)
	c, u := metrics.NewCalls(r), metrics.NewAttempts(r).Of("oai")
	call := metrics.Call{Dialect: "openai", Operation: "chat/completions", Provider: "oai", Status: 200, Took: 2 * time.Second, FirstByte: time.Second}
	b.ReportAllocs()
	for b.Loop() {
		c.Ended(call)
		c.Tried("oai", 1)
		u.Ended(metrics.Attempt{Took: time.Second, Input: 10, Output: 5})
	}
}
