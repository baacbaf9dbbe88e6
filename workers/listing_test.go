package workers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/workers"
	"github.com/offbeat-studio/allama/workers/catalogsync"
)

// A list is what an upstream answers when it is asked for its models.
type list func(w http.ResponseWriter, r *http.Request)

// listings are the lists of n models, by the kind of provider.
var listings = map[string]func(n int) string{
	"openai": func(n int) string {
		return `{"object":"list","data":[` + items(n, `{"id":"model-%d","object":"model","created":1700000000,"owned_by":"somebody"}`) + `]}`
	},
	"anthropic": func(n int) string {
		return `{"data":[` + items(n, `{"type":"model","id":"model-%d","display_name":"M","created_at":"2025-01-01T00:00:00Z"}`) + `],"has_more":false}`
	},
	"ollama": func(n int) string {
		return `{"models":[` + items(n, `{"name":"model-%d","model":"model-%[1]d","size":1,"details":{"family":"llama"}}`) + `]}`
	},
}

func items(n int, form string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(form, i)
	}
	return strings.Join(list, ",")
}

func body(contentType, text string) list {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		fmt.Fprint(w, text)
	}
}

func jsonBody(text string) list { return body("application/json", text) }

// Whatever an upstream answers, the catalog keeps what was good, and takes what
// is good again.
func TestListsThatAreNone(t *testing.T) {
	for kind, listOf := range listings {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			half := listOf(1000)[:20_000]
			bad := []struct {
				name string
				list list
			}{
				{"an empty list", jsonBody(listOf(0))},
				{"null", jsonBody("null")},
				{"a page of HTML", body("text/html", "<html><body>Sign in</body></html>")},
				{"a page of HTML that calls itself JSON", jsonBody("<html><body>Sign in</body></html>")},
				{"half the JSON", jsonBody(half)},
				{"half the body", func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Length", "1000000")
					jsonBody(half)(w, r)
				}},
				{"nothing", jsonBody("")},
				{"a body that is too long", func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					for r.Context().Err() == nil {
						if _, err := w.Write([]byte(strings.Repeat(" ", 64<<10))); err != nil {
							return
						}
					}
				}},
				{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
				{"a closed connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
				{"another JSON", jsonBody(`{"data":"no","models":5}`)},
				{"an error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) }},
			}
			u := newUpstream(t, kind)
			u.answers(jsonBody(listOf(3)))
			u.wantModels("at first", 3, 0)
			for _, tt := range bad {
				u.answers(tt.list)
				u.wantModels(tt.name, 3, 3)
			}
			u.answers(jsonBody(listOf(10_000)))
			u.wantModels("10,000 models", 10_000, 0)
			u.answers(jsonBody(listOf(3)))
			u.wantModels("a short list", 10_000, 9_997)
			u.wantModels("again", 10_000, 9_997)
			u.wantModels("for the third time", 3, 0)
		})
	}
}

// An upstream is asked by a sync worker, whose catalog is looked at.
type upstream struct {
	t    *testing.T
	list atomic.Value
	view *catalog.View
}

func newUpstream(t *testing.T, kind string) *upstream {
	t.Helper()
	u := &upstream{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { u.list.Load().(list)(w, r) }))
	t.Cleanup(server.Close)
	u.answers(jsonBody(listings[kind](3)))
	js, err := jetstream.New(bustest.Connect(t, bustest.Start(t, time.Second, "p")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bus.BucketCatalog, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	w, err := workers.New(js.Conn(), workers.Config{Providers: []workers.ProviderConfig{{Name: "p", Kind: kind, Host: server.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	s := catalogsync.New(js, nil, catalogsync.Options{Timeout: 2 * time.Second, Interval: time.Hour, Gap: 1})
	u.view = catalog.NewView(js, nil)
	for _, run := range []func(context.Context) error{s.Run, u.view.Run, w.Run} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	<-s.Ready()
	for deadline := time.Now().Add(10 * time.Second); len(u.view.Index().Models()) < 3; <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the models of a worker that has appeared are not listed within 10s")
		}
	}
	return u
}

func (u *upstream) answers(l list) { u.list.Store(l) }

// wantModels has the models listed, and counts those of the catalog.
func (u *upstream) wantModels(when string, want, wantStale int) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 20*time.Second)
	defer cancel()
	done, err := u.view.Refresh(ctx, catalog.RefreshRequest{})
	if err != nil {
		u.t.Fatalf("%s: %v", when, err)
	}
	for u.view.Index().Revision() < done.Revision {
		select {
		case <-u.view.Changed():
		case <-time.After(10 * time.Millisecond):
		}
	}
	stale := 0
	listed := u.view.Index().Models()
	for _, l := range listed {
		if l.Model.Stale {
			stale++
		}
	}
	if len(listed) != want || stale != wantStale {
		u.t.Errorf("%s: %d models, %d of them stale, want %d and %d: %+v", when, len(listed), stale, want, wantStale, done.Providers)
	}
}

// A time that no calendar has, such as one in milliseconds, does not cost the
// models.
func TestAListWithAnOddTime(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, "openai")
	u.answers(jsonBody(`{"object":"list","data":[{"id":"model-0","created":1700000000000000},{"id":"model-1"},{"id":"model-2"}]}`))
	u.wantModels("created in microseconds", 3, 0)
}
