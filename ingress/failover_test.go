package ingress

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
)

// chained returns a rig with an alias that stands for a model of oai, then for
// one of claude.
func chained(t *testing.T, way catalog.Way) *rig {
	t.Helper()
	g := newRig(t, nil)
	a := alias("steady", "oai/gpt-4o", "claude/claude-x")
	a.Way = way
	g.rule(catalog.Rules{Aliases: []catalog.Alias{a}})
	return g
}

// well plays an upstream that answers in whatever form it is asked for.
func well(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
	switch {
	case j.Encoding == bus.Canonical:
		return says(bus.End{}, hello()...)(ctx, j, r)
	case j.Stream && j.Dialect == "anthropic":
		return frames(bus.Head{}, bus.End{}, "event: x\ndata: {\"text\":\"Hello there\"}\n\n", "event: message_stop\ndata: {}\n\n")(ctx, j, r)
	case j.Stream:
		return frames(bus.Head{}, bus.End{}, "data: {\"text\":\"Hello there\"}\n\n", "data: [DONE]\n\n")(ctx, j, r)
	}
	return frames(bus.Head{Whole: true}, bus.End{}, `{"text":"Hello there"}`)(ctx, j, r)
}

// told is what the client has got of the answer of well.
func told(body string) bool {
	return strings.Contains(body, "there")
}

func TestAClientNoticesNothingWhereThereIsAFallback(t *testing.T) {
	for _, code := range []llm.Code{
		llm.CodeUnreachable, llm.CodeUpstream, llm.CodeOverloaded, llm.CodeRateLimited, llm.CodeTimeout, llm.CodeInterrupted,
		llm.CodeUpstreamAuth, llm.CodeUpstreamBill, llm.CodeModelNotFound, llm.CodeUnsupported,
	} {
		g := chained(t, catalog.Way{})
		var first, second recorder
		g.worker("oai", first.plays(fails(&llm.Error{Code: code, Message: "it broke"})))
		g.worker("claude", second.plays(well))
		for _, w := range wires() {
			got := g.post(w.path, ask("steady", w.name != "ollama"))
			if got.status != 200 || !told(got.body) || strings.Contains(got.body, "it broke") {
				t.Errorf("%s by %s: got %d %s", code, w.name, got.status, got.body)
			}
			h := got.header
			if want := itoa(len(first.jobs) + 1); h.Get("X-Allama-Provider") != "claude" || h.Get("X-Allama-Model") != "claude-x" || h.Get("X-Allama-Attempts") != want {
				t.Errorf("%s by %s: served by %s/%s in %s attempts, want %s", code, w.name,
					h.Get("X-Allama-Provider"), h.Get("X-Allama-Model"), h.Get("X-Allama-Attempts"), want)
			}
			last, before := second.last(t), first.last(t)
			if !strings.HasPrefix(last.Request, strings.SplitN(before.Request, "-", 2)[0]+"-") || last.Model != "claude-x" {
				t.Errorf("%s by %s: the fallback is %s, after %s", code, w.name, last.Request, before.Request)
			}
			if native := w.name == "anthropic"; native != (last.Encoding == bus.Native) {
				t.Errorf("%s by %s: the fallback's body is %s", code, w.name, last.Encoding)
			}
			first.jobs, second.jobs = nil, nil
		}
	}
}

// TestWarningsAreThoseOfTheTargetThatAnswers is about fields that one target
// cannot take, and the other one can.
func TestWarningsAreThoseOfTheTargetThatAnswers(t *testing.T) {
	g := chained(t, catalog.Way{})
	dropping := func(field string, end bus.End, pieces ...string) bus.Handler {
		return frames(bus.Head{Whole: true, Warnings: []llm.Warning{{Policy: llm.Dropped, Field: field}}}, end, pieces...)
	}
	g.worker("oai", dropping("first", bus.End{Error: &llm.Error{Code: llm.CodeUpstreamAuth, Message: "no"}}))
	g.worker("claude", dropping("second", bus.End{}, "{}"))
	got := g.post("/v1/messages", ask("steady", false))
	if got.status != 200 || got.header.Get("X-Allama-Dropped") != "second" {
		t.Errorf("got %d, dropped %q, want second", got.status, got.header.Get("X-Allama-Dropped"))
	}
}

func TestNoSecondGenerationAfterContent(t *testing.T) {
	for _, w := range wires() {
		g := chained(t, catalog.Way{})
		var first, second recorder
		broken := &llm.Error{Code: llm.CodeInterrupted, Message: "stream interrupted: the connection to the upstream broke"}
		seen := make(chan struct{})
		g.worker("oai", first.plays(func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
			if j.Encoding == bus.Native {
				frames(bus.Head{}, bus.End{}, "data: {\"text\":\"Hello\"}\n\n")(ctx, j, r)
			} else {
				says(bus.End{}, hello()[:3]...)(ctx, j, r)
			}
			<-seen
			return bus.End{Error: broken}
		}))
		g.worker("claude", second.plays(well))
		in := bufio.NewReader(g.open(w.path, ask("steady", true)))
		var got strings.Builder
		for !strings.Contains(got.String(), "Hello") {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: %v after %s", w.name, err, got.String())
			}
			got.WriteString(line)
		}
		close(seen)
		if _, err := io.Copy(&got, in); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(got.String(), "stream interrupted") || strings.Contains(got.String(), w.terminal) {
			t.Errorf("%s: got %s", w.name, got.String())
		}
		if len(first.jobs) != 1 || len(second.jobs) != 0 {
			t.Errorf("%s: %d calls of the first target and %d of the second, want 1 and 0", w.name, len(first.jobs), len(second.jobs))
		}
	}
}

func TestABadRequestReachesOneUpstreamOnce(t *testing.T) {
	for _, code := range []llm.Code{llm.CodeInvalid, llm.CodeTooLarge, llm.CodeContentFilter, llm.CodeContextLength} {
		g := chained(t, catalog.Way{})
		var rec recorder
		for _, name := range []string{"oai", "claude"} {
			g.worker(name, rec.plays(fails(&llm.Error{Code: code, Message: "no"})))
		}
		for _, w := range wires() {
			got := g.post(w.path, ask("steady", false))
			if got.status < 400 || got.status > 499 || got.header.Get("X-Should-Retry") != "false" || got.header.Get("X-Allama-Provider") != "oai" {
				t.Errorf("%s by %s: got %d by %s", code, w.name, got.status, got.header.Get("X-Allama-Provider"))
			}
		}
		if len(rec.jobs) != len(wires()) {
			t.Errorf("%s: %d calls came to %d upstream calls", code, len(wires()), len(rec.jobs))
		}
	}
}

// TestALongConversationGoesWhereThereIsRoom is about an error that is the
// client's with one target, and none with another.
func TestALongConversationGoesWhereThereIsRoom(t *testing.T) {
	g := newRig(t, nil)
	g.rule(catalog.Rules{Aliases: []catalog.Alias{alias("roomy", "llama/tiny", "claude/claude-x", "oai/gpt-4o")}})
	var rec recorder
	g.worker("llama", rec.plays(fails(&llm.Error{Code: llm.CodeContextLength, Message: "too long"})))
	g.worker("claude", rec.plays(well))
	g.worker("oai", rec.plays(well))
	got := g.post("/v1/chat/completions", ask("roomy", false))
	if got.status != 200 || got.header.Get("X-Allama-Provider") != "oai" || len(rec.jobs) != 2 {
		t.Errorf("got %d by %s in %d attempts, want the model with the larger context", got.status, got.header.Get("X-Allama-Provider"), len(rec.jobs))
	}
}

func TestWhoeverWantsNoFallbackGetsNone(t *testing.T) {
	broken := &llm.Error{Code: llm.CodeUpstream, Message: "it broke"}
	for _, tt := range []struct {
		name, model string
		way         catalog.Way
		header      []string
		attempts    int
		status      int
	}{
		{"by the header", "steady", catalog.Way{}, []string{"x-allama-fallback", "off"}, 2, 502},
		{"by the alias", "steady", catalog.Way{Stay: true}, nil, 2, 502},
		{"the alias counts more", "steady", catalog.Way{Stay: true}, []string{"x-allama-fallback", "on"}, 2, 502},
		{"not even a second attempt", "steady", catalog.Way{Stay: true, Once: true}, nil, 1, 502},
		{"no second attempt", "steady", catalog.Way{Once: true}, nil, 1, 200},
		{"who names a model gets that", "oai/gpt-4o", catalog.Way{}, nil, 2, 502},
		{"also by its bare name", "gpt-4o", catalog.Way{}, nil, 2, 502},
		{"nobody understands the header", "steady", catalog.Way{}, []string{"x-allama-fallback", "maybe"}, 0, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := chained(t, tt.way)
			var rec recorder
			g.worker("oai", rec.plays(fails(broken)))
			g.worker("claude", well)
			got := g.post("/v1/chat/completions", ask(tt.model, false), tt.header...)
			if got.status != tt.status || len(rec.jobs) != tt.attempts {
				t.Errorf("got %d after %d attempts, want %d after %d", got.status, len(rec.jobs), tt.status, tt.attempts)
			}
			for _, j := range rec.jobs {
				if j.Attempt() != 1 {
					t.Error("a worker was granted a second attempt")
				}
			}
		})
	}
}

func TestTheMostTellingErrorIsTold(t *testing.T) {
	g := chained(t, catalog.Way{})
	g.worker("oai", fails(&llm.Error{Code: llm.CodeRateLimited, Message: "not now", RetryAfter: 20 * time.Second}))
	g.worker("claude", fails(&llm.Error{Code: llm.CodeModelNotFound, Message: "which model"}))
	got := g.post("/v1/chat/completions", ask("steady", true))
	if got.status != 429 || got.header.Get("Retry-After") != "20" || got.header.Get("X-Allama-Provider") != "oai" || got.header.Get("X-Allama-Attempts") != "2" {
		t.Errorf("got %d %v", got.status, got.header)
	}
}

// TestClientsAreNotToMultiplyAttempts is about an upstream that is overloaded,
// whose clients would each try again, too.
func TestClientsAreNotToMultiplyAttempts(t *testing.T) {
	g := newRig(t, nil)
	g.worker("oai", fails(&llm.Error{Code: llm.CodeOverloaded, Message: "busy"}))
	got := g.post("/v1/chat/completions", ask("gpt-4o", false))
	if got.status != 503 || got.header.Get("X-Should-Retry") != "false" || got.header.Get("X-Allama-Attempts") != "2" {
		t.Errorf("got %d %v", got.status, got.header)
	}
}

func TestAProviderWithoutWorkersIsLeft(t *testing.T) {
	g := newRig(t, nil)
	g.rule(catalog.Rules{Aliases: []catalog.Alias{alias("steady", "void/nobody-has-me", "claude/claude-x")}})
	g.worker("claude", well)
	got := g.post("/v1/chat/completions", ask("steady", false))
	if got.status != 200 || got.header.Get("X-Allama-Provider") != "claude" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// TestLostWorkersAreTriedElsewhere kills the only workers of the first target:
// all together, no target gets more than two attempts, and no call more than
// three.
func TestLostWorkersAreTriedElsewhere(t *testing.T) {
	g := chained(t, catalog.Way{})
	var rec recorder
	var mu sync.Mutex
	conns := []*nats.Conn{}
	dies := rec.plays(func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		mu.Lock()
		defer mu.Unlock()
		for _, nc := range conns {
			if !nc.IsClosed() {
				nc.Close()
				break
			}
		}
		<-ctx.Done()
		return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
	})
	mu.Lock()
	conns = append(conns, g.worker("oai", dies))
	mu.Unlock()
	g.worker("claude", well)
	got := g.post("/v1/chat/completions", ask("steady", true))
	if got.status != 200 || !told(got.body) || got.header.Get("X-Allama-Provider") != "claude" {
		t.Errorf("got %d %v %s", got.status, got.header, got.body)
	}
	if len(rec.jobs) > 2 {
		t.Errorf("the first target got %d attempts", len(rec.jobs))
	}
}

func TestASignOfLifeDoesNotHinderAFallback(t *testing.T) {
	for _, w := range wires()[:2] { // the third has none
		g := chained(t, catalog.Way{})
		g.server.keepAlive, g.server.firstWord = 50*time.Millisecond, 50*time.Millisecond
		silent := make(chan struct{})
		g.worker("oai", func(_ context.Context, _ *bus.Job, r *bus.Reply) bus.End {
			r.Expect(time.Minute)
			<-silent
			return bus.End{Error: &llm.Error{Code: llm.CodeTimeout, Message: "silent"}}
		})
		g.worker("claude", well)
		time.AfterFunc(200*time.Millisecond, func() { close(silent) })
		got := g.post(w.path, ask("steady", true))
		if got.status != 200 || !told(got.body) || !strings.Contains(got.body, w.terminal) || strings.Contains(got.body, "silent") {
			t.Errorf("%s: got %d %s", w.name, got.status, got.body)
		}
		if !strings.HasPrefix(got.body, ": ") && !strings.HasPrefix(got.body, "event: ping") {
			t.Errorf("%s: no sign of life in %s", w.name, got.body)
		}
	}
}

func TestFailedAttemptsAreLogged(t *testing.T) {
	g := chained(t, catalog.Way{})
	g.worker("oai", fails(&llm.Error{Code: llm.CodeUpstream, Message: "it broke"}))
	g.worker("claude", fails(&llm.Error{Code: llm.CodeTimeout, Message: "silent"}))
	g.post("/v1/chat/completions", ask("steady", false))
	eventually(t, "three lines", func() bool { return len(g.log.lines("attempt failed")) == 3 })
	for i, want := range []string{"1 oai upstream_error retry", "2 oai upstream_error fallback", "3 claude timeout none"} {
		line := g.log.lines("attempt failed")[i]
		if got := fmt.Sprint(line["attempt"], " ", line["provider"], " ", line["error"], " ", line["next"]); got != want || line["request"] == "" {
			t.Errorf("line %d: got %s want %s", i, got, want)
		}
	}
}

func TestAConversationStaysAtOnePlace(t *testing.T) {
	g := newRig(t, nil)
	shared := catalog.Alias{Name: "shared", Targets: []catalog.AliasTarget{{Model: "oai/gpt-4o", Weight: 1}, {Model: "claude/claude-x", Weight: 1}}}
	g.rule(catalog.Rules{Aliases: []catalog.Alias{shared}})
	var rec recorder
	g.worker("oai", rec.plays(well))
	g.worker("claude", rec.plays(well))
	turns := func(n, turns int) string {
		messages := []string{`{"role":"system","content":"Be brief"}`, fmt.Sprintf(`{"role":"user","content":[{"type":"text","text":"%d"}]}`, n)}
		if turns > 1 {
			messages = append(messages, `{"role":"assistant","content":"Well"}`, `{"role":"user","content":"And?"}`)
		}
		return `{"model":"shared","temperature":0.` + itoa(turns) + `,"messages":[` + strings.Join(messages, ",") + `]}`
	}
	count := map[string]int{}
	for n := range 30 {
		at := g.post("/v1/chat/completions", turns(n, 1)).header.Get("X-Allama-Provider")
		before := rec.last(t).Affinity
		if next := g.post("/v1/chat/completions", turns(n, 2)).header.Get("X-Allama-Provider"); next != at {
			t.Errorf("conversation %d went to %s, then to %s", n, at, next)
		}
		if after := rec.last(t).Affinity; before == "" || after != before {
			t.Errorf("conversation %d had the affinity %q, then %q", n, before, after)
		}
		count[at]++
	}
	if count["oai"] < 5 || count["claude"] < 5 {
		t.Errorf("30 conversations went to %v", count)
	}
	places := map[string]bool{}
	for n := range 10 {
		places[g.post("/v1/chat/completions", turns(n, 1), "x-allama-session", "mine").header.Get("X-Allama-Provider")] = true
	}
	if len(places) != 1 {
		t.Errorf("the calls of a session went to %v", places)
	}
}

func TestWhatTellsConversationsApart(t *testing.T) {
	same := func(name, a, b string, want bool) {
		t.Helper()
		if got := slices.Equal(opening([]byte(a)), opening([]byte(b))); got != want {
			t.Errorf("%s: the same is %v", name, got)
		}
	}
	const first = `{"model":"m","system":[{"type":"text","text":"s","cache_control":{}}],"messages":[{"role":"user","content":"a"}]}`
	same("marks that move", first, `{"system":[{"type":"text","text":"s"}],"messages":[{"content":"a","role":"user"},{"role":"assistant","content":"x"}]}`, true)
	same("another first message", first, `{"system":[{"text":"s"}],"messages":[{"role":"user","content":"b"}]}`, false)
	same("other instructions", first, `{"system":"t","messages":[{"role":"user","content":"a"}]}`, false)
	same("a cache key", `{"prompt_cache_key":"k","input":"a"}`, `{"input":"b","prompt_cache_key":"k"}`, true)
	same("responses", `{"input":[{"role":"user","content":"a"}]}`, `{"input":[{"role":"user","content":"a"},{"type":"reasoning"}]}`, true)
	for _, body := range []string{`{}`, `{"messages":5}`, `{"messages":[]}`, `{"messages":[1,null,{"role":"user","content":{"text":"x"}}]}`, `{"input":[[]],"prompt":3}`} {
		if got := opening([]byte(body)); got != nil {
			t.Errorf("%s: got %x, want nothing", body, got)
		}
	}
}

func FuzzOpening(f *testing.F) {
	f.Add([]byte(ask("m", true)))
	f.Add([]byte(`{"input":[{"role":"user","content":[{"text":"x"}]}],"prompt_cache_key":1}`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		if _, err := peek(body, false); err == nil {
			opening(body)
		}
	})
}

// TestAnOutageCostsFewAttempts has all upstreams of an alias fail, for every
// dialect of clients.
func TestAnOutageCostsFewAttempts(t *testing.T) {
	g := chained(t, catalog.Way{})
	var rec recorder
	g.worker("oai", rec.plays(fails(&llm.Error{Code: llm.CodeUpstream, Message: "it broke"})))
	g.worker("claude", rec.plays(fails(&llm.Error{Code: llm.CodeUnreachable, Message: "nobody there"})))
	const calls = 200
	for n := range calls {
		w := wires()[n%3]
		if got := g.post(w.path, ask("steady", n%2 == 0)); got.status != http.StatusBadGateway && got.status != 500 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
	if len(rec.jobs) > calls*110/100 {
		t.Errorf("%d calls came to %d attempts, want at most 1.10 for each", calls, len(rec.jobs))
	}
}
