package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// newHanging returns an upstream with one model, m1, that does not answer before
// its channel is closed. It says on the other one when a caller has left.
func newHanging(t *testing.T) (url string, answer chan struct{}, left chan struct{}) {
	answer, left = make(chan struct{}), make(chan struct{}, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			fmt.Fprint(w, `{"object":"list","data":[{"id":"m1","object":"model"}]}`)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // or its end is not seen
		select {
		case <-answer:
			fmt.Fprint(w, openaiWhole("here", nil))
		case <-r.Context().Done():
			left <- struct{}{}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/v1", answer, left
}

// calls makes a call of m1 in the background, whose status and body come by the
// channel.
func (p person) calls(base, key string) <-chan string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, base+"/v1/chat/completions",
		strings.NewReader(`{"model":"openai/m1","messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	said := make(chan string, 1)
	go func() {
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			said <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		said <- fmt.Sprint(resp.StatusCode, " ", string(body))
	}()
	return said
}

// sees runs a command until it says what is wanted.
func (p person) sees(want string, args ...string) {
	p.t.Helper()
	out := ""
	for deadline := time.Now().Add(definedDue); time.Now().Before(deadline); {
		if _, out = p.runs("", args...); strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			return
		}
	}
	p.t.Fatalf("%v: it says\n%s\nwant %q", args, out, want)
}

// id is that of a call in a state.
func (p person) id(state string) string {
	p.t.Helper()
	_, out := p.runs("", "queue", "--json")
	var q shownQueue
	if err := json.Unmarshal([]byte(out), &q); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	for _, c := range q.Calls {
		if c.State == state {
			return c.ID
		}
	}
	p.t.Fatalf("no call is %s: %s", state, out)
	return ""
}

func TestTheQueueIsSeenAndSteeredFromTheCommandLine(t *testing.T) {
	t.Parallel()
	upstream, answer, left := newHanging(t)
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("boss:sk-boss [admin]\nother:sk-other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"PORT=0", "ALLAMA_KEYS_FILE=" + keys, "DATABASE_PATH=" + t.TempDir() + "/allama.db",
		"OPENAI_API_KEY=sk-up", "OPENAI_HOST=" + upstream, "OPENAI_MAX_CONCURRENCY=1"}
	start := func() (person, string, func()) {
		base, stop := serving(t, env)
		host, port, err := net.SplitHostPort(strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		p := person{t, []string{"HOST=" + host, "PORT=" + port, "ALLAMA_API_KEY=sk-boss"}}
		p.sees("m1 openai", "models")
		return p, base, stop
	}
	p, base, stop := start()
	p.sees("PROVIDER STATE WAITING QUEUED RUNNING CAP PER MIN OLDEST NEW ONES WAIT WORKERS openai open 0 0 0 1 0 - - 1", "queue")
	p.wants(exitOK, "no calls", "", "queue", "--calls")

	first := p.calls(base, "sk-other")
	p.sees("openai open 0 0 1 1 1 - - 1", "queue", "--once")
	p.sees("other default openai/m1 openai running", "queue", "--calls")
	p.wants(exitOK, "provider openai is paused", "", "queue", "pause", "openai")
	second := p.calls(base, "sk-boss")
	p.sees("openai paused 1 0 1 1 1 ", "queue")
	p.sees("boss default openai/m1 openai waiting #1", "queue", "--calls")
	p.wants(exitOK, "openai openai "+upstream+" environment 1 1 1 paused, ok", "", "providers")
	p.wants(exitError, "this key may not manage providers", "", "queue", "drain", "openai", "--key", "sk-other")
	p.wants(exitError, "there is no such call", "", "queue", "cancel", p.id("waiting"), "--key", "sk-other")

	p.wants(exitOK, "is canceled", "", "queue", "cancel", p.id("running"), "--key", "sk-other")
	select {
	case <-left:
	case <-time.After(definedDue):
		t.Error("the upstream call goes on")
	}
	if got := <-first; !strings.HasPrefix(got, "503 ") || !strings.Contains(got, "the call was canceled") {
		t.Errorf("the client of the call that was canceled got %s", got)
	}
	p.wants(exitOK, "provider openai is open", "", "queue", "resume", "openai")
	close(answer)
	if got := <-second; !strings.HasPrefix(got, "200 ") {
		t.Errorf("after the pause: got %s", got)
	}
	p.wants(exitOK, "provider openai is draining", "", "queue", "drain", "openai")
	if got := <-p.calls(base, "sk-boss"); !strings.HasPrefix(got, "503 ") || !strings.Contains(got, "takes no new requests") {
		t.Errorf("while it drains: got %s", got)
	}
	stop()

	p, base, stop = start()
	defer stop()
	p.sees("openai draining 0 0 0 ", "queue")
	if got := <-p.calls(base, "sk-boss"); !strings.HasPrefix(got, "503 ") {
		t.Errorf("after a new start: got %s", got)
	}
	p.wants(exitError, "there is no provider nobody", "", "queue", "pause", "nobody")
}

func TestWatchDrawsUntilItIsToldToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*redrawEvery+redrawEvery/2)
		defer cancel()
		var out bytes.Buffer
		n := 0
		err := watch(ctx, &out, func() int { return 4 }, func() (string, error) {
			if n++; n == 3 {
				return "", errors.New("gone\x1b[31m")
			}
			return fmt.Sprintf("drawn %d\na\nb\nc\n", n), nil
		})
		var want strings.Builder
		want.WriteString(screenOpen)
		for _, first := range []string{"drawn 1", "drawn 2", "drawn 2", "drawn 4"} {
			want.WriteString(screenHome + first + lineEnd + "a" + lineEnd + "b" + lineEnd + screenRest)
		}
		want.WriteString(screenClose + "drawn 4\na\nb\nc\n")
		if out.String() != want.String() || err != nil {
			t.Errorf("got %q, %v\nwant %q", out.String(), err, want.String())
		}
		if err := watch(t.Context(), &out, nil, func() (string, error) { return "", io.EOF }); err != io.EOF {
			t.Errorf("what fails at once is not told: %v", err)
		}
	})
}

// A line that went on in the next one would push the first ones off the screen,
// which is counted in lines.
func TestAScreenCutsWhatIsTooWide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), redrawEvery/2)
		defer cancel()
		var out bytes.Buffer
		if err := watch(ctx, &out, func() int { return 4 }, func() (string, error) { return "wide\n", nil }); err != nil {
			t.Fatal(err)
		}
		before, after, _ := strings.Cut(out.String(), "wide")
		if !strings.Contains(before, "\x1b[?7l") || !strings.Contains(after, "\x1b[?7h") {
			t.Errorf("lines are wrapped, or the shell's are not any more: %q", out.String())
		}
	})
}

func TestAQueueIsReadByPeople(t *testing.T) {
	soon := time.Now().Add(90*time.Second + 500*time.Millisecond)
	q := shownQueue{Providers: []shownRoom{
		{Name: "a", State: "open", Waiting: map[string]int{"priority": 2, "default": 3, "flex": 4}, Queued: 1, Running: 7, PerMinute: 5, Allowed: 60, Oldest: 300, Expected: 83_000, Workers: 2, Paused: &soon},
		{Name: "b", State: "draining", Cap: 4},
	}, Calls: []shownCall{{ID: "req_1", Class: "flex", Model: "m\x1b[2J", Provider: "a", State: "waiting", Position: 4, Since: time.Now().Add(-time.Hour),
		Attempts: []struct{ Error string }{{"rate_limited"}, {}}}}, More: 3}
	var out strings.Builder
	if err := q.print(&out, true); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"a asks to wait 1m30s 9, 2 priority, 4 flex 1 7 - 5 of 60 <1s 1m23s 2", "b draining, no worker 0 0 0 4 0 - - 0",
		"req_1 - flex m?[2J a waiting #4 1h0m0s 2, rate_limited and 3 more",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}
