package ingress

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
)

// A lister stands where the sync worker does.
type lister struct {
	asked atomic.Int32
	hold  chan struct{} // if not nil, answers wait for it
	last  atomic.Value  // of the requests
	rules *catalog.Rules
}

// lists has the lister publish a catalog with these models besides the rig's
// own whenever it is asked to.
func (g *rig) lists(l *lister, more ...catalog.Model) {
	g.t.Helper()
	nc := g.connect()
	js, err := jetstream.New(nc)
	if err != nil {
		g.t.Fatal(err)
	}
	_, err = catalog.ServeRefreshes(nc, func(r catalog.RefreshRequest, reply func(catalog.Refreshed)) {
		revision := uint64(l.asked.Add(1)) + 1
		l.last.Store(r)
		go func() {
			if l.hold != nil {
				<-l.hold
			}
			if r.Provider == "gone" {
				reply(catalog.Refreshed{Unknown: true})
				return
			}
			s := catalog.Snapshot{Revision: revision, Providers: providers(), Models: append(models(), more...), Rules: l.rules}
			if err := catalog.Publish(g.t.Context(), js, s); err != nil {
				return // the test is over
			}
			reply(catalog.Refreshed{Revision: revision, Providers: []catalog.Outcome{{Provider: "oai", Models: 3}, {Provider: "llama", Error: "refused"}}})
		}()
	})
	if err != nil {
		g.t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		g.t.Fatal(err)
	}
}

func TestAModelThatWasJustAddedIsFound(t *testing.T) {
	g := newRig(t, nil)
	l := &lister{}
	g.lists(l, catalog.Model{Provider: "llama", ID: "fresh:latest"}, catalog.Model{Provider: "llama", ID: "newer:latest"}, catalog.Model{Provider: "llama", ID: "newest:latest"})
	g.worker("llama", frames(bus.Head{}, bus.End{}, `{"message":{"content":"x"},"done":true}`+"\n"))
	if got := g.post("/api/chat", ask("fresh", false)); got.status != 200 {
		t.Errorf("call: got %d %s", got.status, got.body)
	}
	if got := l.asked.Load(); got != 1 {
		t.Errorf("%d syncs, want one", got)
	}
	if got := l.last.Load().(catalog.RefreshRequest); got.MaxAge != seekAge {
		t.Errorf("asked for %+v, want what is old", got)
	}
	if got := g.post("/api/show", `{"model":"newer"}`); got.status != 200 || l.asked.Load() != 1 {
		t.Errorf("what the sync brought besides: got %d %s after %d syncs", got.status, got.body, l.asked.Load())
	}
}

func TestShowAndModelLookForNewModels(t *testing.T) {
	for _, how := range []func(g *rig) reply{
		func(g *rig) reply { return g.post("/api/show", `{"model":"fresh"}`) },
		func(g *rig) reply { return g.get("/v1/models/fresh") },
	} {
		g := newRig(t, nil)
		g.lists(&lister{}, catalog.Model{Provider: "llama", ID: "fresh:latest"})
		if got := how(g); got.status != 200 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
}

// Whoever makes up names costs the upstreams nothing.
func TestAFloodOfUnknownNamesCausesFewSyncs(t *testing.T) {
	g := newRig(t, nil)
	l := &lister{}
	g.lists(l)
	var calls sync.WaitGroup
	for i := range 40 {
		calls.Go(func() {
			for j := range 10 {
				if got := g.post("/v1/chat/completions", ask(fmt.Sprintf("made-up-%d-%d", i, j), false)); got.status != 404 {
					t.Errorf("got %d %s", got.status, got.body)
				}
			}
		})
	}
	calls.Wait()
	if got := l.asked.Load(); got < 1 || got > seekBurst {
		t.Errorf("%d syncs for 400 names, want 1 to %d", got, seekBurst)
	}
	if g.server.seeker.waiting != 0 {
		t.Errorf("%d are taken to wait", g.server.seeker.waiting)
	}
}

func TestAnUnknownModelDoesNotWaitForASlowSync(t *testing.T) {
	g := newRig(t, nil)
	g.server.seeker.wait = 50 * time.Millisecond
	l := &lister{hold: make(chan struct{})}
	g.lists(l)
	began := time.Now()
	for range 3 {
		if got := g.post("/v1/chat/completions", ask("made-up", false)); got.status != 404 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
	if got := l.asked.Load(); got != 1 {
		t.Errorf("%d syncs at a time, want one", got)
	}
	close(l.hold)
}

// The sync goes on for the others when its first cause has given up, and who
// waits for it is told before it has ended.
func TestAModelIsFoundAsSoonAsItIsPublished(t *testing.T) {
	g := newRig(t, nil)
	g.server.seeker.wait = patience
	l := &lister{hold: make(chan struct{})}
	g.lists(l)
	js, err := jetstream.New(g.connect())
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan reply)
	go func() { shown <- g.post("/api/show", `{"model":"fresh"}`) }()
	eventually(t, "a sync", func() bool { return l.asked.Load() == 1 })
	s := catalog.Snapshot{Revision: 9, Providers: providers(), Models: append(models(), catalog.Model{Provider: "llama", ID: "fresh:latest"})}
	if err := catalog.Publish(t.Context(), js, s); err != nil {
		t.Fatal(err)
	}
	if got := <-shown; got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	close(l.hold)
}

func TestBudget(t *testing.T) {
	var b budget
	now := time.Unix(1000, 0)
	take := func(want bool) {
		t.Helper()
		if got := b.take(now); got != want {
			t.Errorf("take after %v = %v, want %v", now.Sub(time.Unix(1000, 0)), got, want)
		}
	}
	for range seekBurst {
		take(true)
	}
	take(false)
	now = now.Add(seekEvery - 1)
	take(false)
	now = now.Add(1)
	take(true)
	take(false)
	now = now.Add(100 * seekEvery)
	for range seekBurst {
		take(true)
	}
	take(false)
	now = now.Add(seekEvery)
	take(true)
	take(false)
}

func TestSyncOnRequest(t *testing.T) {
	g := newRig(t, nil)
	if got := g.post("/api/v1/sync", ""); got.status != 503 || !strings.Contains(got.body, "no sync worker is running") {
		t.Errorf("without a sync worker: got %d %s", got.status, got.body)
	}
	l := &lister{}
	g.lists(l, catalog.Model{Provider: "oai", ID: "fresh"})
	got := g.post("/api/v1/sync", "")
	if want := `{"revision":2,"providers":[{"provider":"oai","models":3},{"provider":"llama","models":0,"error":"refused"}]}`; got.status != 200 || got.body != want {
		t.Errorf("got %d %s want %s", got.status, got.body, want)
	}
	if !strings.Contains(g.get("/v1/models").body, `"fresh"`) {
		t.Error("the list has not what the sync brought")
	}
	g.post("/api/v1/sync?provider=oai", "{}")
	if got := l.last.Load().(catalog.RefreshRequest); got != (catalog.RefreshRequest{Provider: "oai"}) {
		t.Errorf("asked for %+v", got)
	}
	if got := g.post("/api/v1/sync?provider=gone", ""); got.status != 404 || !strings.Contains(got.body, "there is no provider gone") {
		t.Errorf("unknown: got %d %s", got.status, got.body)
	}
	if got := g.get("/api/v1/sync"); got.status != 405 && got.status != 404 {
		t.Errorf("by GET: got %d %s", got.status, got.body)
	}
}

func TestSyncOnRequestNeedsAKey(t *testing.T) {
	g := newRig(t, &Config{KeysFile: keysFile(t, "secret")})
	g.lists(&lister{})
	if got := g.post("/api/v1/sync", ""); got.status != http.StatusUnauthorized {
		t.Errorf("without a key: got %d %s", got.status, got.body)
	}
	if got := g.post("/api/v1/sync", "", "Authorization", "Bearer secret"); got.status != 200 {
		t.Errorf("with a key: got %d %s", got.status, got.body)
	}
}
