package main

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// ollamaGoUses are what is done with the client, whole and streamed.
var ollamaGoUses = []use[ollamaGoUser]{
	{"answers", ollamaGoUser.answers},
	{"wishes", ollamaGoUser.wishes},
	{"thoughts", ollamaGoUser.thoughts},
	{"tool calls", ollamaGoUser.tools},
	{"loading", ollamaGoUser.load},
	{"errors", ollamaGoUser.failures},
}

func TestOllamaGoClient(t *testing.T) {
	t.Parallel()
	program := buildOllamaGo(t)
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		for _, w := range wires {
			user := ollamaGoUser{s, u, program, w.name}
			t.Run("a model of "+w.name, user.show)
			t.Run("embeddings of "+w.name, user.embed)
			t.Run("a stream torn by "+w.name, user.torn)
			t.Run("leaving "+w.name, user.leave)
			eachUse(t, user, w.name, ollamaGoUses)
		}
		t.Run("the server", ollamaGoUser{s, u, program, ""}.catalog)
	})
	t.Run("a server with keys", func(t *testing.T) { ollamaGoUser{program: program}.keys(t) })
	t.Run("what was recorded", func(t *testing.T) {
		u := newUpstream(t)
		ollamaGoUser{startServe(t, u.env()...), u, program, ""}.recordings(t)
	})
	t.Run("a list that was recorded", func(t *testing.T) { recordedList(t, program) })
}

func (c ollamaGoUser) answers(t *testing.T, stream bool) {
	for _, exercise := range []string{"chat", "generate"} {
		if got := c.must(t, exercise, "echo", stream); got.Text != ollamaText || got.Thinking != "" || len(got.Calls) != 0 || got.Dropped+got.Emulated != "" {
			t.Errorf("got %+v", got)
		} else if want := c.provider + "/echo"; c.provider != "ollama" && got.Model != want {
			// Where the upstream is an Ollama, its own words are handed on.
			t.Errorf("the model is called %q, want %q as in the request", got.Model, want)
		}
	}
}

// wishes are what the client can ask for, and how that is said to each
// upstream, or what the client is told that it was not.
func (c ollamaGoUser) wishes(t *testing.T, stream bool) {
	for _, tt := range ollamaGoWishes {
		before := len(c.called("echo"))
		got := c.must(t, tt.exercise, "echo", stream)
		want := tt.to[c.provider]
		if got.Text != ollamaText || got.Dropped != want.dropped || got.Emulated != want.emulated {
			t.Errorf("got %+v, want dropped %q and emulated %q", got, want.dropped, want.emulated)
		}
		if c.provider == "ollama" && strings.HasPrefix(tt.exercise, "generate") {
			continue // the upstream keeps no history of these calls
		}
		for _, call := range c.called("echo")[before:] {
			if !strings.Contains(string(call.body), want.said) {
				t.Errorf("%s to %s: the upstream was told %s, want %s in it", tt.exercise, c.provider, call.body, want.said)
			}
		}
	}
}

// thoughts come apart from the answer.
func (c ollamaGoUser) thoughts(t *testing.T, stream bool) {
	i := slices.IndexFunc(wires, func(w wire) bool { return w.name == c.provider })
	answer := replayed{http.StatusOK, "application/json", []byte(ollamaGoThoughts[c.provider][0])}
	if stream {
		answer.ctype, answer.body = wires[i].ctype, []byte(ollamaGoThoughts[c.provider][1])
	}
	c.setReplay(answer)
	if got := c.must(t, "think", "replay", stream); got.Thinking != "Let me see." || got.Text != "42" {
		t.Errorf("got %+v, want a thought and an answer", got)
	}
}

// tools has a model call tools, and tells it what came of that. One of them has
// no parameters, and the client sends a schema for it that is none.
func (c ollamaGoUser) tools(t *testing.T, stream bool) {
	before := len(c.called("tools"))
	got := c.must(t, "turns", "tools", stream, "-then="+named(c.provider, "recall"))
	calls := []string{`0 call_0 get_weather{"location":"Boston"}`, `1 call_1 get_time{}`}
	if got.Text != recalledBoth || !slices.Equal(got.Calls, calls) {
		t.Errorf("got %+v, want the calls %q and %s", got, calls, recalledBoth)
	}
	for _, call := range c.called("tools")[before:] {
		if c.provider != "ollama" && !strings.Contains(string(call.body), `{"type":"object","properties":{}}`) {
			t.Errorf("%s was not given the schema of an object: %s", c.provider, call.body)
		}
	}
}

// load asks for models that are never loaded: that is answered here.
func (c ollamaGoUser) load(t *testing.T, stream bool) {
	if c.provider == "ollama" {
		t.Skip("an Ollama loads its models itself")
	}
	before := len(c.called("echo"))
	for exercise, reason := range map[string]string{
		"load": "load", "unload": "unload", "generate-load": "load", "generate-unload": "unload",
	} {
		want := ollamaGoResult{Exercise: exercise, Model: c.provider + "/echo", Reason: reason}
		if got := c.ask(t, exercise, "echo", stream); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if n := len(c.called("echo")) - before; n != 0 {
		t.Errorf("%d calls upstream", n)
	}
}

func (c ollamaGoUser) failures(t *testing.T, stream bool) {
	status := func(status int, text string) ollamaGoFailure { return ollamaGoFailure{"status", status, text} }
	for _, tt := range []struct {
		exercise, model string
		want            ollamaGoFailure
	}{
		{"chat", nowhere, status(404, "model 'nowhere' not found")},
		{"generate", nowhere, status(404, "model 'nowhere' not found")},
		{"chat", "fail-400", status(400, "no way")},
		// A key of the operator's: the client must not ask its user to sign in.
		{"chat", "fail-401", status(502, "the upstream refused the provider's credentials")},
		{"chat", "fail-429", status(429, "no way")},
		{"chat", "fail-500", status(502, "no way")},
	} {
		c.fails(t, c.ask(t, tt.exercise, tt.model, stream), tt.want)
	}
	c.setReplay(replayed{http.StatusBadRequest, "application/json", []byte(`{"detail":"in a proxy's own words"}`)})
	c.fails(t, c.ask(t, "chat", "replay", stream), status(400, "in a proxy's own words"))
	for _, field := range []string{"raw", "context", "suffix", "template"} {
		if exercise := "generate-" + field; c.provider == "ollama" {
			c.must(t, exercise, "echo", stream)
		} else {
			text := fmt.Sprintf("%s is not supported for model '%s/echo'", field, c.provider)
			c.fails(t, c.ask(t, exercise, "echo", stream), status(400, text))
		}
	}
}

// torn shows that half of a stream is an error, and no short answer.
func (c ollamaGoUser) torn(t *testing.T) {
	const text = "one two three four"
	got := c.ask(t, "chat", "torn", true, "-say="+text)
	if got.Error == nil || got.Error.Kind != "other" || got.Error.Text == "" || got.Reason != "" || got.Text == "" || !strings.HasPrefix(text, got.Text) {
		t.Errorf("got %+v, %+v, want the beginning of %q and an error", got, got.Error, text)
	}
}

// leave shows that a call whose context is cancelled in the middle is left by
// everybody.
func (c ollamaGoUser) leave(t *testing.T) {
	before := len(c.called("paced"))
	got := c.ask(t, "leave", "paced", true, "-say=x")
	if got.Error == nil || got.Error.Kind != "canceled" || got.Text == "" {
		t.Errorf("got %+v, %+v, want a beginning", got, got.Error)
	}
	select {
	case <-c.waitFor(t, "paced", before+1).gone:
	case <-time.After(time.Second):
		t.Error("the upstream is still connected 1s after")
	}
}
