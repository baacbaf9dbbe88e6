package ingress

import (
	"context"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A worker has an upstream of the client's dialect that does not answer in the
// form that it was asked for, and so answers in events.
func TestNativeCallAnsweredInEvents(t *testing.T) {
	g := newRig(t, nil)
	play := func(end bus.End, list ...llm.Event) bus.Handler {
		return func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
			r.Head(bus.Head{Encoding: bus.Canonical})
			if say(ctx, r, list...) != nil {
				return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
			}
			return end
		}
	}
	for provider, w := range map[string]wire{"oai": wires()[0], "claude": wires()[1], "llama": wires()[2]} {
		var rec recorder
		g.worker(provider, rec.plays(play(bus.End{Usage: &llm.Usage{Input: 3, Output: 2}}, hello()...)))
		t.Run(w.name, func(t *testing.T) {
			got := g.post(w.path, ask(w.model, true))
			framing := g.server.calls[w.path].Framing("")
			if got.status != 200 || got.header.Get("Content-Type") != framing.ContentType || !strings.Contains(got.body, w.terminal) ||
				!strings.Contains(got.body, "Hello") || !strings.Contains(got.body, " there") {
				t.Errorf("streamed: got %d %v %s", got.status, got.header, got.body)
			}
			got = g.post(w.path, ask(w.model, false))
			if got.status != 200 || got.header.Get("Content-Type") != g.server.calls[w.path].json || !strings.Contains(got.body, "Hello there") {
				t.Errorf("whole: got %d %v %s", got.status, got.header, got.body)
			}
			if job := rec.last(t); job.Encoding != bus.Native {
				t.Errorf("the job is %s, want it native", job.Encoding)
			}
			if got = g.post(w.path, `{"model":"`+w.model+`","max_tokens":1,"messages":[{"role":7}]}`); got.status < 500 {
				t.Errorf("a request that cannot be read: got %d %s", got.status, got.body)
			}
		})
	}
}

// What two answers have to say is not made one.
func TestNativeCallAnsweredInEventsThatSayTooLittle(t *testing.T) {
	g := newRig(t, nil)
	g.worker("oai", func(_ context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{Encoding: bus.Canonical})
		return bus.End{}
	})
	got := g.post("/v1/chat/completions", `{"model":"gpt-4o","n":2,"messages":[{"role":"user","content":"Hi"}]}`)
	if got.status != 502 || !strings.Contains(got.body, "form that it was asked for") {
		t.Errorf("got %d %s, want a failure", got.status, got.body)
	}
}

// Each attempt says for itself in which form it answers.
func TestLostAttemptInAnotherFormThanTheNext(t *testing.T) {
	frame := `data: {"id":"x","choices":[{"index":0,"delta":{"content":"Hello"}}]}` + "\n\ndata: [DONE]\n\n"
	body := `{"id":"x","choices":[{"index":0,"message":{"content":"Hello"}}]}`
	events := func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{Encoding: bus.Canonical})
		_ = say(ctx, r, hello()...)
		return bus.End{}
	}
	for _, stream := range []bool{true, false} {
		native := frames(bus.Head{ContentType: "application/json", Whole: !stream}, bus.End{}, map[bool]string{true: frame, false: body}[stream])
		for name, tt := range map[string]struct {
			first bus.Head
			said  []llm.Event
			next  bus.Handler
			want  string
		}{
			"events, then native":   {bus.Head{Encoding: bus.Canonical}, []llm.Event{llm.Start{ID: "the_first"}}, native, `"id":"x"`},
			"events, then events":   {bus.Head{Encoding: bus.Canonical}, []llm.Event{llm.Start{ID: "the_first"}}, events, `"id":"answer_1"`},
			"a whole, then events":  {bus.Head{Whole: true}, []llm.Event{llm.Start{ID: "the_first"}}, events, `"id":"answer_1"`},
			"a whole, then natives": {bus.Head{Whole: true}, []llm.Event{llm.Start{ID: "the_first"}}, native, `"id":"x"`},
		} {
			g := newRig(t, nil)
			lost := g.diesAs("oai", tt.first, tt.said...)
			done := make(chan reply)
			go func() { done <- g.post("/v1/chat/completions", ask("gpt-4o", stream)) }()
			within(t, patience, "the first worker's end", lost)
			g.worker("oai", tt.next)
			got := <-done
			if got.status != 200 || strings.Contains(got.body, "the_first") || !strings.Contains(got.body, "Hello") ||
				!strings.Contains(got.body, tt.want) || strings.Contains(got.body, "[DONE]") != stream {
				t.Errorf("%s, stream %t: got %d %s", name, stream, got.status, got.body)
			}
		}
	}
}
