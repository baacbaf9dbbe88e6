package providertest

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

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers"
)

// canary is the provider's key: it must be seen by the upstream, and nowhere
// else.
const canary = "sk-canary-0123456789/+=="

// hasty is the longest silence that the impatient one of the providers bears.
const hasty = 150 * time.Millisecond

// limit is how long anything may take that should take no time.
const limit = 10 * time.Second

// A rig is a kind under test: an owner of calls, a worker, and an upstream
// that plays what it is told.
type rig struct {
	transcript
	kind     string
	owner    *bus.Owner
	upstream *upstream
	log      *lockedBuffer
	config   workers.ProviderConfig
}

func newRig(t *testing.T, kind string, tr transcript) *rig {
	r := &rig{transcript: tr, kind: kind, upstream: newUpstream(t), log: &lockedBuffer{}}
	r.config = workers.ProviderConfig{Name: kind, Kind: kind, Host: r.upstream.server.URL, APIKey: canary}
	impatient := r.config
	impatient.Name, impatient.Timeout = kind+"-hasty", hasty

	server := bustest.Start(t, 6*time.Second, r.config.Name, impatient.Name)
	local := new(bus.Local)
	log := slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	worker, err := workers.New(bustest.Connect(t, server), workers.Config{
		Providers: []workers.ProviderConfig{r.config, impatient}, Local: local, Logger: log, Drain: time.Second,
	})
	if err != nil {
		t.Fatalf("new worker: %v", err)
	}
	r.owner, err = bus.NewOwner(bustest.Connect(t, server), bus.OwnerOptions{Local: local})
	if err != nil {
		t.Fatalf("new owner: %v", err)
	}
	background(t, worker.Run)
	background(t, r.owner.Run)
	return r
}

// background runs a part until the test ends.
func background(t *testing.T, run func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	var part sync.WaitGroup
	part.Go(func() {
		if err := run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		part.Wait()
	})
}

// native is a call in the upstream's own dialect.
func (r *rig) native(stream bool) bus.Job {
	return bus.Job{
		Request: bus.NewID(), Provider: r.kind, Model: "served", Encoding: bus.Native,
		Dialect: workers.Dialect(r.kind), Operation: r.operation, Stream: stream, Body: []byte(r.request),
	}
}

// canonical is a call of a client that speaks something else.
func (r *rig) canonical(stream bool) bus.Job {
	j := r.native(stream)
	j.Encoding, j.Dialect, j.Operation = bus.Canonical, "another", "another/operation"
	body, err := json.Marshal(hello(stream))
	if err != nil {
		panic(err) // a request of ours always marshals
	}
	j.Body = body
	return j
}

func hello(stream bool) *llm.Request {
	return &llm.Request{
		Model: "asked", Stream: stream, Limits: llm.Limits{MaxTokens: 50},
		Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "Hi <b>"}}}},
	}
}

// both are the call in its two encodings.
func (r *rig) both(stream bool) map[string]bus.Job {
	return map[string]bus.Job{"native": r.native(stream), "canonical": r.canonical(stream)}
}

// A result is what came of a call.
type result struct {
	head  *bus.Head // nil: none came
	data  []byte
	datas int // how many pieces the data came in
	end   bus.End
}

// call makes a call and takes the whole answer.
func (r *rig) call(t *testing.T, j bus.Job) result {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), limit)
	defer stop()
	call, err := r.owner.Call(j)
	if err != nil {
		t.Fatalf("call: %v", err)
	}
	var res result
	for b, err := range call.Batches(ctx) {
		if err != nil {
			t.Fatalf("the answer did not come to an end: %v; the last line of the log: %s", err, r.lastLine())
		}
		for _, m := range b.Messages {
			switch m := m.(type) {
			case bus.Head:
				res = result{head: &m}
			case bus.Data:
				res.data = append(res.data, m...)
				res.datas++
			case bus.End:
				res.end = m
			}
		}
	}
	return res
}

// events reads the data of a canonical answer.
func (res result) events(t *testing.T) []llm.Event {
	t.Helper()
	var events []llm.Event
	for line := range bytes.Lines(res.data) {
		e, err := llm.ParseEvent(line)
		if err != nil {
			t.Fatalf("event %s: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

// An upstream is a server that plays what it is told, and remembers what it
// was asked.
type upstream struct {
	server *httptest.Server

	mu    sync.Mutex
	play  http.HandlerFunc
	asked []request
	conns map[string]bool
}

type request struct {
	method, uri string
	header      http.Header
	body        []byte
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{conns: map[string]bool{}}
	u.server = httptest.NewServer(u)
	t.Cleanup(u.server.Close)
	return u
}

// ServeHTTP plays.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	u.mu.Lock()
	u.asked = append(u.asked, request{r.Method, r.RequestURI, r.Header.Clone(), body})
	u.conns[r.RemoteAddr] = true
	play := u.play
	u.mu.Unlock()
	play(w, r)
}

// plays sets what is played from now on, and forgets what was asked before.
func (u *upstream) plays(play http.HandlerFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.play, u.asked = play, nil
	clear(u.conns)
}

func (u *upstream) requests() []request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.asked
}

func (u *upstream) connections() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.conns)
}

// answers is a play: a status, a content type, and the pieces of a body, each
// flushed by itself.
func answers(status int, media string, pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		send(w, pieces...)
	}
}

func send(w http.ResponseWriter, pieces ...string) {
	for _, p := range pieces {
		io.WriteString(w, p)
		http.NewResponseController(w).Flush()
	}
}

// streams is the play of the transcript's stream.
func (r *rig) streams() http.HandlerFunc { return answers(http.StatusOK, r.media, r.stream...) }

func (r *rig) all() string { return strings.Join(r.stream, "") }

// A lockedBuffer is a log.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns the text.
func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
