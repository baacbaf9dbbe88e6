package ollama

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// all makes calls of models by turns, at once.
func all(t *testing.T, p *Provider, calls int, models ...string) {
	t.Helper()
	var running sync.WaitGroup
	for i := range calls {
		running.Go(func() {
			if body, err := ask(t, p, chatCall(models[i%len(models)])); err != nil || !strings.Contains(body, `"done":true`) {
				t.Errorf("call %d: got %s, %v", i, body, err)
			}
		})
	}
	running.Wait()
}

func TestTwoHostsLoadTwoModelsOnce(t *testing.T) {
	one, two := newFake(t, "a:latest", "b:latest"), newFake(t, "a:latest", "b:latest")
	p := open(t, upstream.Pool{}, one, two)
	for i := range 20 {
		all(t, p, 1, []string{"a", "b"}[i%2])
	}
	all(t, p, 100, "a", "b")
	if n := loadsOf(one, two); n > 2 {
		t.Errorf("120 calls of two models took %d loads, want 2", n)
	}
}

func TestOneHostLoadsModelsInBatches(t *testing.T) {
	f := newFake(t, "a:latest", "b:latest")
	p := open(t, upstream.Pool{Parallel: 3}, f)
	all(t, p, 40, "a", "b")
	if n := loadsOf(f); n > 3 {
		t.Errorf("40 calls of two models took %d loads, want 3 at most", n)
	}
	if f.most > 3 {
		t.Errorf("there were %d calls at once, want 3 at most", f.most)
	}
}

func TestOneModelHasItsOwnLimit(t *testing.T) {
	one, two := newFake(t, "a:latest"), newFake(t, "a:latest")
	one.takes, two.takes = 5*time.Millisecond, 5*time.Millisecond
	p := open(t, upstream.Pool{PerModel: 1}, one, two)
	all(t, p, 10, "a")
	if n := sum([]*fake{one, two}, func(f *fake) int { return f.most }); n != 1 {
		t.Errorf("there were %d calls at once, want 1", n)
	}
}

func TestACallGoesWhereItsModelIs(t *testing.T) {
	one, two := newFake(t, "a:latest"), newFake(t, "b:latest", "a:latest")
	two.loaded = "a:latest" // by somebody else
	p := open(t, upstream.Pool{}, one, two)
	for _, model := range []string{"a", "b"} {
		if body, err := ask(t, p, chatCall(model)); err != nil || !strings.Contains(body, two.host()) {
			t.Errorf("model %s: got %s, %v, want the answer of the second host", model, body, err)
		}
	}
	events, _, err := p.Answer(t.Context(), &llm.Request{Model: "b", Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "hi"}}}}}, noWait)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := llm.Collect(events); err != nil || !strings.Contains(fmt.Sprint(got.Content), two.host()) {
		t.Errorf("a canonical call: got %+v, %v", got, err)
	}
	if got, _, err := p.Embed(t.Context(), &llm.EmbedRequest{Model: "b", Input: []string{"hi"}}, noWait); err != nil || len(got.Vectors) != 1 {
		t.Errorf("an embedding: got %+v, %v", got, err)
	}
	if n := sum([]*fake{one}, func(f *fake) int { return len(f.chats) }); n != 0 {
		t.Errorf("%d calls went to the first host", n)
	}
}

func TestAHostThatIsAway(t *testing.T) {
	one, two := newFake(t, "a:latest"), newFake(t, "a:latest")
	p := open(t, upstream.Pool{}, one, two)
	all(t, p, 1, "a") // at the first one, which both have seen by now
	one.server.Close()
	_, err := ask(t, p, chatCall("a"))
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeUnreachable || !e.Again {
		t.Errorf("the call that finds out: got %+v, want one that is worth another attempt at once", e)
	}
	all(t, p, 10, "a")
	two.server.Close()
	for range 2 { // the second one finds out, too; then there is no other
		_, err = ask(t, p, chatCall("a"))
	}
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeUnreachable || e.Again {
		t.Errorf("without any host: got %+v", e)
	}
}

func TestAHostThatLacksTheModelAfterAll(t *testing.T) {
	one, two := newFake(t, "a:latest"), newFake(t, "a:latest")
	p := open(t, upstream.Pool{}, one, two)
	all(t, p, 1, "a")
	one.mu.Lock()
	delete(one.models, "a:latest")
	one.mu.Unlock()
	_, err := ask(t, p, chatCall("a"))
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeModelNotFound || !e.Again {
		t.Errorf("got %+v want one that is worth another attempt at once", e)
	}
	all(t, p, 1, "a")
	_, err = ask(t, p, chatCall("nobody-has-it"))
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeModelNotFound || e.Again {
		t.Errorf("of a model that no host has: got %+v", e)
	}
}

// While a call waits for its turn, it says so, and it can be given up.
func TestACallThatWaitsSaysSo(t *testing.T) {
	f := newFake(t, "a:latest")
	f.takes = time.Hour
	p := open(t, upstream.Pool{Parallel: 1}, f)
	first, leave := context.WithCancel(t.Context())
	begun := make(chan error, 1)
	go func() {
		c := chatCall("a")
		_, err := p.Forward(first, c)
		begun <- err
	}()
	deadline := time.Now().Add(5 * time.Second)
	for sum([]*fake{f}, func(f *fake) int { return f.busy }) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the first call does not begin")
		}
		time.Sleep(time.Millisecond)
	}
	gone := errors.New("nobody waits any more")
	c := chatCall("a")
	c.Wait = func(longest time.Duration) error {
		if longest != signFor {
			t.Errorf("the wait is to be over within %v, want %v", longest, signFor)
		}
		return gone
	}
	if _, err := p.Forward(t.Context(), c); !errors.Is(err, gone) {
		t.Errorf("a call that nobody waits for: got %v", err)
	}
	second, cancel := context.WithCancelCause(t.Context())
	c.Wait = func(time.Duration) error {
		cancel(gone)
		return nil
	}
	if _, err := p.Forward(second, c); !errors.Is(err, gone) {
		t.Errorf("a call that was cancelled: got %v", err)
	}
	leave()
	<-begun
	p.pool.mu.Lock()
	defer p.pool.mu.Unlock()
	if s := p.pool.schedule; len(s.waiting) != 0 || s.hosts[0].busy != 0 {
		t.Errorf("%d calls still wait, and %d run", len(s.waiting), s.hosts[0].busy)
	}
}

// An answer that nobody reads takes no room once its call is over.
func TestAnAnswerThatIsNotRead(t *testing.T) {
	f := newFake(t, "a:latest")
	p := open(t, upstream.Pool{Parallel: 1}, f)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := p.Forward(ctx, chatCall("a")); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	all(t, p, 1, "a")
}

// One host that need not change models is not looked at.
func TestNothingIsAskedWhereThereIsNoChoice(t *testing.T) {
	f := newFake(t, "a:latest", "b:latest")
	p := open(t, upstream.Pool{}, f)
	all(t, p, 10, "a")
	all(t, p, 10, "b")
	p.pool.look.runs.Wait()
	p.pool.look.mu.Lock()
	defer p.pool.look.mu.Unlock()
	if !p.pool.look.loaded.IsZero() {
		t.Error("the host was asked")
	}
}

// A host turns out to have room for two models when it has both.
func TestRoomThatThereIsIsFound(t *testing.T) {
	f := newFake(t, "a:latest", "b:latest")
	f.also = "b:latest"
	f.takes = time.Hour
	p := open(t, upstream.Pool{Parallel: 4, SwitchAfter: time.Hour}, f)
	ctx, leave := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, model := range []string{"a", "b"} {
		running.Go(func() { _, _ = p.Forward(ctx, chatCall(model)) })
		deadline := time.Now().Add(5 * time.Second)
		for sum([]*fake{f}, func(f *fake) int { return len(f.chats) }) < map[string]int{"a": 1, "b": 2}[model] {
			if time.Now().After(deadline) {
				t.Fatalf("the call of %s does not begin", model)
			}
			time.Sleep(time.Millisecond)
		}
	}
	leave()
	running.Wait()
}

func TestCapacity(t *testing.T) {
	tests := []struct {
		host string
		pool upstream.Pool
		want int
	}{
		{"a", upstream.Pool{}, 64},
		{"a,b", upstream.Pool{Parallel: 2}, 64},
		{"a,b", upstream.Pool{Concurrency: 20}, 320},
		{"https://ollama.com", upstream.Pool{}, 0},
	}
	for _, tt := range tests {
		p, err := New(upstream.Config{Host: tt.host, Pool: tt.pool})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Capacity(); got != tt.want {
			t.Errorf("%s, %+v: got %d want %d", tt.host, tt.pool, got, tt.want)
		}
	}
}

func TestModelsOfSeveralHosts(t *testing.T) {
	one, two := newFake(t, "a:latest=d1", "b:latest=d2"), newFake(t, "b:latest=d3", "c:latest=d4")
	p := open(t, upstream.Pool{}, one, two)
	list := func() map[string]string {
		t.Helper()
		models, err := p.Models(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, m := range models {
			hosts := []string{m.Digest}
			for _, h := range m.Hosts {
				hosts = append(hosts, fmt.Sprintf("%d %s %v", map[string]int{one.host(): 1, two.host(): 2}[h.Host], h.Digest, h.Away))
			}
			got[m.ID] = strings.Join(hosts, " ")
		}
		return got
	}
	expect := func(want map[string]string) {
		t.Helper()
		if got := list(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v want %v", got, want)
		}
	}
	expect(map[string]string{"a:latest": "d1 1 d1 false", "b:latest": "d2 1 d2 false 2 d3 false", "c:latest": "d4 2 d4 false"})
	one.server.Close()
	for range maxAway - 1 {
		expect(map[string]string{"a:latest": "d1 1 d1 true", "b:latest": "d3 2 d3 false 1 d2 true", "c:latest": "d4 2 d4 false"})
	}
	expect(map[string]string{"b:latest": "d3 2 d3 false", "c:latest": "d4 2 d4 false"})
	two.server.Close()
	if _, err := p.Models(t.Context()); err == nil {
		t.Error("without any host: no error")
	}
}

// A host that hangs does not lose the lists of the others.
func TestAHostThatHangsIsNotWaitedFor(t *testing.T) {
	one, two := newFake(t, "a:latest"), newFake(t, "b:latest")
	one.mu.Lock() // so that it does not answer
	p := open(t, upstream.Pool{}, one, two)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	models, err := p.Models(ctx)
	one.mu.Unlock()
	if err != nil || len(models) != 1 || models[0].ID != "b:latest" {
		t.Errorf("got %+v, %v", models, err)
	}
}

func TestManagementOfSeveralHosts(t *testing.T) {
	const other = "b:latest=d"
	tests := []struct {
		name, method, operation, body string
		hosts                         [2][]string // the models of each
		want                          [2]int      // calls of each
		answer                        string      // with 1 and 2 for the hosts
	}{
		{"a description is that of the host that has the model", "", "show", `{"model":"a"}`, [2][]string{{other}, {"a:latest=d"}}, [2]int{0, 1}, `{"host":"2"}`},
		{"a push goes to the host that has the model", "", "push", `{"model":"a"}`, [2][]string{{other}, {"a:latest=d"}}, [2]int{0, 1}, "at 2,success"},
		{"a new model goes to the first host", "", "pull", `{"model":"a"}`, [2][]string{{other}, {other}}, [2]int{1, 0}, "at 1,success"},
		{"a model that hosts have is brought up to date at each", "", "pull", `{"name":"a:latest"}`, [2][]string{{"a:latest=d"}, {"a:latest=e"}}, [2]int{1, 1}, "at 1,at 2,success"},
		{"a model is made where the one to build on is", "", "create", `{"model":"new","from":"a"}`, [2][]string{{other}, {"a:latest=d"}}, [2]int{0, 1}, "at 2,success"},
		{"a model of files is made at the first host", "", "create", `{"model":"new","files":{}}`, [2][]string{{other}, {"a:latest=d"}}, [2]int{1, 0}, "at 1,success"},
		{"a copy is made at each", "", "copy", `{"source":"a","destination":"z"}`, [2][]string{{"a:latest=d"}, {"a:latest=d"}}, [2]int{1, 1}, ""},
		{"a model is deleted at each that has it", "DELETE", "delete", `{"model":"a"}`, [2][]string{{"a:latest=d"}, {"a:latest=d"}}, [2]int{1, 1}, ""},
		{"and at no other", "DELETE", "delete", `{"model":"a"}`, [2][]string{{other}, {"a:latest=d"}}, [2]int{0, 1}, ""},
		{"what no host has is not found", "DELETE", "delete", `{"model":"a"}`, [2][]string{{other}, {other}}, [2]int{1, 0}, "error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fakes := [2]*fake{newFake(t, tt.hosts[0]...), newFake(t, tt.hosts[1]...)}
			p := open(t, upstream.Pool{}, fakes[:]...)
			stream := slices.Contains([]string{"pull", "push", "create"}, tt.operation)
			got, err := ask(t, p, &upstream.Call{Method: tt.method, Operation: tt.operation, Body: []byte(tt.body), Stream: stream, Media: !stream, Wait: noWait})
			if stream {
				got = statuses(got)
			}
			for i, f := range fakes {
				got = strings.ReplaceAll(got, f.host(), fmt.Sprint(i+1))
				if len(f.asked) != tt.want[i] {
					t.Errorf("host %d was asked %q, want %d calls", i+1, f.asked, tt.want[i])
				}
			}
			if err != nil {
				got = "error"
			}
			if got != tt.answer {
				t.Errorf("got %s, %v want %s", got, err, tt.answer)
			}
		})
	}
}

func statuses(lines string) string {
	var all []string
	for line := range strings.Lines(lines) {
		var step struct{ Status string }
		if json.Unmarshal([]byte(line), &step) != nil {
			return lines
		}
		all = append(all, step.Status)
	}
	return strings.Join(all, ",")
}

func TestLoadedModelsOfAllHosts(t *testing.T) {
	one, two := newFake(t, "a:latest=d1"), newFake(t, "b:latest=d2")
	one.loaded, two.loaded = "a:latest", "b:latest"
	p := open(t, upstream.Pool{}, one, two)
	ps := &upstream.Call{Method: "GET", Operation: "ps", Media: true, Wait: noWait}
	want := `{"models":[{"name":"a:latest","model":"a:latest","digest":"d1"},{"name":"b:latest","model":"b:latest","digest":"d2"}]}`
	if got, err := ask(t, p, ps); err != nil || got != want {
		t.Errorf("got %s, %v want %s", got, err, want)
	}
	one.server.Close()
	if got, err := ask(t, p, ps); err != nil || !strings.Contains(got, "b:latest") {
		t.Errorf("without one host: got %s, %v", got, err)
	}
	two.server.Close()
	if got, err := ask(t, p, ps); err == nil {
		t.Errorf("without any host: got %s", got)
	}
}

func TestADeletedModelMayBeLeftAtAHostThatIsAway(t *testing.T) {
	one, two := newFake(t, "a:latest"), newFake(t, "a:latest")
	p := open(t, upstream.Pool{}, one, two)
	all(t, p, 1, "a") // so that it is known what they have
	one.server.Close()
	_, err := ask(t, p, &upstream.Call{Method: "DELETE", Operation: "delete", Body: []byte(`{"model":"a"}`), Media: true, Wait: noWait})
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeUnreachable || len(two.models) != 0 {
		t.Errorf("got %v, and %v is left at the other host", err, two.models)
	}
}

// A call that has a model unloaded goes to all hosts that have it loaded, even
// while others wait.
func TestUnloading(t *testing.T) {
	for body, want := range map[string]bool{
		`{"model":"a","keep_alive":0}`:                              true,
		`{"model":"a","keep_alive":"0s","messages":[]}`:             true,
		`{"model":"a","keep_alive":"0","prompt":""}`:                true,
		`{"model":"a","keep_alive":"10m"}`:                          false,
		`{"model":"a","keep_alive":"s"}`:                            false,
		`{"model":"a","keep_alive":0,"prompt":"hi"}`:                false,
		`{"model":"a","keep_alive":0,"input":"hi"}`:                 false,
		`{"model":"a","keep_alive":0,"messages":[{"role":"user"}]}`: false,
		`{"model":"a"}`: false,
		`{`:             false,
	} {
		if got := isUnload([]byte(body)); got != want {
			t.Errorf("%s: got %v want %v", body, got, want)
		}
	}
	one, two := newFake(t, "a:latest"), newFake(t, "a:latest")
	one.loaded, two.loaded = "a:latest", "a:latest"
	p := open(t, upstream.Pool{}, one, two)
	_, err := ask(t, p, &upstream.Call{Operation: "chat", Body: []byte(`{"model":"a","keep_alive":0}`), Wait: noWait})
	if err != nil || len(one.chats) != 1 || len(two.chats) != 1 {
		t.Errorf("got %v after %q and %q", err, one.chats, two.chats)
	}
}
