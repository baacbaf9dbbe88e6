package ollama

import (
	"context"
	"errors"
	"fmt"
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
