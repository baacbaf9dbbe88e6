package ingress

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/queue"
	"github.com/offbeat-studio/allama/shared/roster"
)

// follows has the server go by the states in the catalog.
func (g *rig) follows() {
	g.background(func(ctx context.Context) error { g.server.follow(ctx); return nil })
}

// steer publishes a catalog in which oai has a state.
func (g *rig) steer(state queue.State, also ...*rig) {
	g.t.Helper()
	js, err := jetstream.New(g.connect())
	if err != nil {
		g.t.Fatal(err)
	}
	list := providers()
	list[0].State = string(state)
	rules := &catalog.Rules{Aliases: []catalog.Alias{{Name: "either", Targets: []catalog.AliasTarget{{Model: "oai/gpt-4o"}, {Model: "claude/claude-x"}}}}}
	revision := uint64(time.Now().UnixNano())
	if err := catalog.Publish(g.t.Context(), js, catalog.Snapshot{Revision: revision, Providers: list, Models: models(), Rules: rules}); err != nil {
		g.t.Fatal(err)
	}
	want := state
	if want == "" {
		want = queue.Open
	}
	for _, g := range append(also, g) {
		eventually(g.t, "the state "+string(want), func() bool { return g.server.state("oai") == want })
	}
}

func TestCallsForAPausedProviderWaitAtAllServers(t *testing.T) {
	one, other := newPair(t, keeping())
	one.follows()
	other.follows()
	var rec recorder
	one.worker("oai", rec.plays(says(bus.End{}, hello()...)))
	eventually(t, "the worker, at the other server", func() bool { return other.server.owner.Workers("oai") == 1 })
	one.steer(queue.Paused, other)
	results := make(chan reply, 2)
	for _, g := range []*rig{one, other} {
		go func() { results <- g.post("/v1/messages", ask("gpt-4o", false)) }()
	}
	eventually(t, "two calls that wait", func() bool {
		r := one.shown().room("oai")
		return r.Waiting[queue.Default] == 2 && r.State == queue.Paused
	})
	if len(rec.jobs) != 0 {
		t.Errorf("%d calls came to the upstream", len(rec.jobs))
	}
	other.steer("", one)
	for range 2 {
		if got := <-results; got.status != 200 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
}

func TestADrainingProviderTakesNoNewCalls(t *testing.T) {
	g := newRig(t, nil)
	g.follows()
	tap := g.occupied(0)
	g.leave(t.Context(), "/v1/chat/completions", ask("gpt-4o", false))
	g.waits(1)
	var rec recorder
	g.worker("claude", rec.plays(says(bus.End{}, hello()...)))
	g.steer(queue.Draining)
	got := g.post("/v1/chat/completions", ask("gpt-4o", false))
	if got.status != 503 || !strings.Contains(got.body, "takes no new requests") || got.header.Get("Retry-After") == "" {
		t.Errorf("a newcomer got %d %s", got.status, got.body)
	}
	if got := g.post("/v1/chat/completions", ask("either", false)); got.status != 200 || got.header.Get("X-Allama-Provider") != "claude" {
		t.Errorf("with another target: got %d %s", got.status, got.body)
	}
	if running, _ := g.server.load("oai"); running != math.MaxInt32 {
		t.Errorf("for those who look for the least busy, %d calls run", running)
	}
	close(tap.open)
	eventually(t, "the end of those that were there", func() bool {
		tap.mu.Lock()
		defer tap.mu.Unlock()
		return len(tap.jobs) == 3 && len(g.shown().Calls) == 0
	})
}

func TestProvidersAreSteeredByWhoeverKeepsThem(t *testing.T) {
	g, c := withClerk(t, nil)
	for path, want := range map[string]roster.State{"pause": roster.Paused, "drain": roster.Draining, "resume": roster.Open} {
		c.asked, c.answer.Providers[0].State = nil, want
		got := g.post("/api/v1/providers/oai/"+path, "", "Content-Type", "application/json")
		if got.status != 200 || !strings.Contains(got.body, `"state":"`+string(want)+`"`) {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
		if len(c.asked) != 1 || c.asked[0].Action != roster.Steer || c.asked[0].State != want || c.asked[0].Name != "oai" {
			t.Errorf("%s: asked %+v", path, c.asked)
		}
		if got := g.post("/api/v1/providers/oai/"+path, ""); got.status != 415 {
			t.Errorf("%s, as a form could: got %d", path, got.status)
		}
	}
}
