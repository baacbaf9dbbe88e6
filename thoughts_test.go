package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A talk is a conversation of a forgetful client.
type talk struct {
	forgetful
	stack    *stack
	model    string
	key      string
	stream   bool
	messages []string
	header   http.Header // of the last answer
}

func newTalk(s *stack, f forgetful, key string, stream bool) *talk {
	question := fmt.Sprintf(`{"role":"user","content":"How is it, %s, %t?"}`, f.name, stream)
	return &talk{forgetful: f, stack: s, model: "claude/" + thinkerModel, key: key, stream: stream, messages: []string{question}}
}

// next asks, and answers the calls that come back.
func (k *talk) next(t *testing.T) assistantTurn {
	t.Helper()
	body := fmt.Sprintf(`{"model":%q,"stream":%t,%q:[%s]%s}`, k.model, k.stream, k.list, strings.Join(k.messages, ","), k.fields)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, k.stack.url+k.path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+k.key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s, stream %t: status %d, error %v: %s", k.name, k.stream, response.StatusCode, err, data)
	}
	k.header = response.Header
	var a assistantTurn
	if k.stream {
		a, err = k.fold(bytes.NewReader(data))
	} else {
		a, err = k.turn(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(a.calls) > 0 {
		k.messages = append(k.messages, k.echo(a)...)
		for _, c := range a.calls {
			k.messages = append(k.messages, k.result(c))
		}
	}
	return a
}

// calls asks, and expects two calls.
func (k *talk) calls(t *testing.T) {
	t.Helper()
	if a := k.next(t); len(a.calls) != 2 {
		t.Fatalf("%s, stream %t: got %+v want two calls", k.name, k.stream, a)
	}
}

// hears asks, and expects a text.
func (k *talk) hears(t *testing.T, want, dropped string) {
	t.Helper()
	if a := k.next(t); a.text != want || k.header.Get("X-Allama-Dropped") != dropped {
		t.Errorf("%s, stream %t: got %+v and dropped %q, want %q and dropped %q", k.name, k.stream, a, k.header.Get("X-Allama-Dropped"), want, dropped)
	}
}

const (
	knowsAll  = "I know it all"
	knowsLess = "I have lost messages.1.content.0.type"
)

// keysFile gives the program two clients.
func keysFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte("alice:ka\nbob:kb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "ALLAMA_KEYS_FILE=" + path
}

// waitModel waits until a client can call a model.
func (s *stack) waitModel(t *testing.T, key, model string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(20 * time.Millisecond) {
		if s.has(key, "/readyz") && s.has(key, "/v1/models/"+strings.Replace(model, "/", "%2F", 1)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("there is no %s after 30s", model)
		}
	}
}

func (s *stack) has(key, path string) bool {
	request, err := http.NewRequest(http.MethodGet, s.url+path, nil)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// Clients that send back no more than tool calls keep the model's train of
// thought all the same; but it is theirs alone, and that model's.
func TestThoughtsOfForgetfulClients(t *testing.T) {
	t.Parallel()
	th := newThinker(t)
	s := newStack(t)
	s.run(t, "serve", append(th.env(), "CLAUDE_API_KEY=sk-canary", "IS_OLLAMA_ACTIVE=false", keysFile(t), "PORT="+s.port())...)
	s.waitModel(t, "ka", "claude/"+thinkerModel)
	for _, f := range forgetfuls {
		for _, stream := range []bool{false, true} {
			mine := newTalk(s, f, "ka", stream)
			mine.calls(t)
			other, foreign := *mine, *mine
			mine.calls(t)
			mine.hears(t, knowsAll, "")

			other.model = "claude/" + otherThinker
			other.hears(t, knowsLess, f.asks)
			foreign.key = "kb"
			foreign.hears(t, knowsLess, f.asks)
		}
	}
	if strings.Contains(s.log.String(), "thoughts") {
		t.Errorf("it said\n%s", s.log)
	}
}

// The workers of a provider share what its models thought.
func TestThoughtsOutliveTheirWorker(t *testing.T) {
	t.Parallel()
	th := newThinker(t)
	s := newStack(t)
	bus := freeAddress(t)
	env := append(th.env(), "IS_OLLAMA_ACTIVE=false", "NATS_URL=nats://"+bus)
	s.run(t, "broker", append(th.env(), "IS_OLLAMA_ACTIVE=false", "CLAUDE_API_KEY=sk-canary", "ALLAMA_NATS_LISTEN="+bus)...)
	s.run(t, "sync", append(env, "CLAUDE_API_KEY=sk-canary")...)
	workers := map[string]*child{}
	for _, key := range []string{"sk-canary-1", "sk-canary-2"} {
		workers[key] = s.runIn(t, t.TempDir(), "worker", append(env, "CLAUDE_API_KEY="+key)...)
	}
	s.run(t, "ingress", append(env, "PORT="+s.port())...)
	s.waitModel(t, "", "claude/"+thinkerModel)

	var talks []*talk
	for _, f := range forgetfuls {
		for _, stream := range []bool{false, true} {
			k := newTalk(s, f, "", stream)
			k.calls(t)
			talks = append(talks, k)
		}
	}
	last := th.lastKey()
	workers[last].signal(syscall.SIGKILL)
	<-workers[last].exited
	for _, k := range talks {
		k.calls(t)
		if th.lastKey() == last {
			t.Error("the call went to the worker that was killed")
		}
		k.hears(t, knowsAll, "")
	}
}
