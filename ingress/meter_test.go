package ingress

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/metrics/metricstest"
)

func (g *rig) metrics() metricstest.Page {
	g.t.Helper()
	return metricstest.Scrape(g.t, g.url+"/metrics")
}

const chat = `dialect="openai",operation="chat/completions"`

func TestCallsAreCountedByWhatCameOfThem(t *testing.T) {
	g := newRig(t, keeping())
	var failed atomic.Int32
	g.worker("oai", func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		if strings.Contains(string(j.Body), "unlucky") && failed.Add(1) == 1 {
			return bus.End{Error: &llm.Error{Code: llm.CodeOverloaded, Message: "busy", RetryAfter: time.Millisecond}}
		}
		return frames(bus.Head{Whole: true}, bus.End{}, `{}`)(ctx, j, r)
	})
	g.worker("claude", fails(&llm.Error{Code: llm.CodeInvalid, Message: "no"}))
	const path = "/v1/chat/completions"
	for _, tt := range []struct {
		body   string
		key    string
		status int
	}{
		{ask("gpt-4o", false), "", 200},
		{ask("gpt-4o", false), "k", 200},
		{ask("gpt-4o", false), "k", 200}, // runs no second time
		{strings.Replace(ask("gpt-4o", false), "Hi", "unlucky", 1), "", 200},
		{ask("claude-x", false), "", 400},
		{ask("nobody", false), "", 404},
	} {
		var headers []string
		if tt.key != "" {
			headers = []string{"Idempotency-Key", tt.key}
		}
		if got := g.post(path, tt.body, headers...); got.status != tt.status {
			t.Fatalf("%s: got %d %s, want %d", tt.body, got.status, got.body, tt.status)
		}
	}
	eventually(t, "all six calls are counted", func() bool {
		n := 0.0
		for series, value := range g.metrics() {
			if strings.HasPrefix(series, "allama_calls_total") || strings.HasPrefix(series, "allama_call_replays_total") {
				n += value
			}
		}
		return n == 6
	})
	g.metrics().Want(t, metricstest.Page{
		`allama_calls_total{code="ok",` + chat + `,provider="oai",status="2xx"}`:                   3,
		`allama_calls_total{code="invalid_request",` + chat + `,provider="claude",status="4xx"}`:   1,
		`allama_calls_total{code="model_not_found",` + chat + `,provider="",status="4xx"}`:         1,
		`allama_call_replays_total{` + chat + `}`:                                                  1,
		`allama_call_duration_seconds_count{provider="oai"}`:                                       3,
		`allama_call_first_byte_seconds_count{provider="oai"}`:                                     3,
		`allama_call_queue_wait_seconds_count{provider="oai"}`:                                     3,
		`allama_call_attempts_total{provider="oai"}`:                                               4,
		`allama_call_attempts_total{provider="claude"}`:                                            1,
		`allama_call_attempt_failures_total{code="overloaded",next="retry",provider="oai"}`:        1,
		`allama_call_attempt_failures_total{code="invalid_request",next="none",provider="claude"}`: 1,
		`allama_provider_workers{provider="oai"}`:                                                  1,
		`allama_provider_workers{provider="void"}`:                                                 0,
		`allama_queue_running_calls{provider="oai"}`:                                               0,
	})
}

func TestTheQueueIsMeasured(t *testing.T) {
	g := newRig(t, nil)
	tap := g.occupied(1)
	defer close(tap.open)
	ctx, leave := context.WithCancel(t.Context())
	g.leave(ctx, "/v1/chat/completions", ask("gpt-4o", false))
	g.waits(1)
	if got := g.post("/v1/chat/completions", ask("gpt-4o", false)); got.status != 503 && got.status != 429 {
		t.Fatalf("a call to a full room: got %d", got.status)
	}
	p := g.metrics()
	p.Want(t, metricstest.Page{
		`allama_queue_waiting_calls{class="default",provider="oai"}`:    1,
		`allama_queue_waiting_calls{class="priority",provider="oai"}`:   0,
		`allama_queue_running_calls{provider="oai"}`:                    1,
		`allama_queue_sent_calls{provider="oai"}`:                       1,
		`allama_queue_depth_calls{provider="oai"}`:                      1,
		`allama_provider_cap_calls{provider="oai"}`:                     1,
		`allama_provider_paused{provider="oai"}`:                        0,
		`allama_queue_refusals_total{code="overloaded",provider="oai"}`: 1,
	})
	if got := p[`allama_queue_oldest_wait_seconds{provider="oai"}`]; got <= 0 || got > patience.Seconds() {
		t.Errorf("the oldest has waited for %v s", got)
	}
	leave()
	eventually(t, "the client that left is counted", func() bool {
		return g.metrics()[`allama_calls_total{code="canceled",`+chat+`,provider="oai",status="4xx"}`] == 1
	})
	if got := g.metrics()[`allama_queue_refusals_total{code="canceled",provider="oai"}`]; got != 0 {
		t.Errorf("a client that left counts as refused: %v", got)
	}
}

func TestMetricsAreForThoseWhoMaySeeThem(t *testing.T) {
	open, keyed, plain := newRig(t, nil), newRig(t, &Config{KeysFile: keysFile(t, "ops: root [admin]", "app: sk")}), newRig(t, &Config{KeysFile: keysFile(t, "app: sk")})
	tests := []struct {
		name    string
		rig     *rig
		from    string
		headers []string
		want    int
	}{
		{"without keys, from this machine", open, "127.0.0.1:5", nil, 200},
		{"without keys, from another one", open, "10.1.2.3:5", nil, 403},
		{"without keys, passed on by a proxy", open, "127.0.0.1:5", []string{"X-Forwarded-For", "10.1.2.3"}, 403},
		{"without keys, by a page of others", open, "127.0.0.1:5", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"with keys, but without one", keyed, "127.0.0.1:5", nil, 401},
		{"with the key of a client", keyed, "127.0.0.1:5", []string{"Authorization", "Bearer sk"}, 403},
		{"with a key where nobody is an admin", plain, "127.0.0.1:5", []string{"Authorization", "Bearer sk"}, 403},
		{"with the key of an admin", keyed, "127.0.0.1:5", []string{"Authorization", "Bearer root"}, 200},
		{"with the key of an admin, from another machine", keyed, "10.1.2.3:5", []string{"X-Api-Key", "root"}, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.rig.request(http.MethodGet, "/metrics", "", tt.headers...)
			r.RemoteAddr = tt.from
			w := httptest.NewRecorder()
			tt.rig.server.Handler().ServeHTTP(w, r)
			if shown := strings.Contains(w.Body.String(), "allama_"); w.Code != tt.want || shown != (tt.want == 200) {
				t.Errorf("got %d %.200s, want %d", w.Code, w.Body, tt.want)
			}
		})
	}
}

func TestWithoutARegistryThereIsNoPage(t *testing.T) {
	g := newRig(t, nil)
	g.server.meter = meter{}
	if got := g.get("/metrics"); got.status != 404 {
		t.Errorf("got %d %s, want 404", got.status, got.body)
	}
}
