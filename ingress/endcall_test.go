package ingress

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/queue"
)

// end asks for a call to be ended.
func (g *rig) end(id string, headers ...string) reply {
	g.t.Helper()
	return g.do(g.request(http.MethodDelete, "/api/v1/calls/"+id, "", headers...))
}

// one returns the only call that has come so far.
func (g *rig) one(stage queue.Stage, headers ...string) (c shownCall) {
	g.t.Helper()
	eventually(g.t, "a call that is "+string(stage), func() bool {
		for _, c = range g.shown(headers...).Calls {
			if c.Stage == stage {
				return true
			}
		}
		return false
	})
	return c
}

func TestACallIsEndedFromAnywhereBeforeItAnswers(t *testing.T) {
	for _, w := range wires() {
		for _, here := range []bool{true, false} {
			t.Run(w.name, func(t *testing.T) {
				one, other := newPair(t, threeKeys(t))
				entered, left := make(chan struct{}), make(chan struct{})
				one.worker("oai", hangs(entered, left))
				result := make(chan reply, 1)
				go func() { result <- one.post(w.path, ask("gpt-4o", true), "Authorization", "Bearer sk-a") }()
				within(t, patience, "the job", entered)
				by := one
				if !here {
					by = other
				}
				c := by.one(queue.Running, "Authorization", "Bearer sk-a")
				if got := by.end(c.ID, "Authorization", "Bearer sk-b"); got.status != 404 {
					t.Fatalf("by another key: got %d %s, want 404", got.status, got.body)
				}
				if got := by.end(c.ID, "Authorization", "Bearer sk-boss"); got.status != 200 || !strings.Contains(got.body, c.ID) {
					t.Fatalf("by the admin: got %d %s", got.status, got.body)
				}
				within(t, time.Second, "the end of the upstream call", left)
				got := <-result
				status := 503
				if w.name == "anthropic" {
					status = 529
				}
				if _, message := w.errorOf(got.body); got.status != status || !strings.Contains(message, "canceled") || got.header.Get("X-Should-Retry") != "false" {
					t.Errorf("the client got %d %v %s", got.status, got.header, got.body)
				}
				if got.header.Get("X-Request-Id") != c.ID {
					t.Errorf("the call %s was shown as %s", got.header.Get("X-Request-Id"), c.ID)
				}
				if got := by.end(c.ID, "Authorization", "Bearer sk-a"); got.status != 404 {
					t.Errorf("once more: got %d %s, want 404", got.status, got.body)
				}
			})
		}
	}
}

func TestACallIsEndedInTheMiddleOfItsAnswer(t *testing.T) {
	for _, w := range wires() {
		g := newRig(t, nil)
		left := make(chan struct{})
		g.worker("oai", func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
			defer close(left)
			r.Expect(time.Minute)
			r.Head(bus.Head{Encoding: j.Encoding})
			if j.Encoding == bus.Canonical {
				_ = say(ctx, r, hello()[:3]...)
			} else {
				_ = r.Data(ctx, []byte("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n"))
			}
			_ = r.Flush(ctx)
			<-ctx.Done()
			return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
		})
		resp, err := http.DefaultClient.Do(g.request(http.MethodPost, w.path, ask("gpt-4o", true)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		in := bufio.NewReader(resp.Body)
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if got := g.end(resp.Header.Get("X-Request-Id")); got.status != 200 {
			t.Fatalf("%s: got %d %s", w.name, got.status, got.body)
		}
		within(t, time.Second, "the end of the upstream call", left)
		rest, err := io.ReadAll(in)
		if err != nil || !strings.Contains(string(rest), "canceled") || strings.Contains(string(rest), w.terminal) {
			t.Errorf("%s: the rest is %q, %v", w.name, rest, err)
		}
	}
}

func TestACallThatWaitsIsEnded(t *testing.T) {
	for _, stage := range []queue.Stage{queue.Queued, queue.Waiting} {
		g := newRig(t, nil)
		tap := g.occupied(0)
		if stage == queue.Waiting {
			g.leave(t.Context(), "/v1/chat/completions", ask("gpt-4o", false))
		}
		c := g.one(stage)
		if got := g.end(c.ID); got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		eventually(t, "the end", func() bool {
			for _, o := range g.shown().Calls {
				if o.ID == c.ID {
					return false
				}
			}
			return true
		})
		close(tap.open)
		eventually(t, "the end of all", func() bool { return len(g.shown().Calls) == 0 })
		if n := len(tap.jobs); n != 2 && (stage == queue.Waiting || n != 1) {
			t.Errorf("%s: %d calls came to the upstream", stage, n)
		}
	}
}

func TestPagesOfOthersEndNoCall(t *testing.T) {
	g := newRig(t, nil)
	if got := g.end("req_x", "Sec-Fetch-Site", "cross-site"); got.status != 403 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := g.end("req_x"); got.status != 404 {
		t.Errorf("a call that there is not: got %d %s", got.status, got.body)
	}
}
