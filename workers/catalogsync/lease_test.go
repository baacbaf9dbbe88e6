package catalogsync

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// withConnections returns a function that makes further connections to a server
// with the bucket.
func withConnections(t *testing.T) func() jetstream.JetStream {
	t.Helper()
	server := bustest.Serve(t)
	connect := func() jetstream.JetStream {
		js, err := jetstream.New(bustest.Connect(t, server))
		if err != nil {
			t.Fatal(err)
		}
		return js
	}
	makeBucket(t, connect())
	return connect
}

// bucket returns the bucket.
func bucket(t *testing.T, js jetstream.JetStream) jetstream.KeyValue {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), bus.BucketCatalog)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func TestOfSeveralSyncsOneKeepsTheCatalog(t *testing.T) {
	endings := []struct {
		name string
		end  func(first jetstream.JetStream, stop func())
	}{
		{"stops", func(_ jetstream.JetStream, stop func()) { stop() }},
		{"is cut off", func(first jetstream.JetStream, _ func()) { first.Conn().Close() }},
	}
	for _, tt := range endings {
		t.Run(tt.name, func(t *testing.T) {
			connect := withConnections(t)
			wait := follow(t, connect())
			a, b, c := &upstream{name: "a", models: []string{"m1"}}, &upstream{name: "b", models: []string{"m2"}}, &upstream{name: "c", models: []string{"m2"}}
			js := connect()
			first, stop := run(t, js, Options{}, a)
			<-first.Ready()
			wait("a/m1")
			second, _ := run(t, connect(), Options{}, b)
			third, _ := run(t, connect(), Options{}, c)
			<-second.Ready() // though it only stands by
			<-third.Ready()
			second.Trigger()
			<-time.After(5 * second.lease.every)
			if got := b.asked.Load() + c.asked.Load(); got != 0 {
				t.Errorf("those that stand by have listed %d times", got)
			}
			wait("a/m1")
			tt.end(js, stop)
			eventually(t, "take over", func() bool { return b.asked.Load()+c.asked.Load() > 0 })
			<-time.After(5 * second.lease.every)
			if (b.asked.Load() > 0) == (c.asked.Load() > 0) {
				t.Error("both have taken over")
			}
		})
	}
}

// A process that is frozen is still connected.
func TestASyncThatIsSilentIsGivenUp(t *testing.T) {
	js := withConnections(t)()
	if _, err := js.Conn().Subscribe(bus.SubjectAlive("frozen"), func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := bucket(t, js).Put(t.Context(), leaseKey, []byte("frozen")); err != nil {
		t.Fatal(err)
	}
	a := &upstream{name: "a", models: []string{"m1"}}
	began := time.Now()
	run(t, js, Options{}, a)
	follow(t, js)("a/m1")
	if took := time.Since(began); took < time.Second {
		t.Errorf("given up after %v", took)
	}
	if longest := maxSilent * (askInterval + askTimeout); longest > 15*time.Second {
		t.Errorf("it takes %v to give up one that is frozen", longest)
	}
}

// A process that was frozen finds that another one has taken over.
func TestASyncThatHasLostTheLeaseStandsBy(t *testing.T) {
	js := withConnections(t)()
	wait := follow(t, js)
	a := &upstream{name: "a", models: []string{"m1"}}
	s, _ := run(t, js, Options{}, a)
	wait("a/m1")
	other, err := js.Conn().Subscribe(bus.SubjectAlive("other"), func(m *nats.Msg) { m.Respond(nil) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bucket(t, js).Put(t.Context(), leaseKey, []byte("other")); err != nil {
		t.Fatal(err)
	}
	a.answer(nil, "m1", "m2")
	s.Trigger()
	<-time.After(200 * time.Millisecond)
	asked := a.asked.Load()
	s.Trigger()
	<-time.After(200 * time.Millisecond)
	wait("a/m1")
	if got := a.asked.Load(); got != asked {
		t.Errorf("it has listed %d times since", got-asked)
	}
	if err := other.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	wait("a/m1", "a/m2")
}

func TestALeaseThatTheServerHasLostIsTakenAgain(t *testing.T) {
	js := withConnections(t)()
	a := &upstream{name: "a", models: []string{"m1"}}
	run(t, js, Options{}, a)
	follow(t, js)("a/m1")
	kv := bucket(t, js)
	if err := kv.Purge(t.Context(), leaseKey); err != nil {
		t.Fatal(err)
	}
	eventually(t, "take it again", func() bool { _, err := kv.Get(t.Context(), leaseKey); return err == nil })
}
