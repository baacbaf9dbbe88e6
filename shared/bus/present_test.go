package bus_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/llm"
)

func TestNoWorker(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	a := call(t.Context(), o, job(nil)) // fails once it is known that there is none
	if a.err == nil || llm.AsError(a.err).Code != llm.CodeOverloaded {
		t.Fatalf("answer %+v, want overloaded", a)
	}
	began := time.Now()
	if _, err := o.Call(job(nil)); err == nil || time.Since(began) > 50*time.Millisecond {
		t.Errorf("error %v after %s, want one at once", err, time.Since(began))
	}
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, echo)
	deadline := time.Now().Add(3 * time.Second)
	for o.Workers("p") == 0 && time.Now().Before(deadline) {
		<-time.After(10 * time.Millisecond)
	}
	if a := call(t.Context(), o, job([]byte("x"))); a.err != nil {
		t.Errorf("error %v with a worker", a.err)
	}
}

// A worker that has no queue to take jobs from is as good as none: calls must
// not wait for it.
func TestWorkerWithoutAQueueDoesNotCount(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, ackWait) // no queue at all
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, echo)
	if a := call(t.Context(), o, job(nil)); a.err == nil || llm.AsError(a.err).Code != llm.CodeOverloaded {
		t.Fatalf("answer %+v, want overloaded", a)
	}
	bustest.AddQueues(t, bustest.Connect(t, s), ackWait, "p")
	deadline := time.Now().Add(3 * time.Second)
	for o.Workers("p") == 0 && time.Now().Before(deadline) {
		<-time.After(10 * time.Millisecond)
	}
	if a := call(t.Context(), o, job([]byte("x"))); a.err != nil || string(a.data) != "x" {
		t.Errorf("answer %+v once there is a queue", a)
	}
}

// Where the stream is set up a moment after the first call, that call must not
// wait for longer than needed.
func TestCallBeforeTheStream(t *testing.T) {
	t.Parallel()
	s := bustest.Serve(t)
	slow := fast
	slow.Publish, slow.Outage, slow.Absent = 10*time.Second, 20*time.Second, time.Minute
	o, err := bus.NewOwner(bustest.Connect(t, s), bus.OwnerOptions{Timing: slow})
	if err != nil {
		t.Fatal(err)
	}
	run(t, o.Run)
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, echo)
	time.AfterFunc(200*time.Millisecond, func() { bustest.AddQueues(t, bustest.Connect(t, s), ackWait, "p") })
	began := time.Now()
	if a := call(t.Context(), o, job([]byte("x"))); a.err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("answer %+v after %s", a, time.Since(began))
	}
}

// A worker that stops lets its calls end, and takes no new ones.
func TestWorkerDrains(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	began, finish := make(chan struct{}), make(chan struct{})
	stop := newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		close(began)
		r.Expect(time.Minute)
		<-finish
		return echo(ctx, j, r)
	})
	first := make(chan answer, 1)
	go func() { first <- call(t.Context(), o, job([]byte("first"))) }()
	<-began
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, echo)
	if a := call(t.Context(), o, job([]byte("second"))); string(a.data) != "second" {
		t.Errorf("second call: %+v", a)
	}
	close(finish)
	if a := <-first; string(a.data) != "first" || a.attempts != 1 {
		t.Errorf("first call: %+v", a)
	}
	<-stopped
}

func TestDrainIsCutOffAfterItsGrace(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	began := make(chan struct{})
	stop := newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Grace: 100 * time.Millisecond}, func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		close(began)
		r.Expect(time.Minute)
		<-ctx.Done()
		return bus.End{Error: llm.AsError(context.Cause(ctx))}
	})
	result := make(chan answer, 1)
	go func() { result <- call(t.Context(), o, job(nil)) }()
	<-began
	stop()
	if a := <-result; a.end == nil || a.end.Error == nil || a.end.Error.Code != llm.CodeInterrupted {
		t.Errorf("answer %+v, want interrupted", a)
	}
}

// A process that wakes, after it has stood still for long, has still to read that
// workers are there: a call that comes just then waits for that.
func TestACallThatComesAsTheProcessWakesIsTaken(t *testing.T) {
	s := start(t)
	o, err := bus.NewOwner(bustest.Connect(t, s), bus.OwnerOptions{Timing: fast})
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(fast.Absent + fast.Presence) // while it does not run
	c, err := o.Call(job(nil))
	if err != nil {
		t.Fatalf("got %v, want that the call waits", err)
	}
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, func(_ context.Context, _ *bus.Job, _ *bus.Reply) bus.End { return bus.End{} })
	for deadline := time.Now().Add(10 * time.Second); o.Workers("p") == 0 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	run(t, o.Run)
	for _, err := range c.Batches(t.Context()) {
		if err != nil {
			t.Errorf("got %v, want an answer", err)
		}
	}
}

// Until an owner knows of the workers it does not know either where a provider
// with a limit is at home, or that there is one: also of one that comes while it is
// cut off.
func TestAnOwnerAsksWhoIsThere(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]bool{"at its start": false, "when it is back": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listening(t, -1, t.TempDir())
			bustest.AddQueues(t, bustest.Connect(t, s), ackWait, "p")
			quiet := fast
			quiet.Presence, quiet.Absent = time.Hour, 3*time.Hour
			var o *bus.Owner
			p := newProxy(t, s.Addr().String())
			begin := func() {
				var err error
				if o, err = bus.NewOwner(dial(t, p.Addr().String()), bus.OwnerOptions{Timing: quiet}); err != nil {
					t.Fatal(err)
				}
				run(t, o.Run)
			}
			if away {
				begin()
				p.cut(true)
			}
			sayTwice(t, s, quiet)
			if p.breakFor(time.Millisecond); !away {
				begin()
			}
			eventually(t, "known", func() bool { return o.Load("p").Cap == 3 })
		})
	}
}

// sayTwice runs a worker until it has said twice that it is there, and then says
// so no more.
func sayTwice(t *testing.T, s *server.Server, timing bus.Timing) {
	t.Helper()
	w, err := bus.NewWorker(bustest.Connect(t, s), "p", bus.WorkerOptions{Timing: timing, Cap: 3}, echo)
	if err != nil {
		t.Fatal(err)
	}
	listener := bustest.Connect(t, s)
	said, err := listener.SubscribeSync("allama.presence.p.*")
	if err != nil || listener.Flush() != nil {
		t.Fatal("nothing is heard of workers", err)
	}
	run(t, w.Run)
	for _, when := range []string{"it has its queue", "it has come"} {
		if _, err := said.NextMsg(5 * time.Second); err != nil {
			t.Fatalf("a worker does not say that %s: %v", when, err)
		}
	}
}
