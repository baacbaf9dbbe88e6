package broker

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/lists"
	"github.com/offbeat-studio/allama/shared/roster"
)

// A guarded server knows the users of the providers a and b.
type guarded struct {
	*Server
	Credentials
}

func startGuarded(t *testing.T) guarded {
	t.Helper()
	c := Credentials{Dir: t.TempDir(), Providers: []string{"a", "b"}, Server: ServerFile{Listen: "127.0.0.1:-1", StoreDir: t.TempDir()}}
	if _, err := c.Write(false); err != nil {
		t.Fatal(err)
	}
	s, _ := start(t, Config{File: filepath.Join(c.Dir, userBroker, serverFile)})
	g := guarded{s, c}
	topology := Topology{Memory: true, Providers: []Provider{{Name: "a"}, {Name: "b"}}}
	if err := Apply(t.Context(), g.as(t, userBroker), topology); err != nil {
		t.Fatal(err)
	}
	return g
}

// as connects as a user, over TCP.
func (g guarded) as(t *testing.T, user string) jetstream.JetStream {
	t.Helper()
	nc, err := bus.Connect(bus.Server{URL: g.nats.ClientURL(), Credentials: filepath.Join(g.Dir, user, seedFile)}, user, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	eventually(t, user+" is connected", nc.IsConnected)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// runs runs a service until the test ends.
func runs(t *testing.T, service func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("service: %v", err)
		}
	})
}

// blameless fails the test when the server has refused anything to a user.
func blameless(t *testing.T, all ...jetstream.JetStream) {
	t.Helper()
	for _, js := range all {
		if err := js.Conn().Flush(); err != nil {
			t.Fatal(err)
		}
		if err := js.Conn().LastError(); err != nil {
			t.Errorf("%s: %v, want everything allowed", js.Conn().Opts.Name, err)
		}
	}
}

func TestUsersCarryCalls(t *testing.T) {
	g := startGuarded(t)
	ingress, one, all := g.as(t, userIngress), g.as(t, "worker-a"), g.as(t, userWorker)
	owner, err := bus.NewOwner(ingress.Conn(), bus.OwnerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	runs(t, owner.Run)
	cancelled := make(chan struct{})
	handle := func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		if j.Model == "hang" {
			<-ctx.Done()
			close(cancelled)
			return bus.End{}
		}
		r.Head(bus.Head{})
		for part := range 3 {
			if err := r.Data(ctx, j.Body[part*len(j.Body)/3:(part+1)*len(j.Body)/3]); err != nil {
				t.Errorf("data: %v", err)
			}
			if err := r.Flush(ctx); err != nil {
				t.Errorf("flush: %v", err)
			}
		}
		return bus.End{}
	}
	for provider, js := range map[string]jetstream.JetStream{"a": one, "b": all} {
		w, err := bus.NewWorker(js.Conn(), provider, bus.WorkerOptions{}, handle)
		if err != nil {
			t.Fatal(err)
		}
		runs(t, w.Run)
		eventually(t, "the worker of "+provider+" is seen", func() bool { return owner.Workers(provider) == 1 && w.Attached() })
	}
	body := bytes.Repeat([]byte("0123456789"), 200_000) // so large that the worker has to fetch it
	for _, provider := range []string{"a", "b"} {
		if got := answerTo(t, owner, provider, body); !bytes.Equal(got, body) {
			t.Errorf("the answer of %s has %d bytes, want the %d that were sent", provider, len(got), len(body))
		}
	}
	c, err := owner.Call(bus.Job{Request: bus.NewID(), Provider: "a", Model: "hang", Encoding: bus.Native, Body: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	leased := make(chan struct{})
	c.OnLease(func() { close(leased) })
	<-leased
	c.Close()
	select {
	case <-cancelled:
	case <-time.After(5 * time.Second):
		t.Error("a call that was closed is not cancelled at its worker within 5s")
	}
	eventually(t, "the use of three attempts is reported", func() bool {
		s, err := g.as(t, userBroker).Stream(t.Context(), bus.StreamUsage)
		return err == nil && s.CachedInfo().State.Msgs == 3
	})
	blameless(t, ingress, one, all)
}

// answerTo makes a call and returns all of its answer.
func answerTo(t *testing.T, o *bus.Owner, provider string, body []byte) (answer []byte) {
	t.Helper()
	c, err := o.Call(bus.Job{Request: bus.NewID(), Provider: provider, Encoding: bus.Native, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for b, err := range c.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range b.Messages {
			if data, ok := m.(bus.Data); ok {
				answer = append(answer, data...)
			}
		}
	}
	return answer
}

func TestUsersKeepAndReadTheCatalog(t *testing.T) {
	g := startGuarded(t)
	sync, ingress, worker := g.as(t, userSync), g.as(t, userIngress), g.as(t, "worker-b")
	view, follower := catalog.NewView(ingress, nil), roster.NewView(worker, nil)
	runs(t, view.Run)
	runs(t, follower.Run)
	for revision := range uint64(2) { // the second one replaces parts of the first
		snapshot := catalog.Snapshot{Revision: revision + 1, Providers: []catalog.Provider{{Name: "a", Kind: "openai"}}}
		if err := catalog.Publish(t.Context(), sync, snapshot); err != nil {
			t.Fatal(err)
		}
	}
	if err := roster.Publish(t.Context(), sync, roster.Roster{Revision: 7}); err != nil {
		t.Fatal(err)
	}
	if _, err := roster.Read(t.Context(), sync); err != nil {
		t.Error(err)
	}
	eventually(t, "the ingress sees the provider", func() bool { return len(view.Index().Providers()) == 1 })
	eventually(t, "the worker sees the roster", func() bool { return follower.Roster().Revision == 7 })

	sub, err := roster.Serve(sync.Conn(), func(_ roster.Request, reply func(roster.Answer)) { reply(roster.Answer{}) })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := sync.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := roster.Ask(t.Context(), ingress.Conn(), roster.Request{}); err != nil {
		t.Errorf("the ingress asks the sync worker: %v", err)
	}
	blameless(t, sync, ingress, worker)
}

func TestUsersCarryLists(t *testing.T) {
	g := startGuarded(t)
	sync, one, all := g.as(t, userSync), g.as(t, "worker-a"), g.as(t, userWorker)
	large := lists.Answer{Models: make([]catalog.Model, 10_000)}
	for i := range large.Models {
		large.Models[i].ID = strings.Repeat("m", 200)
	}
	came := make(chan string, 1)
	sub, err := bus.WatchWorkers(sync.Conn(), func(provider string) { came <- provider })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := sync.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	for provider, js := range map[string]jetstream.JetStream{"a": one, "b": all} {
		sub, err := lists.Serve(js.Conn(), provider, provider == "b", func(_ lists.Question, reply func(lists.Answer) error) {
			if err := reply(large); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Unsubscribe()
		if err := js.Conn().Publish("allama.presence."+provider+".w", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if got := <-came; got != provider {
			t.Errorf("a worker of %s is seen, want one of %s", got, provider)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		got, err := lists.Ask(ctx, sync.Conn(), provider, &roster.Definition{Name: provider})
		cancel()
		if err != nil || len(got.Models) != len(large.Models) {
			t.Errorf("%s lists %d models, %v, want %d", provider, len(got.Models), err, len(large.Models))
		}
	}
	blameless(t, sync, one, all)
}

func TestUsersMayNot(t *testing.T) {
	g := startGuarded(t)
	tests := []struct {
		user, act, subject string
		denied             bool
	}{
		// What is allowed shows that the test can tell.
		{"worker-a", "publish", "allama.resp.owner.a.request", false},
		{"worker-a", "publish", "allama.thoughts.a.key", false},
		{"worker-a", "publish", "$JS.API.CONSUMER.PAUSE.JOBS.a", false},
		{"worker-a", "listen", "allama.ctl.a.request", false},
		{"worker-a", "listen", "allama.presence.a.*", false},
		{"worker-a", "listen", "allama.muster", false},
		{"worker-a", "publish", "allama.muster", true},
		{userIngress, "publish", "allama.muster", false},
		{userSync, "publish", "allama.muster", true},
		{"worker-a", "listen", bus.SubjectList("a", false), false},
		{"worker-a", "listen", bus.SubjectList("a", true), false},
		{"worker-a", "publish", "allama.listed.a.question", false},
		{userSync, "publish", bus.SubjectList("a", true), false},
		{userSync, "listen", "allama.listed.b.question", false},
		{userSync, "listen", "allama.presence.*.*", false},
		{"worker", "publish", "allama.resp.owner.b.request", false},
		{userIngress, "publish", "allama.jobs.0.a", false},
		{userIngress, "listen", "allama.resp.owner.*.*", false},
		{userIngress, "listen", bus.SubjectQueue, false},
		{userIngress, "publish", bus.SubjectCalls, false},
		{userIngress, "publish", "$JS.API.CONSUMER.INFO.JOBS_1.a", false},
		{userSync, "publish", "$KV.config.roster", false},
		{userBroker, "publish", "$JS.API.STREAM.DELETE.NONE", false},

		{"worker-a", "publish", "allama.resp.owner.b.request", true},
		{"worker-a", "publish", "allama.usage.b", true},
		{"worker-a", "listen", bus.SubjectList("b", false), true},
		{"worker-a", "listen", "allama.list.>", true},
		{"worker-a", "publish", "allama.listed.b.question", true},
		{"worker-a", "listen", "allama.listed.a.*", true},
		{"worker-a", "publish", bus.SubjectList("a", false), true},
		{userWorker, "publish", bus.SubjectList("a", false), true},
		{"worker-a", "publish", "allama.dlq.b", true},
		{"worker-a", "publish", "allama.presence.b.w", true},
		{"worker-a", "publish", "allama.thoughts.b.key", true},
		{"worker-a", "publish", "$JS.API.DIRECT.GET.THOUGHTS.allama.thoughts.b.key", true},
		{"worker-a", "publish", "$JS.API.DIRECT.GET.THOUGHTS", true},
		{"worker-a", "publish", "$JS.API.CONSUMER.MSG.NEXT.JOBS.b", true},
		{"worker-a", "publish", "$JS.API.CONSUMER.MSG.NEXT.JOBS_1.b", true},
		{"worker-a", "publish", "$JS.API.CONSUMER.PAUSE.JOBS.b", true},
		{"worker-a", "listen", "allama.presence.b.*", true},
		{"worker-a", "publish", "$JS.API.CONSUMER.CREATE.JOBS", true},
		{"worker-a", "publish", "$JS.API.CONSUMER.CREATE.JOBS.x.allama.jobs.0.b", true},
		{"worker-a", "publish", "$JS.API.STREAM.MSG.GET.JOBS", true},
		{"worker-a", "publish", "$JS.API.DIRECT.GET.JOBS", true},
		{"worker-a", "publish", "$JS.ACK.JOBS.b.1.1.1.1.1", true},
		{"worker-a", "publish", "allama.jobs.0.a", true},
		{"worker-a", "publish", bus.SubjectCalls, true},
		{"worker-a", "listen", bus.SubjectQueue, true},
		{"worker-a", "publish", "allama.ctl.a.request", true},
		{"worker-a", "publish", "allama.sync", true},
		{"worker-a", "publish", bus.SubjectProviders, true},
		{"worker-a", "publish", "$KV.catalog.x", true},
		{"worker-a", "publish", "$KV.config.x", true},
		{"worker-a", "publish", "$KV.idempotency.x", true},
		{"worker-a", "publish", "$JS.API.DIRECT.GET.KV_idempotency.x", true},
		{"worker-a", "listen", "allama.ctl.b.request", true},
		{"worker-a", "listen", "allama.ctl.>", true},
		{"worker-a", "listen", "allama.jobs.>", true},
		{"worker-a", "listen", "allama.resp.>", true},
		{"worker-a", "listen", "_INBOX.>", true},
		{"worker-a", "listen", ">", true},
		{"worker", "publish", "$KV.config.x", true},
		{"worker", "publish", "allama.jobs.0.a", true},
		{"worker", "listen", "allama.resp.>", true},

		{userIngress, "listen", "allama.jobs.>", true},
		{userIngress, "listen", "_INBOX.>", true},
		{userIngress, "listen", "allama.admin.>", true},
		{userIngress, "listen", "$JS.EVENT.>", true},
		{userIngress, "publish", "$JS.API.CONSUMER.MSG.NEXT.JOBS.a", true},
		{userIngress, "publish", "$JS.API.CONSUMER.CREATE.JOBS", true},
		{userIngress, "publish", "$JS.API.STREAM.MSG.GET.JOBS", true},
		{userIngress, "publish", "$JS.API.STREAM.PURGE.JOBS", true},
		{userIngress, "publish", "$JS.API.STREAM.PURGE.KV_catalog", true},
		{userIngress, "publish", "$JS.API.STREAM.INFO.KV_config", true},
		{userIngress, "publish", "$KV.catalog.x", true},
		{userIngress, "publish", "$KV.config.x", true},
		{userIngress, "publish", "allama.resp.owner.a.request", true},
		{userIngress, "publish", "allama.presence.a.w", true},
		{userIngress, "publish", "allama.usage.a", true},
		{userIngress, "publish", bus.SubjectList("a", false), true},
		{userIngress, "listen", "allama.listed.a.*", true},

		{userSync, "publish", "allama.jobs.0.a", true},
		{userSync, "publish", "allama.ctl.a.request", true},
		{userSync, "listen", "allama.>", true},
		{userSync, "listen", bus.SubjectList("a", false), true},
		{userSync, "publish", "allama.listed.a.question", true},
		{userSync, "publish", "allama.presence.a.w", true},
		{userSync, "listen", "allama.resp.>", true},
		{userSync, "publish", "$JS.API.STREAM.PURGE.KV_catalog", true},
	}
	for _, user := range []string{"worker-a", userWorker, userIngress, userSync} {
		for _, api := range []string{"STREAM.CREATE.X", "STREAM.UPDATE.JOBS", "STREAM.DELETE.JOBS", "CONSUMER.DELETE.JOBS.b", "CONSUMER.DURABLE.CREATE.JOBS.x", "STREAM.PURGE.USAGE"} {
			tests = append(tests, struct {
				user, act, subject string
				denied             bool
			}{user, "publish", "$JS.API." + api, true})
		}
	}
	for _, tt := range tests {
		nc := g.as(t, tt.user).Conn()
		var err error
		if tt.act == "listen" {
			_, err = nc.SubscribeSync(tt.subject)
		} else {
			err = nc.Publish(tt.subject, []byte("{}"))
		}
		if err := errors.Join(err, nc.Flush()); err != nil {
			t.Fatal(err)
		}
		if got := errors.Is(nc.LastError(), nats.ErrPermissionViolation); got != tt.denied {
			t.Errorf("%s: %s %s: denied %t (%v), want %t", tt.user, tt.act, tt.subject, got, nc.LastError(), tt.denied)
		}
		nc.Close()
	}
}
