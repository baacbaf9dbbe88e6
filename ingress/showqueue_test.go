package ingress

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/queue"
)

// threeKeys are a configuration with the keys sk-boss, of an admin, sk-a and
// sk-b.
func threeKeys(t *testing.T) *Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("boss:sk-boss [admin]\na:sk-a [priority]\nb:sk-b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := keeping()
	cfg.KeysFile = file
	return cfg
}

// shown is what the server tells of the queue.
func (g *rig) shown(headers ...string) (o queueObject) {
	g.t.Helper()
	got := g.get("/api/v1/queue", headers...)
	if err := json.Unmarshal([]byte(got.body), &o); err != nil || got.status != 200 {
		g.t.Fatalf("GET /api/v1/queue: got %d %s", got.status, got.body)
	}
	return o
}

// room is what there is of a provider.
func (o queueObject) room(provider string) shownRoom {
	for _, r := range o.Providers {
		if r.Name == provider {
			return r
		}
	}
	return shownRoom{}
}

// a client makes a call in the background.
func (g *rig) client(ctx context.Context, body string, headers ...string) {
	g.t.Helper()
	r := g.request(http.MethodPost, "/v1/chat/completions", body, headers...).WithContext(ctx)
	go func() {
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
		}
	}()
}

func TestTheQueueIsThatOfAllServers(t *testing.T) {
	one, other := newPair(t, threeKeys(t))
	one.capped(1, 7)
	other.capped(1, 7)
	tap := newTap()
	one.single("oai", tap.plays())
	eventually(t, "the worker, at the other server", func() bool { return other.server.owner.Workers("oai") == 1 })
	const a, b, boss = "Bearer sk-a", "Bearer sk-b", "Bearer sk-boss"
	steps := []struct {
		g    *rig
		key  string
		want string // of the calls
	}{
		{one, a, "a priority running 0 one, "},
		{other, b, "a priority running 0 one, b default queued 0 other, "},
		{other, b, "a priority running 0 one, b default queued 0 other, b default waiting 1 other, "},
		{other, a, "a priority running 0 one, b default queued 0 other, a priority waiting 1 other, b default waiting 1 other, "},
	}
	name := map[string]string{one.server.cluster.id: "one", other.server.cluster.id: "other"}
	list := func(o queueObject) (text string) {
		for _, c := range o.Calls {
			if c.Provider != "oai" || c.Model != "gpt-4o" || len(c.Attempts) != 1 || !strings.HasPrefix(c.ID, idPrefix) || time.Since(c.Since) > time.Minute {
				t.Errorf("a call is %+v", c)
			}
			text += fmt.Sprintf("%s %s %s %d %s, ", c.Key, c.Class, c.Stage, c.Position, name[c.Ingress])
		}
		return text
	}
	for i, step := range steps {
		step.g.client(t.Context(), ask("gpt-4o", false), "Authorization", step.key)
		eventually(t, fmt.Sprintf("step %d", i), func() bool {
			return list(one.shown("Authorization", boss)) == step.want && list(other.shown("Authorization", boss)) == step.want
		})
	}
	o := one.shown("Authorization", b)
	if got, want := list(o), "b default queued 0 other, b default waiting 1 other, "; got != want {
		t.Errorf("its own calls: got %s, want %s", got, want)
	}
	r := o.room("oai")
	if o.Ingresses != 2 || r.State != queue.Open || r.Waiting[queue.Priority] != 1 || r.Waiting[queue.Default] != 1 || r.Waiting[queue.Flex] != 0 ||
		r.Queued != 1 || r.Running != 1 || r.Cap != 1 || r.Depth != 14 || r.Window != 2 || r.PerMinute != 1 || r.Workers != 1 || r.Paused != nil {
		t.Errorf("got %d ingresses, %+v", o.Ingresses, r)
	}
	if r := o.room("void"); r.Name != "void" || r.Workers != 0 || len(r.Waiting) != 3 {
		t.Errorf("a provider without calls is %+v", r)
	}
	if got := one.get("/api/v1/queue"); got.status != 401 {
		t.Errorf("without a key: got %d", got.status)
	}
	close(tap.open)
}

func TestTheQueueShowsWhyACallIsTriedAgain(t *testing.T) {
	g := newRig(t, nil)
	entered, left := make(chan struct{}), make(chan struct{})
	hang, first := hangs(entered, left), true
	g.single("oai", func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		if first {
			first = false
			return bus.End{Error: &llm.Error{Code: llm.CodeUpstream, Message: strings.Repeat("the upstream is unwell; ", 30)}}
		}
		return hang(ctx, j, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	g.client(ctx, ask("gpt-4o", true))
	within(t, patience, "the second attempt", entered)
	eventually(t, "a call that runs", func() bool {
		calls := g.shown().Calls
		return len(calls) == 1 && calls[0].Stage == queue.Running
	})
	tries := g.shown().Calls[0].Attempts
	if len(tries) != 2 || tries[0].Error != llm.CodeUpstream || len(tries[0].Message) != maxReason || tries[0].Ended == nil ||
		tries[1].Error != "" || tries[1].Ended != nil || tries[1].Began.Before(*tries[0].Ended) || tries[1].Provider != "oai" {
		t.Errorf("got %+v", tries)
	}
	cancel()
	eventually(t, "an empty queue", func() bool { return len(g.shown().Calls) == 0 })
}

// crowd has so many calls of a key wait at the server, each of which has failed
// before for a reason that takes much more room than it has letters.
func (g *rig) crowd(key string, n int) {
	g.t.Helper()
	g.server.gate.SetState("oai", queue.Paused)
	for i := range n {
		id := fmt.Sprintf("%06d", i)
		if _, err := g.server.gate.Enter("oai", queue.Claim{ID: id + "-2", Key: key, Model: "gpt-4o"}); err != nil {
			g.t.Fatal(err)
		}
		s := &slip{id: idPrefix + id, key: key, model: "gpt-4o", since: time.Now(), tries: []try{{Provider: "oai", Message: strings.Repeat("\x01", maxReason)}, {Provider: "oai"}}}
		g.server.board.mu.Lock()
		g.server.board.slips[s.id] = s
		g.server.board.mu.Unlock()
	}
}

// As many calls are shown as fit into what one server tells another. How many
// there are is always told.
func TestTooManyCallsAreCounted(t *testing.T) {
	const all = 10_000
	one, other := newPair(t, threeKeys(t))
	other.crowd("a", all)
	text, err := json.Marshal(other.server.look(query{All: true}))
	if err != nil || len(text) > 1<<20-1<<12 || len(text) < 1<<19 {
		t.Errorf("a server tells %d bytes, %v", len(text), err)
	}
	const boss, a, b = "Bearer sk-boss", "Bearer sk-a", "Bearer sk-b"
	var o queueObject
	eventually(t, "both servers tell", func() bool { o = one.shown("Authorization", boss); return o.Ingresses == 2 })
	if len(o.Calls) == 0 || len(o.Calls)+o.More != all {
		t.Errorf("%d calls are shown and %d left out, want %d together", len(o.Calls), o.More, all)
	}
	if r := o.room("oai"); r.Waiting[queue.Default] != all {
		t.Errorf("%d calls wait, want %d", r.Waiting[queue.Default], all)
	}
	for i, c := range o.Calls {
		if c.Position != i+1 {
			t.Fatalf("call %d has position %d: those that are next are to be shown", i, c.Position)
		}
	}
	for _, tt := range []struct {
		key, limit  string
		shown, left int
	}{{boss, "0", 0, all}, {boss, "5", 5, all - 5}, {a, "3", 3, all - 3}, {b, "3", 0, 0}} {
		got := one.get("/api/v1/queue?limit="+tt.limit, "Authorization", tt.key)
		var o queueObject
		if err := json.Unmarshal([]byte(got.body), &o); err != nil || len(o.Calls) != tt.shown || o.More != tt.left || o.room("oai").Waiting[queue.Default] != all {
			t.Errorf("limit %s for %s: %d calls and %d left out, %v, want %d and %d", tt.limit, tt.key, len(o.Calls), o.More, err, tt.shown, tt.left)
		}
	}
	for _, limit := range []string{"-1", "many", "1.5", "99999999999"} {
		if got := one.get("/api/v1/queue?limit="+limit, "Authorization", boss); got.status != 400 {
			t.Errorf("limit %s: got %d, want 400", limit, got.status)
		}
	}
}

func TestWhoIsWaitedForInARound(t *testing.T) {
	c := &cluster{id: "self"}
	over := func(r *round) bool {
		select {
		case <-r.whole:
			return true
		default:
			return false
		}
	}
	first := c.begin()
	if over(first) {
		t.Error("nobody is known, and nobody is waited for")
	}
	first.take(outlook{Server: "x"})
	first.take(outlook{Server: "y"})
	if over(first) {
		t.Error("there may be more, and nobody waits for them")
	}
	c.learn(first)
	second := c.begin()
	for _, server := range []string{"x", "new", "x"} {
		second.take(outlook{Server: server})
		if over(second) {
			t.Errorf("after %s, y is not waited for", server)
		}
	}
	second.take(outlook{Server: "y"})
	second.take(outlook{Server: "late"})
	if !over(second) {
		t.Error("all have answered, and somebody is waited for")
	}
	c.learned = c.learned.Add(-clusterFresh)
	if over(c.begin()) {
		t.Error("what was learned long ago is believed")
	}
}

func TestAReasonIsCutBetweenLetters(t *testing.T) {
	s := &slip{tries: []try{{}}}
	s.fails(&llm.Error{Code: llm.CodeUpstream, Message: "x" + strings.Repeat("é", maxReason)})
	if got, want := s.tries[0].Message, "x"+strings.Repeat("é", (maxReason-1)/2); got != want {
		t.Errorf("got %q want %q", got, want)
	}
}
