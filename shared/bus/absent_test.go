package bus_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// An owner that has not answered and then is not there may have granted the
// lease: it has lost its connection, and gets it back. One that was never there
// is waited for by nobody.
func TestAnOwnerThatVanishesIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		there bool // when the worker first says hello
		runs  int32
	}{
		{"it was there", true, 1},
		{"it was not", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			owner := bustest.Connect(t, s)
			var runs atomic.Int32
			newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
				runs.Add(1)
				return echo(ctx, j, r)
			})
			hellos := make(chan *nats.Msg, 16)
			listen := func() *nats.Subscription {
				sub, err := owner.ChanSubscribe("allama.resp.owner.p.request", hellos)
				if err != nil {
					t.Fatal(err)
				}
				return sub
			}
			sub := listen()
			if !tt.there {
				sub.Unsubscribe() //nolint:errcheck // it is there
			}
			if err := owner.PublishMsg(bus.MessageOf(bus.Job{Request: "request", Provider: "p", Encoding: bus.Native}, "owner")); err != nil {
				t.Fatal(err)
			}
			if tt.there {
				<-hellos          // and no answer
				sub.Unsubscribe() //nolint:errcheck // it is there
			}
			<-time.After(fast.Hello + fast.Heartbeat/2)
			listen()
			select {
			case m := <-hellos:
				m.Respond(append([]byte{'G', 0, 0, 0, 1}, make([]byte, 8)...)) //nolint:errcheck // then it does not run
			case <-time.After(time.Second):
			}
			for deadline := time.Now().Add(time.Second); runs.Load() != 1 && time.Now().Before(deadline); {
				<-time.After(time.Millisecond)
			}
			if got := runs.Load(); got != tt.runs {
				t.Errorf("the job was run %d times, want %d", got, tt.runs)
			}
		})
	}
}

// A worker that looks for its queue looks again when its connection is another
// one: the answer to what it asked by the last one does not come.
func TestAWorkerLooksAgainByAnotherConnection(t *testing.T) {
	t.Parallel()
	s := listening(t, -1, t.TempDir())
	bustest.AddQueues(t, dial(t, s.Addr().String()), never, "p")
	frozen := newProxy(t, s.Addr().String())
	nc, err := bus.Connect(bus.Server{URL: "nats://" + frozen.Addr().String() + ",nats://" + s.Addr().String()}, t.Name(), nil, nats.DontRandomize())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	frozen.frozen.Store(true)
	defer frozen.frozen.Store(false)
	<-time.After(time.Second) // so that the connection is lost before the worker gives its question up
	w, err := bus.NewWorker(nc, "p", bus.WorkerOptions{}, echo)
	if err != nil {
		t.Fatal(err)
	}
	run(t, w.Run)
	wait := func(what string, long time.Duration, ok func() bool) {
		t.Helper()
		for began := time.Now(); !ok(); <-time.After(time.Millisecond) {
			if time.Since(began) > long {
				t.Fatalf("%s: not within %v", what, long)
			}
		}
	}
	wait("the frozen server is left", 4*time.Second, func() bool { return nc.ConnectedAddr() == s.Addr().String() })
	wait("the worker has found its queue", 700*time.Millisecond, w.Attached)
}
