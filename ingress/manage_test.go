package ingress

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
)

const (
	pulling = `{"status":"pulling manifest"}` + "\n"
	success = `{"status":"success"}` + "\n"
	ndjson  = "application/x-ndjson"
	asJSON  = "application/json; charset=utf-8"
)

func TestChangesBecomeJobs(t *testing.T) {
	tests := []struct {
		name, method, path, body string
		operation, model, sent   string // the job
	}{
		{"a model that nobody has", "POST", "/api/pull", `{"model":"new:7b","insecure":true}`, "pull", "new:7b", `{"stream":true,"model":"new:7b","insecure":true}`},
		{"a model that others offer", "POST", "/api/pull", `{"model":"gpt-4o"}`, "pull", "gpt-4o", `{"stream":true,"model":"gpt-4o"}`},
		{"by the old field", "POST", "/api/pull", `{"name":"new"}`, "pull", "new", `{"stream":true,"name":"new"}`},
		{"by both fields", "POST", "/api/pull", `{"model":"llama/new","name":"x"}`, "pull", "new", `{"stream":true,"model":"new","name":"new"}`},
		{"with the provider in front", "POST", "/api/pull", `{"model":"llama/me/new","stream":false}`, "pull", "me/new", `{"model":"me/new","stream":true}`},
		{"from another registry", "POST", "/api/pull", `{"model":"hf.co/me/new:Q4"}`, "pull", "hf.co/me/new:Q4", `{"stream":true,"model":"hf.co/me/new:Q4"}`},
		{"pull again", "POST", "/api/pull", `{"model":"TINY","stream":null}`, "pull", "TINY", `{"model":"TINY","stream":true}`},
		{"push", "POST", "/api/push", `{"name":"llama/me/new"}`, "push", "me/new", `{"stream":true,"name":"me/new"}`},
		{"create", "POST", "/api/create", `{"model":"llama/new","from":"llama/tiny","system":"Hi"}`, "create", "new", `{"stream":true,"model":"new","from":"tiny","system":"Hi"}`},
		{"create of files", "POST", "/api/create", `{"model":"new","files":{"a.gguf":"sha256:00"}}`, "create", "new", `{"stream":true,"model":"new","files":{"a.gguf":"sha256:00"}}`},
		{"copy", "POST", "/api/copy", `{"source":"llama/tiny","destination":"llama/mine"}`, "copy", "tiny", `{"source":"tiny","destination":"mine"}`},
		{"copy to a name that another provider has", "POST", "/api/copy", `{"source":"tiny:latest","destination":"gpt-4o"}`, "copy", "tiny:latest", `{"source":"tiny:latest","destination":"gpt-4o"}`},
		{"delete", "DELETE", "/api/delete", `{"name":"llama/tiny:latest"}`, "delete", "tiny:latest", `{"name":"tiny:latest"}`},
	}
	g := newRig(t, nil)
	var rec recorder
	g.worker("llama", rec.plays(func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		if j.Stream {
			return frames(bus.Head{ContentType: ndjson}, bus.End{}, pulling, success)(ctx, j, r)
		}
		return frames(bus.Head{Whole: true}, bus.End{})(ctx, j, r)
	}))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := g.do(g.request(tt.method, tt.path, tt.body, "Content-Type", "text/plain"))
			j := rec.last(t)
			if j.Operation != tt.operation || j.Model != tt.model || string(j.Body) != tt.sent || j.Task != llm.TaskManage || j.Encoding != bus.Native || j.Dialect != "ollama" {
				t.Errorf("got the job %+v with %s want %s of %s with %s", j, j.Body, tt.operation, tt.model, tt.sent)
			}
			if j.Method != tt.method || j.Stream != j.Deadline.IsZero() {
				t.Errorf("got a job by %q, stream %t, deadline %v", j.Method, j.Stream, j.Deadline)
			}
			want, contentType := pulling+success, ndjson
			switch {
			case !j.Stream:
				want, contentType = "", ""
			case strings.Contains(tt.body, `"stream":false`):
				want, contentType = strings.TrimSpace(success), asJSON
			}
			if got.status != 200 || got.body != want || got.header.Get("Content-Type") != contentType || got.header.Get("X-Allama-Provider") != "llama" {
				t.Errorf("got %+v want %q", got, want)
			}
		})
	}
}

// A change ends well only with the line that says so.
func TestProgressThatFails(t *testing.T) {
	refused := &llm.Error{Code: llm.CodeUpstream, Message: "pull model manifest: file does not exist"}
	cut := &llm.Error{Code: llm.CodeInterrupted, Message: "stream interrupted: the connection to the upstream broke"}
	tests := []struct {
		name   string
		err    *llm.Error
		pieces []string
		stream bool
		status int
		want   string
	}{
		{"at once", refused, nil, true, 500, `{"error":"pull model manifest: file does not exist"}`},
		{"at once, not streamed", refused, nil, false, 500, `{"error":"pull model manifest: file does not exist"}`},
		{"after a line", refused, []string{pulling}, true, 200, pulling + `{"error":"pull model manifest: file does not exist"}` + "\n"},
		{"after a line, not streamed", refused, []string{pulling}, false, 500, `{"error":"pull model manifest: file does not exist"}`},
		{"cut", cut, []string{pulling}, true, 200, pulling + `{"error":"stream interrupted: the connection to the upstream broke"}` + "\n"},
		{"cut, not streamed", cut, []string{pulling}, false, 502, `{"error":"stream interrupted: the connection to the upstream broke"}`},
		{"by the upstream's status", &llm.Error{Code: llm.CodeInvalid, Status: 400, Body: []byte(`{"error":"no"}`)}, nil, true, 400, `{"error":"no"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, nil)
			seen := make(chan struct{})
			g.worker("llama", func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
				frames(bus.Head{ContentType: ndjson}, bus.End{}, tt.pieces...)(ctx, j, r)
				if tt.status == 200 {
					<-seen // what the client has not got yet does not count
				}
				return bus.End{Error: tt.err}
			})
			response, err := http.DefaultClient.Do(g.request(http.MethodPost, "/api/pull", fmt.Sprintf(`{"model":"new","stream":%t}`, tt.stream)))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			close(seen)
			if got, err := io.ReadAll(response.Body); response.StatusCode != tt.status || string(got) != tt.want || err != nil {
				t.Errorf("got %d %q, %v want %d %q", response.StatusCode, got, err, tt.status, tt.want)
			}
		})
	}
}

func TestChangesThatAreRefused(t *testing.T) {
	g := newRig(t, nil)
	g.server.seeker.wait = 10 * time.Millisecond
	var rec recorder
	g.worker("llama", rec.plays(frames(bus.Head{ContentType: ndjson}, bus.End{}, success)))
	const only = "only models of an ollama provider can"
	tests := []struct {
		path, body string
		status     int
		want       string
	}{
		{"/api/pull", `{"model":""}`, 400, "invalid model name"},
		{"/api/pull", `{"model":"a b"}`, 400, "invalid model name"},
		{"/api/pull", `{"model":"llama/"}`, 400, "invalid model name"},
		{"/api/pull", `{"model":"` + strings.Repeat("a", 2000) + `"}`, 400, "invalid model name"},
		{"/api/pull", `{"model":"claude/new"}`, 400, "model 'claude/new' of provider claude cannot be pulled: " + only},
		{"/api/pull", ` `, 400, "missing request body"},
		{"/api/pull", `{"model":1}`, 400, "model must be a string"},
		{"/api/pull", `{"model":"a","Model":"b"}`, 400, `field "Model" must be written "model"`},
		{"/api/push", `{}`, 400, "model is required"},
		{"/api/push", `{"model":"gpt-4o"}`, 400, "model 'gpt-4o' of provider oai cannot be pushed: " + only},
		{"/api/push", `{"model":"//"}`, 400, "invalid model name"},
		{"/api/create", `{"model":"-"}`, 400, "invalid model name"},
		{"/api/create", `{"model":"gpt-4o","from":"tiny"}`, 400, "model 'gpt-4o' of provider oai cannot be created: " + only},
		{"/api/create", `{"model":"new","from":"gpt-4o"}`, 400, "model 'gpt-4o' of provider oai cannot be built upon: " + only},
		{"/api/copy", `{"source":"nope","destination":"x"}`, 404, `model "nope" not found`},
		{"/api/copy", `{"source":"","destination":"x"}`, 400, `source "" is invalid`},
		{"/api/copy", `{"source":"tiny","destination":"x y"}`, 400, `destination "x y" is invalid`},
		{"/api/copy", `{"source":"tiny","destination":"oai/x"}`, 400, "model 'tiny' is at provider llama and cannot be copied to another"},
		{"/api/copy", `{"source":"claude-x","destination":"x"}`, 400, "model 'claude-x' of provider claude cannot be copied: " + only},
		{"/api/delete", `{"model":"nope"}`, 404, "model 'nope' not found"},
		{"/api/delete", `{"model":"llama/nope"}`, 404, "model 'llama/nope' not found"},
		{"/api/delete", `{"model":""}`, 400, "invalid model name"},
		{"/api/delete", `{"model":"oai/gpt-4o"}`, 400, "model 'oai/gpt-4o' of provider oai cannot be deleted: " + only},
		{"/api/signout", ``, 401, "you are not currently signed in"},
		{"/api/user/keys/abc", ``, 401, "you are not currently signed in"},
	}
	for _, tt := range tests {
		method := http.MethodPost
		if strings.Contains(tt.path, "delete") || strings.Contains(tt.path, "keys") {
			method = http.MethodDelete
		}
		got := g.do(g.request(method, tt.path, tt.body))
		if _, message := wires()[2].errorOf(got.body); got.status != tt.status || message != tt.want {
			t.Errorf("%s %s: got %d %s want %d %s", tt.path, tt.body, got.status, got.body, tt.status, tt.want)
		}
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.jobs) > 0 {
		t.Errorf("got the jobs %+v want none", rec.jobs)
	}
}

// What others offer need not be pulled.
func TestPullOfWhatIsThere(t *testing.T) {
	g := newRig(t, nil)
	for _, model := range []string{"oai/gpt-4o", "oai/gpt-4o:latest", "claude/claude-x"} {
		if got := g.post("/api/pull", `{"model":"`+model+`"}`); got.status != 200 || got.body != success || got.header.Get("Content-Type") != ndjson {
			t.Errorf("%s: got %+v", model, got)
		}
		if got := g.post("/api/pull", `{"model":"`+model+`","stream":false}`); got.status != 200 || got.body+"\n" != success || got.header.Get("Content-Type") != asJSON {
			t.Errorf("%s, not streamed: got %+v", model, got)
		}
	}
}

// Whoever changes the models sees the change in the next list.
func TestChangesAreKnownWhenTheyEnd(t *testing.T) {
	g := newRig(t, nil)
	nc := g.connect()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan catalog.RefreshRequest, 1)
	sub, err := catalog.ServeRefreshes(nc, func(r catalog.RefreshRequest, reply func(catalog.Refreshed)) {
		asked <- r
		s := catalog.Snapshot{Revision: 2, Providers: providers(), Models: append(models(), catalog.Model{Provider: "llama", ID: "new:latest"})}
		if err := catalog.Publish(context.Background(), js, s); err != nil {
			t.Error(err)
		}
		reply(catalog.Refreshed{Revision: 2})
	})
	if err != nil || nc.Flush() != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection ends, too
	g.worker("llama", frames(bus.Head{ContentType: ndjson}, bus.End{}, pulling, success))
	if got := g.post("/api/pull", `{"model":"new"}`); got.body != pulling+success {
		t.Errorf("got %+v", got)
	}
	if got := <-asked; got.Provider != "llama" || got.Gone != "" {
		t.Errorf("got the request %+v", got)
	}
	if got := g.get("/api/tags"); !strings.Contains(got.body, "new:latest") {
		t.Errorf("the list after the change is %s", got.body)
	}
	g.do(g.request(http.MethodDelete, "/api/delete", `{"model":"llama/TINY"}`))
	if got := <-asked; got.Provider != "llama" || got.Gone != "tiny:latest" {
		t.Errorf("after a deletion: got the request %+v", got)
	}
}

func TestALeavingClientEndsItsPull(t *testing.T) {
	g := newRig(t, nil)
	entered, left := make(chan struct{}), make(chan struct{})
	g.worker("llama", hangs(entered, left))
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		response, err := http.DefaultClient.Do(g.request(http.MethodPost, "/api/pull", `{"model":"new"}`).WithContext(ctx))
		if err == nil {
			response.Body.Close()
		}
	}()
	within(t, patience, "a job", entered)
	leave()
	within(t, time.Second, "the job's end", left)
}

// Other programs take an Ollama's place, and may know no more than its chats.
func TestWhatPassesForAnOllama(t *testing.T) {
	g := newRig(t, nil)
	g.worker("llama", fails(&llm.Error{Code: llm.CodeModelNotFound, Message: "404 page not found"}))
	for _, path := range []string{"/api/pull", "/api/copy"} {
		got := g.post(path, `{"model":"tiny","source":"tiny","destination":"x"}`)
		if want := `{"error":"the provider does not let its models be managed"}`; got.status != 502 || got.body != want {
			t.Errorf("%s: got %d %s want %s", path, got.status, got.body, want)
		}
	}
}

// Of the words of an Ollama that knows better than the catalog only those that
// clients look for are changed.
func TestModelsThatAreGone(t *testing.T) {
	g := newRig(t, nil)
	g.worker("llama", fails(&llm.Error{Code: llm.CodeModelNotFound, Status: 404, Body: []byte(`{"error":"model: nope"}`)}))
	for path, want := range map[string]string{"/api/copy": `{"error":"model \"tiny\" not found"}`, "/api/push": `{"error":"model: nope"}`} {
		if got := g.post(path, `{"model":"tiny","source":"tiny","destination":"x"}`); got.status != 404 || got.body != want {
			t.Errorf("%s: got %d %s want %s", path, got.status, got.body, want)
		}
	}
	got := g.do(g.request(http.MethodDelete, "/api/delete", `{"model":"tiny"}`))
	if want := `{"error":"model 'tiny' not found"}`; got.status != 404 || got.body != want {
		t.Errorf("got %d %s want %s", got.status, got.body, want)
	}
}

func TestOnlyAdminsChangeModels(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("root:canary-root [admin]\nuser:canary-user\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := newRig(t, &Config{KeysFile: file})
	g.worker("llama", frames(bus.Head{Whole: true}, bus.End{}))
	digest := "/api/blobs/" + digestOf("GGUF")
	calls := []struct {
		method, path, body string
		change             bool
	}{
		{"POST", "/api/copy", `{"source":"tiny","destination":"x"}`, true},
		{"DELETE", "/api/delete", `{"model":"tiny"}`, true},
		{"POST", digest, "GGUF", true},
		{"HEAD", digest, "", false},
		{"GET", "/api/tags", "", false},
	}
	for _, c := range calls {
		for key, allowed := range map[string]bool{"canary-root": true, "canary-user": !c.change} {
			got := g.do(g.request(c.method, c.path, c.body, "Authorization", "Bearer "+key))
			if want := map[bool]int{true: 200, false: 403}[allowed]; got.status != want {
				t.Errorf("%s %s with %s: got %d %s want %d", c.method, c.path, key, got.status, got.body, want)
			}
		}
	}
}

// A deletion that is made twice, for its worker was lost, has nothing to delete
// the second time: that is no failure.
func TestADeletionWhoseWorkerIsLost(t *testing.T) {
	g := newRig(t, nil)
	lost := g.diesAs("llama", bus.Head{Whole: true})
	answered := make(chan reply, 1)
	go func() { answered <- g.do(g.request(http.MethodDelete, "/api/delete", `{"model":"tiny"}`)) }()
	within(t, patience, "the first worker's end", lost)
	g.worker("llama", fails(&llm.Error{Code: llm.CodeModelNotFound, Status: 404, Body: []byte(`{"error":"model 'tiny' not found"}`)}))
	if got := <-answered; got.status != 200 || got.body != "" {
		t.Errorf("got %d %s want 200 and no body", got.status, got.body)
	}
}

// Lines without anything in them are nothing to a client.
func TestProgressWithEmptyLines(t *testing.T) {
	g := newRig(t, nil)
	g.worker("llama", frames(bus.Head{ContentType: ndjson}, bus.End{}, pulling+"\n", success, "\r\n"))
	for body, want := range map[string]string{`{"model":"new"}`: pulling + success, `{"model":"new","stream":false}`: strings.TrimSpace(success)} {
		if got := g.post("/api/pull", body); got.status != 200 || got.body != want {
			t.Errorf("%s: got %d %q want %q", body, got.status, got.body, want)
		}
	}
}
