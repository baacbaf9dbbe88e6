package ingress

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/metrics"
)

// timing is the bus in a hurry.
var timing = bus.Timing{
	Heartbeat: 100 * time.Millisecond, Probe: 100 * time.Millisecond, Lost: 400 * time.Millisecond,
	OwnerLost: time.Second, Hello: 300 * time.Millisecond, Publish: 500 * time.Millisecond, Outage: time.Second,
	Presence: 50 * time.Millisecond, Absent: 400 * time.Millisecond, Linger: time.Second,
}

const patience = 10 * time.Second

// A rig is a server on a real bus, with workers that play what a test says.
type rig struct {
	t       *testing.T
	server  *Server
	url     string
	log     *logLines
	connect func() *nats.Conn // to the bus
	outage  func()            // ends the bus
}

// providers has one provider of each dialect, and one that nobody serves.
func providers() []catalog.Provider {
	return []catalog.Provider{
		{Name: "oai", Dialect: "openai", BaseURL: "https://api.example.com/v1"},
		{Name: "claude", Dialect: "anthropic"},
		{Name: "llama", Dialect: "ollama"},
		{Name: "void", Dialect: "openai"},
	}
}

func models() []catalog.Model {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 3, 4, 5, 0, time.UTC) }
	return []catalog.Model{
		{Provider: "oai", ID: "gpt-4o", Created: day(2), OwnedBy: "system", ContextLength: 128_000, Facts: llm.Facts{MaxOutput: 16_384}},
		{Provider: "oai", ID: "acme/text-embed", Kind: "embedding", Created: day(4)},
		{Provider: "claude", ID: "claude-x", DisplayName: "Claude X", Created: day(3)},
		{Provider: "llama", ID: "tiny:latest", Modified: day(5), Capabilities: []string{"completion", "tools"}, ContextLength: 4096,
			Details: catalog.Details{Digest: strings.Repeat("ab", 32), Size: 77, Format: "gguf", Family: "llama", ParameterSize: "1B", Quantization: "Q4"}},
		{Provider: "void", ID: "nobody-has-me"},
	}
}

// newRig returns a rig. The configuration may be nil.
func newRig(t *testing.T, cfg *Config) *rig {
	t.Helper()
	if cfg == nil {
		cfg = &Config{}
	}
	g := &rig{t: t, log: &logLines{}}
	s := bustest.Start(t, time.Second, "oai", "claude", "llama", "void")
	g.connect = func() *nats.Conn { return bustest.Connect(t, s) }
	g.outage = func() { s.Shutdown(); s.WaitForShutdown() }
	nc := g.connect()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bus.BucketCatalog, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	if err := catalog.Publish(t.Context(), js, catalog.Snapshot{Revision: 1, Providers: providers(), Models: models()}); err != nil {
		t.Fatal(err)
	}
	owner, err := bus.NewOwner(nc, bus.OwnerOptions{Timing: timing})
	if err != nil {
		t.Fatal(err)
	}
	view := catalog.NewView(js, nil)
	log := slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if g.server, err = New(*cfg, Parts{Owner: owner, Catalog: view, Logger: log, Metrics: metrics.New(metrics.Build{}, nil)}); err != nil {
		t.Fatal(err)
	}
	g.background(owner.Run)
	g.background(view.Run)
	<-view.Ready()
	web := httptest.NewUnstartedServer(g.server.Handler())
	web.Listener, web.Config.ConnContext = listener{web.Listener}, withConn
	web.Start()
	t.Cleanup(web.Close)
	g.url = web.URL
	return g
}

// background runs a part until the test ends, and waits for it.
func (g *rig) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil {
			g.t.Errorf("a part failed: %v", err)
		}
	}()
	g.t.Cleanup(func() { cancel(); <-done })
}

// worker starts a worker of a provider, and returns its connection once the
// server knows of it.
func (g *rig) worker(provider string, h bus.Handler) *nats.Conn {
	g.t.Helper()
	before := g.server.owner.Workers(provider)
	nc := g.connect()
	w, err := bus.NewWorker(nc, provider, bus.WorkerOptions{Timing: timing, Grace: time.Second}, h)
	if err != nil {
		g.t.Fatal(err)
	}
	g.background(w.Run)
	eventually(g.t, "a worker of "+provider, func() bool { return g.server.owner.Workers(provider) > before })
	return nc
}

// A recorder plays an answer and keeps the jobs.
type recorder struct {
	mu   sync.Mutex
	jobs []bus.Job
}

func (c *recorder) plays(h bus.Handler) bus.Handler {
	return func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		c.mu.Lock()
		c.jobs = append(c.jobs, *j)
		c.mu.Unlock()
		return h(ctx, j, r)
	}
}

func (c *recorder) last(t *testing.T) bus.Job {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.jobs) == 0 {
		t.Fatal("no job came")
	}
	return c.jobs[len(c.jobs)-1]
}

// frames plays a native answer, one flush for each piece.
func frames(head bus.Head, end bus.End, pieces ...string) bus.Handler {
	return func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(head)
		for _, p := range pieces {
			if r.Data(ctx, []byte(p)) != nil || r.Flush(ctx) != nil {
				return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
			}
		}
		return end
	}
}

// says plays a canonical answer, one flush for each event.
func says(end bus.End, list ...llm.Event) bus.Handler {
	return func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{})
		for _, e := range list {
			if say(ctx, r, e) != nil {
				return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
			}
		}
		return end
	}
}

func say(ctx context.Context, r *bus.Reply, list ...llm.Event) error {
	var lines []byte
	for _, e := range list {
		var err error
		if lines, err = llm.AppendEvent(lines, e); err != nil {
			return err
		}
	}
	if err := r.Data(ctx, lines); err != nil {
		return err
	}
	return r.Flush(ctx)
}

// hello are the events of an answer that says "Hello there".
func hello() []llm.Event {
	return []llm.Event{
		llm.Start{ID: "answer_1", Model: "m"}, llm.BlockStart{Block: llm.Text{}},
		llm.Delta{Text: "Hello"}, llm.Delta{Text: " there"}, llm.BlockEnd{},
		llm.Finish{Reason: llm.FinishStop, Usage: &llm.Usage{Input: 3, Output: 2}},
	}
}

// fails plays a failure before any content.
func fails(e *llm.Error) bus.Handler {
	return func(context.Context, *bus.Job, *bus.Reply) bus.End { return bus.End{Error: e} }
}

// hangs plays an upstream that does not answer; entered and left are closed.
func hangs(entered, left chan struct{}) bus.Handler {
	return func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Expect(time.Minute)
		close(entered)
		<-ctx.Done()
		close(left)
		return bus.End{Error: &llm.Error{Code: llm.CodeCanceled, Message: "canceled"}}
	}
}

// A reply is what a client got.
type reply struct {
	status int
	header http.Header
	body   string
}

func (g *rig) do(r *http.Request) reply {
	g.t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatalf("read the body after %q: %v", body, err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

func (g *rig) request(method, path, body string, headers ...string) *http.Request {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func (g *rig) post(path, body string, headers ...string) reply {
	g.t.Helper()
	return g.do(g.request(http.MethodPost, path, body, headers...))
}

func (g *rig) get(path string, headers ...string) reply {
	g.t.Helper()
	return g.do(g.request(http.MethodGet, path, "", headers...))
}

// A wire is a dialect as a test speaks it.
type wire struct {
	name, path string
	model      string // of the provider that speaks the same dialect
	terminal   string // what only whole streams have
	errorOf    func(body string) (kind, message string)
}

func wires() []wire {
	return []wire{
		{"openai", "/v1/chat/completions", "gpt-4o", "[DONE]", func(body string) (string, string) {
			var e struct {
				Error struct{ Message, Type, Code string }
			}
			_ = json.Unmarshal([]byte(body), &e)
			if e.Error.Code != "" {
				return e.Error.Code, e.Error.Message
			}
			return e.Error.Type, e.Error.Message
		}},
		{"anthropic", "/v1/messages", "claude-x", "message_stop", func(body string) (string, string) {
			var e struct {
				Type  string
				Error struct{ Message, Type string }
			}
			_ = json.Unmarshal([]byte(body), &e)
			if e.Type != "error" {
				return "", ""
			}
			return e.Error.Type, e.Error.Message
		}},
		{"ollama", "/api/chat", "tiny", `"done":true`, func(body string) (string, string) {
			var e struct{ Error string }
			_ = json.Unmarshal([]byte(body), &e)
			return "", e.Error
		}},
	}
}

// ask is the body of a small request in any dialect.
func ask(model string, stream bool) string {
	body, err := json.Marshal(struct {
		Model     string              `json:"model"`
		Stream    bool                `json:"stream"`
		MaxTokens int                 `json:"max_tokens"`
		Messages  []map[string]string `json:"messages"`
	}{model, stream, 10, []map[string]string{{"role": "user", "content": "Hi"}}})
	if err != nil {
		panic(err)
	}
	return string(body)
}

// logLines collects what is logged.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logLines) lines(message string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []map[string]any
	for line := range bytes.Lines(l.text.Bytes()) {
		var m map[string]any
		if json.Unmarshal(line, &m) == nil && m["msg"] == message {
			found = append(found, m)
		}
	}
	return found
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// within waits for a channel to be closed.
func within(t *testing.T, d time.Duration, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(d):
		t.Fatalf("not within %v: %s", d, what)
	}
}
