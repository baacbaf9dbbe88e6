package ollama

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

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
