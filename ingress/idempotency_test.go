package ingress

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// keeping is a configuration that keeps answers.
func keeping() *Config { return &Config{Keep: KeepConfig{TTL: time.Minute}} }

// followers is how many clients follow errands.
func (g *rig) followers() (n int) {
	s := g.server.errands
	s.mu.Lock()
	defer s.mu.Unlock()
	for d := range s.live {
		n += d.followers
	}
	return n
}

// A script plays "Hello there" in two halves, each time that it is let.
type script struct {
	recorder
	first, second chan struct{}
	left          chan struct{} // gets one for each call that was cancelled
}

func newScript() *script {
	return &script{first: make(chan struct{}), second: make(chan struct{}), left: make(chan struct{}, 100)}
}

func (s *script) play(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
	r.Expect(time.Minute)
	list := hello()
	for i, half := range []<-chan struct{}{s.first, s.second} {
		select {
		case <-half:
		case <-ctx.Done():
			s.left <- struct{}{}
			return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
		}
		if i == 0 {
			r.Head(bus.Head{Encoding: bus.Canonical})
		}
		for _, e := range list[3*i : 3*i+3] {
			_ = say(ctx, r, e) // whoever is gone is found out above
		}
	}
	return bus.End{Usage: &llm.Usage{Input: 3, Output: 2}}
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.jobs)
}

// A caller is a client that reads as it likes.
type caller struct {
	resp  *http.Response
	lines *bufio.Reader
	leave context.CancelFunc
}

// call sends a streaming call and waits for its first line.
func (g *rig) call(path, body string, headers ...string) *caller {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	g.t.Cleanup(cancel)
	resp, err := http.DefaultClient.Do(g.request(http.MethodPost, path, body, headers...).WithContext(ctx))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { resp.Body.Close() })
	c := &caller{resp, bufio.NewReader(resp.Body), cancel}
	if line, err := c.lines.ReadString('\n'); err != nil {
		g.t.Fatalf("got %q, %v", line, err)
	}
	return c
}

func TestTwinsGetOneAnswer(t *testing.T) {
	const twins = 64
	for _, stream := range []bool{true, false} {
		for _, w := range wires() {
			t.Run(fmt.Sprintf("%s, stream %v", w.name, stream), func(t *testing.T) {
				g, s := newRig(t, keeping()), newScript()
				g.worker("oai", s.plays(s.play))
				replies := make(chan reply, twins)
				var calls sync.WaitGroup
				for range twins {
					calls.Go(func() { replies <- g.post(w.path, ask("gpt-4o", stream), "Idempotency-Key", "one") })
				}
				eventually(t, "all twins", func() bool { return g.followers() == twins })
				close(s.first)
				close(s.second)
				calls.Wait()
				late := g.post(w.path, ask("gpt-4o", stream), "X-Idempotency-Key", "one")
				replayed := 0
				for range twins {
					got := <-replies
					if got.status != 200 || got.body != late.body {
						t.Fatalf("got %d %s, want 200 %s", got.status, got.body, late.body)
					}
					if got.header.Get("Content-Type") != late.header.Get("Content-Type") || got.header.Get("X-Allama-Provider") != "oai" {
						t.Errorf("got headers %v, want those of %v", got.header, late.header)
					}
					if got.header.Get("Idempotent-Replayed") == "true" {
						replayed++
					}
				}
				if !strings.Contains(late.body, "there") || stream && !strings.Contains(late.body, w.terminal) {
					t.Errorf("the answer is not whole: %s", late.body)
				}
				if replayed != twins-1 || late.header.Get("Idempotent-Replayed") != "true" {
					t.Errorf("%d twins say that they are replayed, want all but one", replayed)
				}
				if n := s.count(); n != 1 {
					t.Errorf("%d upstream calls, want 1", n)
				}
			})
		}
	}
}

func TestTwinThatComesLateIsStreamedToFromTheBeginning(t *testing.T) {
	g, s := newRig(t, keeping()), newScript()
	g.worker("oai", s.plays(s.play))
	close(s.first)
	first := g.call("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k")
	twin := g.call("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k") // which has the first half, too
	close(s.second)
	one, err := io.ReadAll(first.lines)
	if err != nil {
		t.Fatal(err)
	}
	other, err := io.ReadAll(twin.lines)
	if err != nil || string(one) != string(other) || !strings.Contains(string(one), "Hello") || !strings.Contains(string(one), "[DONE]") {
		t.Errorf("got %s\nand %s, %v", one, other, err)
	}
}

func TestKeyIsForOneRequestOfOneCaller(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte("alice:secret-a\nbob:secret-b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := keeping()
	cfg.KeysFile = path
	g := newRig(t, cfg)
	var rec recorder
	g.worker("oai", rec.plays(says(bus.End{}, hello()...)))
	tests := []struct {
		name, path, body, caller string
		status, runs             int
	}{
		{"the first", "/v1/chat/completions", ask("gpt-4o", false), "secret-a", 200, 1},
		{"the same", "/v1/chat/completions", ask("gpt-4o", false), "secret-a", 200, 1},
		{"the same below /api", "/api/v1/chat/completions", ask("gpt-4o", false), "secret-a", 200, 1},
		{"another body", "/v1/chat/completions", ask("gpt-4o", true), "secret-a", 422, 1},
		{"another path", "/v1/messages", ask("gpt-4o", false), "secret-a", 200, 2},
		{"another caller", "/v1/chat/completions", ask("gpt-4o", true), "secret-b", 200, 3},
		{"the first again", "/v1/chat/completions", ask("gpt-4o", false), "secret-a", 200, 3},
	}
	for _, tt := range tests {
		got := g.post(tt.path, tt.body, "Idempotency-Key", "k", "Authorization", "Bearer "+tt.caller)
		if got.status != tt.status || len(rec.jobs) != tt.runs {
			t.Errorf("%s: got %d %s after %d runs, want %d after %d", tt.name, got.status, got.body, len(rec.jobs), tt.status, tt.runs)
		}
	}
}

func TestOtherRequestIsRefusedInItsDialect(t *testing.T) {
	for _, w := range wires() {
		g := newRig(t, keeping())
		g.worker("oai", says(bus.End{}, hello()...))
		g.post(w.path, ask("gpt-4o", false), "Idempotency-Key", "k")
		got := g.post(w.path, ask("gpt-4o", true), "Idempotency-Key", "k")
		if _, message := w.errorOf(got.body); got.status != 422 || message != errOther.err.Message || got.header.Get("X-Should-Retry") != "false" {
			t.Errorf("%s: got %d %s", w.name, got.status, got.body)
		}
	}
}

func TestBoundaryOfAFormDoesNotCount(t *testing.T) {
	print := func(boundary, text string) string {
		h := http.Header{"Content-Type": {"multipart/form-data; boundary=" + boundary}}
		return printOf(speakers()[0].Routes()[0], h, []byte("--"+boundary+"\r\n"+text+"\r\n--"+boundary+"--"))
	}
	if print("one", "a") != print("other", "a") || print("one", "a") == print("one", "b") {
		t.Error("prints do not tell forms apart by what is in them")
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	g := newRig(t, keeping())
	var rec recorder
	g.worker("oai", rec.plays(says(bus.End{}, hello()...)))
	tests := []struct {
		name    string
		headers []string
		want    int
	}{
		{"the longest", []string{"Idempotency-Key", strings.Repeat("k", 255)}, 200},
		{"both headers", []string{"Idempotency-Key", "a", "X-Idempotency-Key", "a"}, 200},
		{"too long", []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400},
		{"empty", []string{"Idempotency-Key", ""}, 400},
		{"not ASCII", []string{"Idempotency-Key", "schlüssel"}, 400},
		{"two", []string{"Idempotency-Key", "a", "X-Idempotency-Key", "b"}, 400},
	}
	for _, tt := range tests {
		if got := g.post("/v1/chat/completions", ask("gpt-4o", false), tt.headers...); got.status != tt.want {
			t.Errorf("%s: got %d %s, want %d", tt.name, got.status, got.body, tt.want)
		}
	}
	if len(rec.jobs) != 2 {
		t.Errorf("%d calls were run, want 2", len(rec.jobs))
	}
}

func TestKeysAreIgnoredWhereNothingIsKept(t *testing.T) {
	g := newRig(t, nil)
	var rec recorder
	g.worker("oai", rec.plays(says(bus.End{}, hello()...)))
	for range 2 {
		if got := g.post("/v1/chat/completions", ask("gpt-4o", false), "Idempotency-Key", "k"); got.status != 200 || got.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("got %d %v", got.status, got.header)
		}
	}
	if len(rec.jobs) != 2 {
		t.Errorf("%d calls were run, want 2", len(rec.jobs))
	}
}

func TestOnlyWhatLastsIsKept(t *testing.T) {
	tests := []struct {
		name    string
		handler bus.Handler
		stream  bool
		runs    int
	}{
		{"a refusal of the request", fails(&llm.Error{Code: llm.CodeInvalid, Message: "no"}), false, 1},
		{"a conversation that is too long", fails(&llm.Error{Code: llm.CodeContextLength, Message: "no"}), true, 1},
		{"a rate limit", fails(&llm.Error{Code: llm.CodeRateLimited, Message: "slow", RetryAfter: time.Hour}), false, 2},
		{"a failure of the upstream", fails(&llm.Error{Code: llm.CodeUpstreamAuth, Message: "broken"}), false, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, keeping())
			var rec recorder
			g.worker("oai", rec.plays(tt.handler))
			one := g.post("/v1/chat/completions", ask("gpt-4o", tt.stream), "Idempotency-Key", "k", "X-Allama-Fallback", "off")
			other := g.post("/v1/chat/completions", ask("gpt-4o", tt.stream), "Idempotency-Key", "k", "X-Allama-Fallback", "off")
			if len(rec.jobs) != tt.runs || one.status != other.status || (other.header.Get("Idempotent-Replayed") == "true") != (tt.runs == 1) {
				t.Errorf("%d runs for %d %s and %d %s, want %d", len(rec.jobs), one.status, one.body, other.status, other.body, tt.runs)
			}
			if tt.runs == 1 && one.body != other.body {
				t.Errorf("got %s, then %s", one.body, other.body)
			}
		})
	}
}

func TestStreamThatIsCutRunsAnew(t *testing.T) {
	g := newRig(t, keeping())
	var rec recorder
	cut := make(chan struct{})
	g.worker("oai", rec.plays(func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{Encoding: bus.Canonical})
		_ = say(ctx, r, hello()[:3]...)
		<-cut
		return bus.End{Error: &llm.Error{Code: llm.CodeInterrupted, Message: "it is cut"}}
	}))
	c := g.call("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k")
	cut <- struct{}{}
	if rest, err := io.ReadAll(c.lines); err != nil || !strings.Contains(string(rest), "it is cut") {
		t.Errorf("got %s, %v", rest, err)
	}
	c = g.call("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k")
	close(cut)
	if len(rec.jobs) != 2 || c.resp.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("%d runs, %v, want 2", len(rec.jobs), c.resp.Header)
	}
}

func TestTwinsOfAFailureGetTheSame(t *testing.T) {
	g := newRig(t, keeping())
	var rec recorder
	release := make(chan struct{})
	g.worker("oai", rec.plays(func(context.Context, *bus.Job, *bus.Reply) bus.End {
		<-release
		return bus.End{Error: &llm.Error{Code: llm.CodeUpstreamAuth, Message: "broken"}}
	}))
	replies := make(chan reply, 8)
	for range 8 {
		go func() { replies <- g.post("/v1/messages", ask("gpt-4o", false), "Idempotency-Key", "k") }()
	}
	eventually(t, "all twins", func() bool { return g.followers() == 8 })
	close(release)
	first := <-replies
	for range 7 {
		if got := <-replies; got.status != first.status || got.status < 500 || got.body != first.body {
			t.Errorf("got %d %s and %d %s", first.status, first.body, got.status, got.body)
		}
	}
	if len(rec.jobs) != 1 {
		t.Errorf("%d upstream calls, want 1", len(rec.jobs))
	}
}

func TestFirstClientLeavesItsTwins(t *testing.T) {
	g, s := newRig(t, keeping()), newScript()
	g.worker("oai", s.plays(s.play))
	close(s.first)
	first := g.call("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k")
	twin := g.call("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k")
	first.leave()
	eventually(t, "that the first has left", func() bool { return g.followers() == 1 })
	close(s.second)
	if rest, err := io.ReadAll(twin.lines); err != nil || !strings.Contains(string(rest), "[DONE]") {
		t.Errorf("the twin got %s, %v", rest, err)
	}
	if n := s.count(); n != 1 {
		t.Errorf("%d upstream calls, want 1", n)
	}
}

func TestCallEndsWithItsLastClient(t *testing.T) {
	g, s := newRig(t, keeping()), newScript()
	g.worker("oai", s.plays(s.play))
	close(s.first)
	for range 2 {
		callers := []*caller{
			g.call("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k"),
			g.call("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k"),
		}
		for _, c := range callers {
			c.leave()
		}
		within(t, patience, "the end of the upstream call", s.left)
	}
	if n := s.count(); n != 2 {
		t.Errorf("%d upstream calls, want 2: what is cancelled runs anew", n)
	}
	eventually(t, "the lines of the log", func() bool { return len(g.log.lines("call")) == 2 })
	for _, line := range g.log.lines("call") {
		if line["status"] != 499.0 {
			t.Errorf("the log says %v", line)
		}
	}
}

func TestAnswerThatIsTooLargeIsGivenOnce(t *testing.T) {
	g := newRig(t, keeping())
	var rec recorder
	const pieces, size = 36, 256 << 10
	g.worker("oai", rec.plays(func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{})
		piece := []byte("data: {\"choices\":[{\"delta\":{\"content\":\"" + strings.Repeat("x", size) + "\"}}]}\n\n")
		for range pieces {
			if r.Data(ctx, piece) != nil || r.Flush(ctx) != nil {
				return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
			}
		}
		_ = r.Data(ctx, []byte("data: [DONE]\n\n"))
		_ = r.Flush(ctx)
		return bus.End{}
	}))
	if got := g.post("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k"); got.status != 200 || len(got.body) < pieces*size || !strings.HasSuffix(got.body, "[DONE]\n\n") {
		t.Errorf("got %d with %d bytes, want all", got.status, len(got.body))
	}
	got := g.post("/v1/chat/completions", ask("gpt-4o", true), "Idempotency-Key", "k")
	if got.status != 409 || !strings.Contains(got.body, "too large") || len(rec.jobs) != 1 {
		t.Errorf("got %d %s after %d runs, want 409 after 1", got.status, got.body, len(rec.jobs))
	}
	if held := g.server.errands.held; held != recordSize {
		t.Errorf("%d bytes are held, want %d", held, recordSize)
	}
}
