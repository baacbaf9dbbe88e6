package ingress

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/idem"
	"github.com/offbeat-studio/allama/shared/llm"
)

// hurry has claims lapse soon.
var hurry = idem.Options{Beat: 200 * time.Millisecond, Stale: time.Second, Timeout: time.Second}

// book opens the book of a rig's server.
func (g *rig) book() *idem.Book {
	g.t.Helper()
	js, err := jetstream.New(g.connect())
	if err != nil {
		g.t.Fatal(err)
	}
	return idem.NewBook(js, hurry)
}

// newPair returns two servers on one bus.
func newPair(t *testing.T, cfg *Config) (one, other *rig) {
	t.Helper()
	one = newRig(t, cfg)
	bustest.AddIdempotency(t, one.connect())
	one.server.errands.book = one.book()
	second := *one
	other = &second
	nc := other.connect()
	owner, err := bus.NewOwner(nc, bus.OwnerOptions{Timing: timing})
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	view := catalog.NewView(js, nil)
	other.log = &logLines{}
	log := slog.New(slog.NewJSONHandler(other.log, nil))
	if other.server, err = New(*cfg, Parts{Owner: owner, Catalog: view, Logger: log, Calls: other.book()}); err != nil {
		t.Fatal(err)
	}
	other.background(owner.Run)
	other.background(view.Run)
	<-view.Ready()
	web := httptest.NewServer(other.server.Handler())
	t.Cleanup(web.Close)
	other.url = web.URL
	return one, other
}

func TestTwinsAtTwoServersGetOneAnswer(t *testing.T) {
	const twins = 32 // at each
	for _, stream := range []bool{true, false} {
		one, other := newPair(t, keeping())
		s := newScript()
		one.worker("oai", s.plays(s.play))
		replies := make(chan reply, 2*twins)
		for range twins {
			for _, g := range []*rig{one, other} {
				go func() { replies <- g.post("/v1/messages", ask("gpt-4o", stream), "Idempotency-Key", "k") }()
			}
		}
		eventually(t, "all twins", func() bool { return one.followers() == twins && other.followers() == twins })
		close(s.first)
		close(s.second)
		first, replayed := reply{}, 0
		for range 2 * twins {
			got := <-replies
			if first.status == 0 {
				first = got
			}
			if got.status != 200 || got.body != first.body || got.header.Get("Content-Type") != first.header.Get("Content-Type") {
				t.Fatalf("stream %v: got %d %s, want %s", stream, got.status, got.body, first.body)
			}
			if got.header.Get("Idempotent-Replayed") == "true" {
				replayed++
			}
		}
		for _, g := range []*rig{one, other} {
			if late := g.post("/v1/messages", ask("gpt-4o", stream), "Idempotency-Key", "k"); late.body != first.body {
				t.Errorf("stream %v: later, got %d %s", stream, late.status, late.body)
			}
			if got := g.post("/v1/messages", ask("gpt-4o", !stream), "Idempotency-Key", "k"); got.status != 422 {
				t.Errorf("another body: got %d %s, want 422", got.status, got.body)
			}
		}
		if n := s.count(); n != 1 || replayed != 2*twins-1 || !strings.Contains(first.body, "there") {
			t.Errorf("stream %v: %d upstream calls, %d replayed answers %s", stream, n, replayed, first.body)
		}
	}
}

func TestCallWhoseClientLeftRunsForThoseAtAnotherServer(t *testing.T) {
	one, other := newPair(t, keeping())
	s := newScript()
	one.worker("oai", s.plays(s.play))
	close(s.first)
	c := one.call("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k")
	result := make(chan reply)
	go func() {
		result <- other.post("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k")
	}()
	eventually(t, "the twin", func() bool { return other.followers() == 1 })
	c.leave()
	within(t, patience, "the end of the first call", s.left)
	close(s.second)
	if got := <-result; got.status != 200 || !strings.Contains(got.body, "[DONE]") || s.count() != 2 {
		t.Errorf("got %d %s after %d upstream calls, want 2", got.status, got.body, s.count())
	}
}

func TestCallOfADeadServerIsTakenOver(t *testing.T) {
	g := newRig(t, keeping())
	bustest.AddIdempotency(t, g.connect())
	g.server.errands.book = g.book()
	// The dead one has claimed the key, and says no more.
	body := ask("gpt-4o", false)
	endpoint := speakers()[0].Routes()[0]
	key := hashOf(nil, []byte(endpoint.Path), []byte("k"))
	if c, _, err := g.book().Claim(t.Context(), key, printOf(endpoint, nil, []byte(body))); c == nil || err != nil {
		t.Fatalf("claim: %v", err)
	}
	var rec recorder
	g.worker("oai", rec.plays(says(bus.End{}, hello()...)))
	began := time.Now()
	got := g.post(endpoint.Path, body, "Idempotency-Key", "k")
	if got.status != 200 || len(rec.jobs) != 1 || time.Since(began) < 300*time.Millisecond {
		t.Errorf("got %d %s after %v", got.status, got.body, time.Since(began))
	}
}

func TestServerThatLostItsClaimEndsTheCall(t *testing.T) {
	one, other := newPair(t, keeping())
	s := newScript()
	one.worker("oai", s.plays(s.play))
	close(s.first)
	c := one.call("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k")
	js, err := jetstream.New(one.connect())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), bus.BucketIdempotency)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := kv.Keys(t.Context())
	if err != nil || len(keys) != 1 {
		t.Fatalf("got keys %q, %v", keys, err)
	}
	if _, err := kv.Put(t.Context(), keys[0], []byte(`{"state":"running","token":"another","print":"x"}`)); err != nil {
		t.Fatal(err)
	}
	within(t, patience, "the end of the upstream call", s.left)
	rest := new(strings.Builder)
	if _, err := c.lines.WriteTo(rest); err != nil || !strings.Contains(rest.String(), errUsurped.Message) {
		t.Errorf("got %s, %v", rest, err)
	}
	if got := other.post("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k"); got.status != 422 {
		t.Errorf("got %d %s, want what the other one's record says", got.status, got.body)
	}
}

// A key that was used with another request is refused as such at each server,
// whether the answer was kept or not.
func TestAKeyOfAnotherRequestIsRefusedThoughItsAnswerWasNotKept(t *testing.T) {
	one, other := newPair(t, keeping())
	one.server.errands.budget = recordSize + 1 // and no answer
	one.worker("oai", says(bus.End{}, hello()...))
	if got := one.post("/v1/messages", ask("gpt-4o", false), "Idempotency-Key", "k"); got.status != 200 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	another := strings.Replace(ask("gpt-4o", false), "{", `{"metadata":{"user_id":"u"},`, 1)
	for name, g := range map[string]*rig{"the server that ran it": one, "the other one": other} {
		if got := g.post("/v1/messages", another, "Idempotency-Key", "k"); got.status != 422 {
			t.Errorf("another request, %s: got %d %s, want 422", name, got.status, got.body)
		}
		if got := g.post("/v1/messages", ask("gpt-4o", false), "Idempotency-Key", "k"); got.status != 409 {
			t.Errorf("the same request, %s: got %d %s, want 409", name, got.status, got.body)
		}
	}
}

func TestNothingRunsOnceWhileNobodyKnows(t *testing.T) {
	g := newRig(t, keeping()) // without a bucket
	g.server.errands.book = g.book()
	var rec recorder
	g.worker("oai", rec.plays(says(bus.End{}, hello()...)))
	got := g.post("/v1/chat/completions", ask("gpt-4o", false), "Idempotency-Key", "k")
	if got.status != 503 || got.header.Get("Retry-After") != "5" || len(rec.jobs) != 0 {
		t.Errorf("with a key: got %d %s", got.status, got.body)
	}
	if got := g.post("/v1/chat/completions", ask("gpt-4o", false)); got.status != 200 {
		t.Errorf("without one: got %d %s", got.status, got.body)
	}
}

func TestFailureIsRunAnewByTheOtherServer(t *testing.T) {
	one, other := newPair(t, keeping())
	var rec recorder
	first := true
	one.worker("oai", rec.plays(func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		if first {
			first = false
			return bus.End{Error: &llm.Error{Code: llm.CodeUpstreamAuth, Message: "broken"}}
		}
		return says(bus.End{}, hello()...)(ctx, j, r)
	}))
	for _, want := range []struct {
		server *rig
		status int
		runs   int
	}{{one, 502, 1}, {other, 200, 2}, {one, 200, 2}} {
		if got := want.server.post("/v1/chat/completions", ask("gpt-4o", false), "Idempotency-Key", "k"); got.status != want.status || len(rec.jobs) != want.runs {
			t.Errorf("got %d %s after %d runs, want %d after %d", got.status, got.body, len(rec.jobs), want.status, want.runs)
		}
	}
}
