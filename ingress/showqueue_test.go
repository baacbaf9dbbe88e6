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

func TestTooManyCallsAreCounted(t *testing.T) {
	g := newRig(t, nil)
	for i := range 2000 {
		s := &slip{id: fmt.Sprint(i), tries: []try{{Provider: "oai", Message: strings.Repeat("x", maxReason)}}}
		g.server.board.slips[s.id] = s
	}
	o := g.server.look(query{All: true})
	text, err := json.Marshal(o)
	if err != nil || o.More == 0 || len(o.Calls)+o.More != 2000 || len(text) > 1<<20 || len(text) < 1<<18 {
		t.Errorf("got %d calls in %d bytes, and %d more, %v", len(o.Calls), len(text), o.More, err)
	}
	if o = g.server.look(query{Key: "nobody"}); o.More != 0 || len(o.Calls) != 0 {
		t.Errorf("of nobody there are %d calls, and %d more", len(o.Calls), o.More)
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
