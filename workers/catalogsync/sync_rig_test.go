package catalogsync

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/lists"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/roster"
)

// withBucket returns JetStream on a server of its own, with the bucket.
func withBucket(t *testing.T) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(bustest.Connect(t, bustest.Start(t, time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	makeBucket(t, js)
	return js
}

func makeBucket(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bus.BucketCatalog, Storage: jetstream.MemoryStorage})
	if err != nil {
		t.Fatal(err)
	}
}

// An upstream answers listings as it is told.
type upstream struct {
	name string

	mu     sync.Mutex
	models []string
	err    error
	asked  atomic.Int32
	gate   chan struct{} // if not nil, listings wait for it
	limits roster.Limits
}

func (u *upstream) answer(err error, models ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.models, u.err = models, err
}

func (u *upstream) source() Source {
	return Source{Provider: catalog.Provider{Name: u.name, Kind: "openai", Dialect: "openai"}}
}

// of is what a definition with the upstream as its host says of a provider.
func (u *upstream) of(d roster.Definition) catalog.Provider {
	p := u.source().Provider
	p.Name, p.BaseURL = d.Name, "http://"+d.Host
	return p
}

// serve has a worker list the models, until what is returned is called.
func (u *upstream) serve(t *testing.T, js jetstream.JetStream) (stop func()) {
	t.Helper()
	return serveLists(t, js, u.name, false, func(q lists.Question) lists.Answer {
		a := u.list(q)
		a.Provider, a.Shown = u.source().Provider, roster.Provider{Name: u.name, Active: true, Source: roster.Environment, Limits: u.limits}
		return a
	})
}

// serveDefined has a worker list the models of a provider that was defined.
func serveDefined(t *testing.T, js jetstream.JetStream, name string, upstreams []*upstream) {
	t.Helper()
	serveLists(t, js, name, true, func(q lists.Question) (a lists.Answer) {
		for _, u := range upstreams {
			if u.name == q.Definition.Host {
				a = u.list(q)
				a.Provider, a.Shown = u.of(*q.Definition), roster.Provider{Name: name, Source: roster.API}
			}
		}
		return a
	})
}

func serveLists(t *testing.T, js jetstream.JetStream, provider string, defined bool, list func(lists.Question) lists.Answer) (stop func()) {
	t.Helper()
	sub, err := lists.Serve(js.Conn(), provider, defined, func(q lists.Question, reply func(lists.Answer) error) {
		go func() { _ = reply(list(q)) }() // the test may have ended
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = sub.Unsubscribe() } // or the server is gone
}

func (u *upstream) list(q lists.Question) lists.Answer {
	u.asked.Add(1)
	if u.gate != nil {
		select {
		case <-u.gate:
		case <-time.After(2 * q.Within): // nobody waits any more
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	var a lists.Answer
	for _, id := range u.models {
		a.Models = append(a.Models, catalog.Model{ID: id})
	}
	if u.err != nil {
		a.Error = &llm.Error{Code: llm.CodeUpstream, Message: u.err.Error()}
	}
	return a
}

// run runs a sync until the test ends, or until stop is called.
func run(t *testing.T, js jetstream.JetStream, o Options, upstreams ...*upstream) (s *Sync, stop func()) {
	t.Helper()
	var sources []Source
	var workers []func()
	for _, u := range upstreams {
		sources = append(sources, u.source())
		workers = append(workers, u.serve(t, js))
	}
	s = New(js, sources, o)
	s.checkEvery = 50 * time.Millisecond
	s.pace.gap = 0
	s.lease.every, s.lease.wait = 30*time.Millisecond, time.Second
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		for _, stop := range workers {
			stop()
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// follow returns a function that waits until the published catalog is want: the
// names of its models, with a ? for stale ones.
func follow(t *testing.T, js jetstream.JetStream) (wait func(want ...string)) {
	t.Helper()
	v := catalog.NewView(js, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { v.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return func(want ...string) {
		t.Helper()
		var got []string
		deadline := time.Now().Add(10 * time.Second)
		for {
			got = nil
			for _, l := range v.Index().Models() {
				name := l.Provider.Name + "/" + l.Model.ID
				if l.Model.Stale {
					name += "?"
				}
				got = append(got, name)
			}
			slices.Sort(got)
			if v.Index().Revision() > 0 && slices.Equal(got, want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("catalog = %q, want %q", got, want)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
