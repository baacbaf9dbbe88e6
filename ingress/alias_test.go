package ingress

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
)

// rule puts rules in force.
func (g *rig) rule(rules catalog.Rules) {
	g.t.Helper()
	js, err := jetstream.New(g.connect())
	if err != nil {
		g.t.Fatal(err)
	}
	changed := g.server.catalog.Changed()
	next := catalog.Snapshot{Revision: 2, Providers: providers(), Models: models(), Rules: &rules}
	if err := catalog.Publish(g.t.Context(), js, next); err != nil {
		g.t.Fatal(err)
	}
	<-changed
}

func alias(name string, targets ...string) catalog.Alias {
	a := catalog.Alias{Name: name}
	for _, t := range targets {
		a.Targets = append(a.Targets, catalog.AliasTarget{Model: t})
	}
	return a
}

// An answer in the upstream's own words says the alias, however its frames are
// cut, and nothing else of it changes.
func TestAliasIsTheModelOfNativeAnswers(t *testing.T) {
	g := newRig(t, nil)
	g.rule(catalog.Rules{Aliases: []catalog.Alias{alias("fast", "oai/gpt-4o"), alias("sonnet", "claude-x"), alias("house", "tiny")}})
	for _, tt := range []struct{ path, provider, name, answer, want string }{
		{
			"/v1/chat/completions", "oai", "fast",
			"data: {\"id\":\"1\", \"model\":\"gpt-4o-2024\",\"choices\":[]}\n\ndata: [DONE]\n\n",
			"data: {\"id\":\"1\", \"model\":\"fast\",\"choices\":[]}\n\ndata: [DONE]\n\n",
		},
		{
			"/v1/messages", "claude", "sonnet",
			"event: message_start\ndata:{\"type\":\"message_start\",\"message\":{\"id\":\"x\",\"model\":\"claude-x\",\"n\":1.0}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n",
			"event: message_start\ndata:{\"type\":\"message_start\",\"message\":{\"id\":\"x\",\"model\":\"sonnet\",\"n\":1.0}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n",
		},
		{
			"/api/chat", "llama", "House:latest",
			"{\"model\":\"tiny\",\"message\":{\"role\":\"assistant\",\"content\":\"{\\\"model\\\":\\\"tiny\\\"}\"}}\n{\"model\":\"tiny\",\"done\":true}",
			"{\"model\":\"House:latest\",\"message\":{\"role\":\"assistant\",\"content\":\"{\\\"model\\\":\\\"tiny\\\"}\"}}\n{\"model\":\"House:latest\",\"done\":true}",
		},
	} {
		t.Run(tt.provider, func(t *testing.T) {
			var rec recorder
			pieces := strings.SplitAfter(tt.answer, "m") // in the middle of model
			g.worker(tt.provider, rec.plays(frames(bus.Head{}, bus.End{}, pieces...)))
			got := g.post(tt.path, `{"model":"`+tt.name+`","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"x"}]}`)
			if got.status != http.StatusOK || got.body != tt.want {
				t.Errorf("got %d\n%s\nwant\n%s", got.status, got.body, tt.want)
			}
			if job := rec.last(t); got.header.Get("X-Allama-Model") == tt.name || got.header.Get("X-Allama-Provider") != tt.provider || job.Model == tt.name {
				t.Errorf("called %s at %s, says %v", job.Model, job.Provider, got.header)
			}
		})
	}
	eventually(t, "a line about the call", func() bool { return len(g.log.lines("call")) == 3 })
	if got := g.log.lines("call")[2]; got["model"] != "House:latest" || got["upstream_model"] != "tiny" {
		t.Errorf("logged %v", got)
	}
}

func TestAliasIsTheModelOfOtherAnswers(t *testing.T) {
	g := newRig(t, nil)
	g.rule(catalog.Rules{Aliases: []catalog.Alias{alias("fast", "oai/gpt-4o"), alias("sonnet", "claude-x")}})
	g.worker("oai", frames(bus.Head{Whole: true}, bus.End{}, `{"object":"response","model":"gpt-4o","response":{"model":"m"},`, `"message":"x"}`))
	got := g.post("/v1/chat/completions", `{"model":"fast","messages":[{"role":"user","content":"x"}]}`)
	if want := `{"object":"response","model":"fast","response":{"model":"fast"},"message":"x"}`; got.body != want {
		t.Errorf("whole: got %s want %s", got.body, want)
	}
	got = g.post("/v1/chat/completions", `{"model":"oai/gpt-4o","messages":[{"role":"user","content":"x"}]}`)
	if !strings.Contains(got.body, `"model":"gpt-4o"`) {
		t.Errorf("the model's own name: got %s", got.body)
	}
	g.worker("claude", says(bus.End{}, hello()...))
	got = g.post("/v1/chat/completions", `{"model":"sonnet","messages":[{"role":"user","content":"x"}]}`)
	if !strings.Contains(got.body, `"model":"sonnet"`) {
		t.Errorf("translated: got %s", got.body)
	}
}

func TestRenamerLeavesWhatItDoesNotUnderstand(t *testing.T) {
	r := &renamer{name: []byte(`"a"`)}
	for _, line := range []string{"", "\n", ": ping\n", "data: [DONE]\n", "data: {\"model\"\n", "\"model\"", `{"model":5}`, `["model"]`, `data: {"x":{"model":"m"}}`, "\x00\"model\""} {
		if got := string(r.line([]byte(line))); got != line {
			t.Errorf("%q has become %q", line, got)
		}
	}
	if got := string(r.object([]byte("RIFF\x00"))); got != "RIFF\x00" {
		t.Errorf("a sound has become %q", got)
	}
}

func FuzzRenamer(f *testing.F) {
	f.Add([]byte("data: {\"model\":\"x\"}\n\n"), 3)
	f.Add([]byte("{\"message\":{\"model\":\"x\"}}\r\n"), 9)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		whole, cutUp := &renamer{name: []byte(`"alias"`)}, &renamer{name: []byte(`"alias"`)}
		cut = min(max(cut, 0), len(stream))
		want := string(whole.lines(stream)) + string(whole.rest())
		got := string(cutUp.lines(stream[:cut])) + string(cutUp.lines(stream[cut:])) + string(cutUp.rest())
		if got != want {
			t.Errorf("cut at %d: got %q want %q", cut, got, want)
		}
	})
}

func TestAliasesAreListedLikeModels(t *testing.T) {
	g := newRig(t, nil)
	g.rule(catalog.Rules{
		Aliases:   []catalog.Alias{alias("fast", "gpt-4o", "tiny"), alias("gpt-4o", "oai/gpt-4o"), alias("lost", "oai/gone")},
		Disabled:  []string{"void/*", "oai/gone"},
		Providers: map[string]catalog.Filter{"claude": {Deny: []string{"CLAUDE-*"}}},
	})
	list := ids(decode[modelList](t, g.get("/v1/models")).Data)
	if want := []string{"acme/text-embed", "fast", "gpt-4o", "oai/gpt-4o", "tiny:latest"}; !slices.Equal(list, want) {
		t.Errorf("list: got %q want %q", list, want)
	}
	m := decode[modelObject](t, g.get("/v1/models/fast"))
	if m.ID != "fast" || m.OwnedBy != "allama" || m.MaxInput != 4096 || m.DisplayName != "fast" {
		t.Errorf("got %+v", m)
	}
	var names []string
	for _, e := range decode[map[string][]tagEntry](t, g.get("/api/tags"))["models"] {
		names = append(names, e.Name)
		if e.Name == "fast:latest" && (len(e.Digest) != 64 || e.Size < 1 || e.Details.Family == "" || !slices.Equal(e.Capabilities, []string{"completion"})) {
			t.Errorf("tag: got %+v", e)
		}
	}
	slices.Sort(names)
	if want := []string{"acme/text-embed:latest", "fast:latest", "gpt-4o:latest", "oai/gpt-4o:latest", "tiny:latest"}; !slices.Equal(names, want) {
		t.Errorf("tags: got %q want %q", names, want)
	}
	shown := decode[tagDescription](t, g.post("/api/show", `{"model":"fast:latest"}`))
	if shown.ModelInfo["allama.context_length"] != 4096.0 {
		t.Errorf("show: got %+v", shown)
	}
}

func TestKeptModelsAreNotFound(t *testing.T) {
	g := newRig(t, nil)
	g.worker("claude", fails(&llm.Error{Code: llm.CodeUpstream}))
	g.rule(catalog.Rules{
		Aliases:   []catalog.Alias{alias("lost", "claude-x")},
		Disabled:  []string{"oai/gpt-4o"},
		Providers: map[string]catalog.Filter{"claude": {Allow: []string{"other"}}},
	})
	for _, name := range []string{"claude-x", "claude/claude-x", "claude/claude-9", "oai/gpt-4o", "GPT-4o", "gpt-4o:latest", "lost"} {
		for path, want := range map[string]string{
			"/v1/chat/completions": "model_not_found", "/v1/messages": "not_found_error", "/api/chat": "model '" + name + "' not found",
		} {
			got := g.post(path, `{"model":"`+name+`","max_tokens":9,"messages":[{"role":"user","content":"x"}]}`)
			if got.status != http.StatusNotFound || !strings.Contains(got.body, want) || strings.Contains(got.body, "did you mean") {
				t.Errorf("%s of %s: got %d %s", path, name, got.status, got.body)
			}
		}
		if got := g.get("/v1/models/" + name); got.status != http.StatusNotFound {
			t.Errorf("/v1/models/%s: got %d %s", name, got.status, got.body)
		}
		if got := g.post("/api/show", `{"model":"`+name+`"}`); got.status != http.StatusNotFound {
			t.Errorf("show %s: got %d %s", name, got.status, got.body)
		}
	}
}

// Only of a model that some list has can be said that it is not there any more.
func TestATargetThatNoListHasWasNeverOffered(t *testing.T) {
	g := newRig(t, nil)
	g.rule(catalog.Rules{Aliases: []catalog.Alias{alias("fast", "oai/gpt-4o"), alias("hope", "oai/unlisted")}})
	g.worker("oai", fails(&llm.Error{Code: llm.CodeModelNotFound, Message: "there is no such model"}))
	for name, want := range map[string]string{"fast": "no longer offers this model", "hope": "there is no such model"} {
		if got := g.post("/v1/chat/completions", `{"model":"`+name+`","messages":[{"role":"user","content":"x"}]}`); !strings.Contains(got.body, want) {
			t.Errorf("%s: got %s want %s", name, got.body, want)
		}
	}
}
