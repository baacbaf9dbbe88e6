package providertest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
	"github.com/offbeat-studio/allama/workers"
)

func (r *rig) testRequest(t *testing.T) {
	tests := []struct{ name, body string }{
		{"of a message", r.request},
		{"over the size of a message", r.request[:len(r.request)-1] + `,"y":"` + strings.Repeat("é", 100_000) + `"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.upstream.plays(r.streams())
			j := r.native(true)
			j.Body = []byte(tt.body)
			r.call(t, j)
			got := r.asked(t)
			if string(got.body) != tt.body {
				t.Errorf("the upstream was sent\n%.300s\nwant\n%.300s", got.body, tt.body)
			}
		})
	}
}

// asked returns the one request that the upstream has seen, which must be
// addressed as it should.
func (r *rig) asked(t *testing.T) request {
	t.Helper()
	requests := r.upstream.requests()
	if len(requests) != 1 {
		t.Fatalf("the upstream was asked %d times want 1", len(requests))
	}
	got := requests[0]
	if got.method != http.MethodPost || got.uri != r.path {
		t.Errorf("the upstream was asked %s %s want POST %s", got.method, got.uri, r.path)
	}
	want := map[string]string{
		r.keyHeader: r.keyPrefix + canary, "Content-Type": "application/json",
		"Accept-Encoding": "identity", "Idempotency-Key": "", "X-Idempotency-Key": "", "Cookie": "",
	}
	for name, value := range want {
		if got.header.Get(name) != value {
			t.Errorf("header %s is %q want %q", name, got.header.Get(name), value)
		}
	}
	return got
}

func (r *rig) testCanonicalRequest(t *testing.T) {
	r.upstream.plays(r.streams())
	r.call(t, r.canonical(true))
	got := string(r.asked(t).body)
	if !strings.Contains(got, `"served"`) || strings.Contains(got, "asked") {
		t.Errorf("the upstream was sent %s, want the model served", got)
	}
}

// testOverrides names models that would change a path, a host or a header if
// they came near one.
func (r *rig) testOverrides(t *testing.T) {
	for _, model := range []string{
		"../../admin", "..%2f..%2fadmin", "a?b=c", "a#b", "a b\r\nX-Evil: 1", "http://elsewhere.invalid/", "\x00", "é",
	} {
		for name, j := range r.both(true) {
			r.upstream.plays(r.streams())
			j.Model = model
			if res := r.call(t, j); res.end.Error != nil {
				t.Errorf("%s call for model %q: %v", name, model, res.end.Error)
			}
			r.asked(t)
		}
	}
	for _, operation := range []string{"../admin", "/chat", "chat?x=1", "chat#x", "chat%2f..", "", "//elsewhere.invalid/chat"} {
		r.upstream.plays(r.streams())
		j := r.native(true)
		j.Operation = operation
		if res := r.call(t, j); res.end.Error == nil || len(r.upstream.requests()) != 0 {
			t.Errorf("operation %q: error %v and %d requests, want an error and none", operation, res.end.Error, len(r.upstream.requests()))
		}
	}
}

func (r *rig) testNative(t *testing.T) {
	t.Run("streamed", func(t *testing.T) {
		r.upstream.plays(r.streams())
		r.wantNative(t, r.call(t, r.native(true)), bus.Head{ContentType: r.media}, r.all())
	})
	t.Run("whole", func(t *testing.T) {
		r.upstream.plays(answers(200, "application/json; charset=utf-8", r.whole))
		r.wantNative(t, r.call(t, r.native(false)), bus.Head{ContentType: "application/json", Whole: true}, r.whole)
	})
}

func (r *rig) wantNative(t *testing.T, res result, head bus.Head, body string) {
	t.Helper()
	wantEnd(t, res.end)
	if res.head == nil || res.head.ContentType != head.ContentType || res.head.Whole != head.Whole {
		t.Errorf("head is %+v want %+v", res.head, head)
	}
	if string(res.data) != body {
		t.Errorf("the answer was changed:\n%q\nwant\n%q", res.data, body)
	}
}

// wantEnd checks the end of the transcript's answer.
func wantEnd(t *testing.T, end bus.End) {
	t.Helper()
	if end.Error != nil {
		t.Fatalf("the call failed: %v (%s)", end.Error, end.Error.Code)
	}
	if end.Usage == nil || end.Usage.Input != usedInput || end.Usage.Output != usedOutput {
		t.Errorf("usage is %+v want %d in, %d out", end.Usage, usedInput, usedOutput)
	}
	if end.Reason != llm.FinishStop {
		t.Errorf("reason is %q want %q", end.Reason, llm.FinishStop)
	}
}

func (r *rig) testCanonical(t *testing.T) {
	for _, stream := range []bool{true, false} {
		t.Run(fmt.Sprintf("stream %t", stream), func(t *testing.T) {
			r.upstream.plays(r.streams())
			if !stream {
				r.upstream.plays(answers(200, "application/json", r.whole))
			}
			r.wantCanonical(t, r.call(t, r.canonical(stream)))
		})
	}
}

func (r *rig) wantCanonical(t *testing.T, res result) {
	t.Helper()
	wantEnd(t, res.end)
	events := res.events(t)
	got, err := llm.Collect(func(yield func(llm.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatalf("the events are no answer: %v\n%s", err, llmtest.Text(t, events))
	}
	if text := got.Content.PlainText("|"); text != saidText {
		t.Errorf("the answer says %q want %q", text, saidText)
	}
}

func (r *rig) testOtherWay(t *testing.T) {
	t.Run("whole, though a stream was asked for", func(t *testing.T) {
		r.upstream.plays(answers(200, "application/json", r.whole))
		r.wantBridged(t, r.call(t, r.native(true)))
		r.wantCanonical(t, r.call(t, r.canonical(true)))
	})
	t.Run("streamed, though a whole was asked for", func(t *testing.T) {
		r.upstream.plays(r.streams())
		r.wantBridged(t, r.call(t, r.native(false)))
		r.wantCanonical(t, r.call(t, r.canonical(false)))
	})
	t.Run("an error, though a stream was asked for", func(t *testing.T) {
		r.upstream.plays(answers(200, "application/json", fmt.Sprintf(r.refusal, "it broke")))
		if res := r.call(t, r.native(true)); res.end.Error == nil || res.head != nil {
			t.Errorf("got %+v and %q, error %v", res.head, res.data, res.end.Error)
		}
	})
	t.Run("a body that nobody knows, though a stream was asked for", func(t *testing.T) {
		const odd = `{"something":["else"]}`
		r.upstream.plays(answers(200, "application/json", odd))
		res := r.call(t, r.native(true))
		if res.end.Error != nil || res.head == nil || !res.head.Whole || string(res.data) != odd {
			t.Errorf("got %+v and %q, error %v", res.head, res.data, res.end.Error)
		}
	})
}

// wantBridged checks the answer to a native call that an upstream has answered
// in the other form: it comes as events.
func (r *rig) wantBridged(t *testing.T, res result) {
	t.Helper()
	if res.head == nil || res.head.Encoding != bus.Canonical || res.head.Whole {
		t.Fatalf("head is %+v, want a canonical one", res.head)
	}
	r.wantCanonical(t, res)
}

func (r *rig) testOddBody(t *testing.T) {
	odd := `{"something":["else"],"entirely":1.0}`
	r.upstream.plays(answers(200, "application/json", odd))
	if res := r.call(t, r.native(false)); res.end.Error != nil || string(res.data) != odd {
		t.Errorf("got %s, error %v, want %s", res.data, res.end.Error, odd)
	}
}

func (r *rig) testDrip(t *testing.T) {
	r.upstream.plays(answers(200, r.media, strings.Split(r.all(), "")...))
	r.wantNative(t, r.call(t, r.native(true)), bus.Head{ContentType: r.media}, r.all())
	r.wantCanonical(t, r.call(t, r.canonical(true)))
}

func (r *rig) testCompressed(t *testing.T) {
	compressed := func(media string, pieces ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for _, p := range pieces {
				z.Write([]byte(p))
				z.Flush()
				http.NewResponseController(w).Flush()
			}
			z.Close()
		}
	}
	r.upstream.plays(compressed(r.media, r.stream...))
	r.wantNative(t, r.call(t, r.native(true)), bus.Head{ContentType: r.media}, r.all())
	r.wantCanonical(t, r.call(t, r.canonical(true)))

	r.upstream.plays(compressed("application/json", r.whole))
	r.wantNative(t, r.call(t, r.native(false)), bus.Head{ContentType: "application/json", Whole: true}, r.whole)

	r.upstream.plays(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		member := packed(strings.Repeat(" ", 1<<20))
		for range 70 { // a gzip file can have many members
			w.Write(member)
		}
	})
	bomb.Lock()
	defer bomb.Unlock()
	wantCode(t, "bomb", r.call(t, r.native(false)), llm.CodeUpstream)
}

// bomb is held by whoever has a body blown up: with the race detector one takes
// half a gigabyte, and several at once take the machine's time to get it.
var bomb sync.Mutex

func packed(text string) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write([]byte(text))
	z.Close()
	return out.Bytes()
}

// testLive has the upstream wait, after each frame, until the owner has it.
func (r *rig) testLive(t *testing.T) {
	for name, j := range r.both(true) {
		t.Run(name, func(t *testing.T) {
			arrived := make(chan struct{}, 1000)
			ctx, stop := context.WithTimeout(t.Context(), limit)
			defer stop()
			r.upstream.plays(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", r.media)
				for _, f := range r.stream {
					send(w, f)
					if !strings.Contains(f, "Hé") && !strings.Contains(f, "& all.") {
						continue // it may have nothing to say in the other encoding
					}
					select {
					case <-arrived:
					case <-ctx.Done():
						return
					}
				}
			})
			call, err := r.owner.Call(j)
			if err != nil {
				t.Fatal(err)
			}
			pieces := 0
			for b, err := range call.Batches(ctx) {
				if err != nil {
					t.Fatalf("after %d pieces: %v", pieces, err)
				}
				for _, m := range b.Messages {
					data, ok := m.(bus.Data)
					if ok && (bytes.Contains(data, []byte("Hé")) || bytes.Contains(data, []byte("& all."))) {
						pieces++
						arrived <- struct{}{}
					}
				}
			}
			if pieces != 2 {
				t.Errorf("the text came in %d pieces want 2", pieces)
			}
		})
	}
}

// testReuse has the upstream end each answer only after the client has the
// last frame: the connection must be kept for so long, or it is lost.
func (r *rig) testReuse(t *testing.T) {
	arrived := make(chan struct{}, 1)
	r.upstream.plays(func(w http.ResponseWriter, q *http.Request) {
		r.streams()(w, q)
		select {
		case <-arrived:
		case <-q.Context().Done():
		}
	})
	const calls = 20
	for range calls {
		for name, j := range r.both(true) {
			call, err := r.owner.Call(j)
			if err != nil {
				t.Fatal(err)
			}
			for b, err := range call.Batches(t.Context()) {
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for _, m := range b.Messages {
					data, ok := m.(bus.Data)
					if ok && (bytes.HasSuffix(data, []byte(r.stream[len(r.stream)-1])) || bytes.Contains(data, []byte(`{"finish":`))) {
						select {
						case arrived <- struct{}{}:
						default: // the upstream did not wait
						}
					}
				}
			}
		}
	}
	if n := r.upstream.connections(); n > calls/4 {
		t.Errorf("%d calls, one after the other, took %d connections", 2*calls, n)
	}
}

func (r *rig) testModels(t *testing.T) {
	r.upstream.plays(answers(200, "application/json", r.list))
	entry, err := workers.Describe(r.config)
	if err != nil {
		t.Fatal(err)
	}
	p, err := workers.Open(r.config)
	if err != nil {
		t.Fatal(err)
	}
	list := p.Models
	if entry.Name != r.kind || entry.Kind != r.kind || entry.Dialect != workers.Dialect(r.kind) || !strings.HasPrefix(entry.BaseURL, r.upstream.server.URL) {
		t.Errorf("the catalog's entry is %+v", entry)
	}
	models, err := list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range models {
		ids = append(ids, m.ID)
		if len(m.Raw) == 0 {
			t.Errorf("model %s has no raw record", m.ID)
		}
	}
	if got := strings.Join(ids, " "); got != "one two" {
		t.Errorf("models are %q want one two", got)
	}
	asked := r.upstream.requests()[0]
	if path, _, _ := strings.Cut(asked.uri, "?"); asked.method != http.MethodGet || path != r.models || asked.header.Get(r.keyHeader) != r.keyPrefix+canary {
		t.Errorf("the upstream was asked %s %s with %s %q", asked.method, asked.uri, r.keyHeader, asked.header.Get(r.keyHeader))
	}
	for name, play := range map[string]http.HandlerFunc{
		"refused": answers(401, "application/json", fmt.Sprintf(r.refusal, canary)),
		"a page":  answers(200, "text/html", "<p>"+canary),
		"no JSON": answers(200, "application/json", "{"),
	} {
		r.upstream.plays(play)
		if models, err := list(t.Context()); err == nil {
			t.Errorf("%s: got %d models and no error", name, len(models))
		} else {
			noCanary(t, name, err.Error())
		}
	}
}
