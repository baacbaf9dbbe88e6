package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/metrics/metricstest"
)

// prompt is what nobody but the upstream is to see.
const prompt = "a word that no metric shows"

// TestMetrics makes the same calls of both stacks, and adds up what their
// processes count.
func TestMetrics(t *testing.T) {
	t.Parallel()
	t.Run("one process", func(t *testing.T) {
		t.Parallel()
		u, s, health := newUpstream(t), newStack(t), freeAddress(t)
		s.run(t, "serve", append(u.env(), "PORT="+s.port(), "ALLAMA_HEALTH_LISTEN="+health)...)
		s.waitReady(t)
		metricsOfCalls(t, s, health)
	})
	t.Run("five processes", func(t *testing.T) {
		t.Parallel()
		u, s, bus := newUpstream(t), newStack(t), freeAddress(t)
		var healths []string
		for _, command := range []string{"broker", "sync", "worker", "worker", "ingress"} {
			health := freeAddress(t)
			env := append(u.env(), "ALLAMA_HEALTH_LISTEN="+health, "NATS_URL=nats://"+bus)
			switch command {
			case "broker":
				env = append(env, "NATS_URL=", "ALLAMA_NATS_LISTEN="+bus)
			case "ingress":
				env = append(env, "PORT="+s.port())
			}
			s.run(t, command, env...)
			healths = append(healths, health)
		}
		s.waitReady(t)
		metricsOfCalls(t, s, healths...)
	})
}

// metricsOfCalls makes calls, and looks at what all processes count of them. What
// clients can call shows its own part, too.
func metricsOfCalls(t *testing.T, s *stack, addresses ...string) {
	for _, model := range []string{"openai/echo", "openai/echo", "openai/echo", "anthropic/echo", "anthropic/echo", "openai/fail-401", "nobody-has-it"} {
		f := clients[0].must(t, s, model, prompt, false)
		if ok := strings.HasSuffix(model, "/echo"); ok != (f.status == 200) {
			t.Fatalf("%s: got %d %s", model, f.status, f.failed)
		}
	}
	const series = `dialect="openai",operation="chat/completions",provider=`
	want := metricstest.Page{
		`allama_calls_total{code="ok",` + series + `"openai",status="2xx"}`:            3,
		`allama_calls_total{code="ok",` + series + `"anthropic",status="2xx"}`:         2,
		`allama_calls_total{code="upstream_auth",` + series + `"openai",status="5xx"}`: 1,
		`allama_calls_total{code="model_not_found",` + series + `"",status="4xx"}`:     1,

		`allama_call_duration_seconds_count{provider="openai"}`:                                  4,
		`allama_call_attempts_total{provider="openai"}`:                                          4,
		`allama_call_attempt_failures_total{code="upstream_auth",next="none",provider="openai"}`: 1,
		`allama_upstream_requests_total{outcome="ok",provider="openai"}`:                         3,
		`allama_upstream_requests_total{outcome="ok",provider="anthropic"}`:                      2,
		`allama_upstream_requests_total{outcome="upstream_auth",provider="openai"}`:              1,
		`allama_upstream_tokens_total{direction="input",provider="openai"}`:                      21,
		`allama_upstream_tokens_total{direction="output",provider="anthropic"}`:                  10,
		`allama_sync_failing{provider="openai"}`:                                                 0,
		`allama_nats_connected{connection="ingress"}`:                                            1,
		`allama_nats_connected{connection="broker"}`:                                             1,
		`allama_queue_running_calls{provider="openai"}`:                                          0,
		`allama_stream_messages{stream="JOBS"}`:                                                  0,
		`allama_consumer_ack_pending_messages{consumer="openai",stream="JOBS"}`:                  0,
	}
	var sum metricstest.Page
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(50 * time.Millisecond) {
		sum = metricstest.Page{}
		for _, address := range addresses {
			for name, value := range metricstest.Scrape(t, "http://"+address+"/metrics") {
				sum[name] += value
			}
		}
		if sum.Has(want) || time.Now().After(deadline) {
			break
		}
	}
	sum.Want(t, want)
	if n := sum[`allama_sync_models{provider="openai"}`]; n < 2 {
		t.Errorf("the catalog has %v models of openai, want some", n)
	}
	if n := sum[`allama_provider_workers{provider="openai"}`]; n < 1 {
		t.Errorf("%v workers of openai are known, want one", n)
	}
	metricstest.Scrape(t, s.url+"/metrics").Want(t, metricstest.Page{`allama_call_attempts_total{provider="openai"}`: 4})
	for _, address := range addresses {
		hidesAll(t, "http://"+address+"/metrics")
	}
}

// hidesAll looks for what no page may show.
func hidesAll(t *testing.T, url string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"canary", prompt, "echo", "fail-401", "sk-"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s shows %q", url, secret)
		}
	}
}
