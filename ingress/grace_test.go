package ingress

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
)

const graceful = "X-Allama-Disconnect"

// wander sends a call and leaves once it is there.
func (g *rig) wander(there func() bool, body string, headers ...string) {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	done := make(chan struct{})
	r := g.request(http.MethodPost, "/v1/chat/completions", body, headers...).WithContext(ctx)
	go func() {
		defer close(done)
		if resp, err := http.DefaultClient.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // it breaks off
			resp.Body.Close()
		}
	}()
	eventually(g.t, "the call", there)
	cancel()
	<-done
	eventually(g.t, "that the client has left", func() bool { return g.followers() == 0 })
}

func TestClientComesBackWithinTheGrace(t *testing.T) {
	for _, stream := range []bool{true, false} {
		g, s := newRig(t, keeping()), newScript()
		g.worker("oai", s.plays(s.play))
		g.wander(func() bool { return s.count() == 1 }, ask("gpt-4o", stream), "Idempotency-Key", "k", graceful, "grace")
		close(s.first)
		back := make(chan reply)
		go func() {
			back <- g.post("/v1/chat/completions", ask("gpt-4o", stream), "Idempotency-Key", "k", graceful, "grace")
		}()
		eventually(t, "the client", func() bool { return g.followers() == 1 })
		close(s.second)
		if got := <-back; got.status != 200 || !strings.Contains(got.body, "there") || got.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("stream %v: got %d %s", stream, got.status, got.body)
		}
		if n := s.count(); n != 1 {
			t.Errorf("stream %v: %d upstream calls, want 1", stream, n)
		}
	}
}

func TestGraceLetsTheUpstreamFinish(t *testing.T) {
	g, s := newRig(t, nil), newScript()
	g.worker("oai", s.plays(s.play))
	g.wander(func() bool { return s.count() == 1 }, ask("gpt-4o", true), graceful, "grace")
	close(s.first)
	close(s.second)
	eventually(t, "the line of the log", func() bool { return len(g.log.lines("call")) == 1 })
	if line := g.log.lines("call")[0]; line["status"] != 200.0 || line["output_tokens"] != 2.0 {
		t.Errorf("the log says %v", line)
	}
}

func TestGraceIsOverAfterItsTime(t *testing.T) {
	for _, key := range []string{"", "k"} {
		cfg := keeping()
		cfg.Keep.Grace, cfg.Keep.Disconnect = 200*time.Millisecond, "grace"
		g, s := newRig(t, cfg), newScript()
		g.worker("oai", s.plays(s.play))
		headers := []string{"X-Other", "x"}
		if key != "" {
			headers = []string{"Idempotency-Key", key}
		}
		g.wander(func() bool { return s.count() == 1 }, ask("gpt-4o", true), headers...)
		began := time.Now()
		within(t, patience, "the end of the upstream call", s.left)
		if d := time.Since(began); d < 100*time.Millisecond {
			t.Errorf("it went on for %v only", d)
		}
	}
}

func TestQueuedCallHasNoGrace(t *testing.T) {
	g := newRig(t, keeping())
	waits := func() bool { return g.followers() == 1 }
	g.wander(waits, ask("gpt-4o", false), graceful, "grace")
	eventually(t, "the end of the call", func() bool { return len(g.log.lines("call")) == 1 })
	g.wander(waits, ask("gpt-4o", false), "Idempotency-Key", "k", graceful, "grace") // but this one has
	var rec recorder
	g.worker("oai", rec.plays(says(bus.End{}, hello()...)))
	got := g.post("/v1/chat/completions", ask("gpt-4o", false), "Idempotency-Key", "k")
	if got.status != 200 || len(rec.jobs) != 1 {
		t.Errorf("got %d %s after %d runs, want 1", got.status, got.body, len(rec.jobs))
	}
}

func TestWhoDecidesOnTheGrace(t *testing.T) {
	tests := []struct {
		name   string
		config string
		key    bool // whether the client's key has grace
		header string
		want   time.Duration
		fails  bool
	}{
		{"nobody", "", false, "", 0, false},
		{"the operator", "grace", false, "", time.Minute, false},
		{"the key", "cancel", true, "", time.Minute, false},
		{"the client, for it", "cancel", false, "Grace", time.Minute, false},
		{"the client, against it", "grace", true, "cancel", 0, false},
		{"nobody knows", "", false, "linger", 0, true},
	}
	for _, tt := range tests {
		s := &Server{cfg: Config{Keep: KeepConfig{Disconnect: tt.config, Grace: time.Minute}}}
		got, err := s.graceOf(&response{grace: tt.key}, http.Header{graceful: {tt.header}})
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	keys, err := readKeys(strings.NewReader("alice:secret [grace]\nbob:other\n"))
	if err != nil || !keys[0].grace || keys[1].grace {
		t.Errorf("got keys %+v, %v", keys, err)
	}
}

func TestServerEndsCallsThatNobodyWaitsFor(t *testing.T) {
	cfg := keeping()
	cfg.DrainTimeout = 200 * time.Millisecond
	g, s := newRig(t, cfg), newScript()
	stop, done := g.serves()
	g.worker("oai", s.plays(s.play))
	g.wander(func() bool { return s.count() == 1 }, ask("gpt-4o", true), "Idempotency-Key", "k", graceful, "grace")
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the server does not end")
	}
	within(t, patience, "the end of the upstream call", s.left)
}

func TestServerEndsCallsWithKeysInTheirDialect(t *testing.T) {
	cfg := keeping()
	cfg.DrainTimeout = 200 * time.Millisecond
	g, s := newRig(t, cfg), newScript()
	stop, done := g.serves()
	g.worker("oai", s.plays(s.play))
	close(s.first)
	c := g.call("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k")
	stop()
	rest, err := io.ReadAll(c.lines)
	if err != nil || !strings.Contains(string(rest), "shutting down") || strings.Contains(string(rest), "[DONE]") {
		t.Errorf("got %s, %v", rest, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWhatIsKeptIsChecked(t *testing.T) {
	for _, good := range []KeepConfig{{}, {TTL: time.Second, Bytes: 1 << 20, Disconnect: "cancel"}, {TTL: 24 * time.Hour, Disconnect: "grace", Grace: time.Hour}} {
		if err := (Config{Keep: good}).Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	bad := map[string]KeepConfig{
		"ALLAMA_IDEMPOTENCY_TTL":    {TTL: time.Millisecond},
		"24h0m0s":                   {TTL: 25 * time.Hour},
		"ALLAMA_IDEMPOTENCY_BYTES":  {Bytes: 1000},
		`ALLAMA_DISCONNECT: "stay"`: {Disconnect: "stay"},
		"ALLAMA_GRACE":              {Grace: -1},
	}
	for want, cfg := range bad {
		if err := (Config{Keep: cfg}).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want one about %s", cfg, err, want)
		}
	}
}
