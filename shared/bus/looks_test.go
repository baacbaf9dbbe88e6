package bus_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// never is an AckWait after which no test is there any more.
const never = time.Minute

// lossy starts a server with as many shards, an owner, and a worker that is ready.
func lossy(t *testing.T, shards bustest.Shards, h bus.Handler) (js jetstream.JetStream, o *bus.Owner) {
	t.Helper()
	s := bustest.Serve(t)
	nc := bustest.Connect(t, s)
	shards.AckWait = never
	bustest.AddShards(t, nc, shards, "p")
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	o = newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Cap: shards.Cap}, h)
	used(t, js, o, map[bool]int{true: 1, false: shards.Number}[shards.Cap > 0])
	return js, o
}

// loses has the next job of the shard that has delivered most given to a worker
// that is not there; lost is how many were.
func loses(t *testing.T, js jetstream.JetStream) (lost func() int) {
	t.Helper()
	sub, err := js.Conn().SubscribeSync("lost")
	if err != nil {
		t.Fatal(err)
	}
	home, counts := 0, delivered(t, js)
	for shard, n := range counts {
		if n > counts[home] {
			home = shard
		}
	}
	subject := fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.p", bus.StreamOfJobs(home))
	if err := js.Conn().PublishRequest(subject, "lost", []byte(`{"batch":1,"expires":30000000000}`)); err != nil {
		t.Fatal(err)
	}
	if err := js.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	return func() int { n, _, _ := sub.Pending(); return n }
}

// What the queue gave to a worker that has not got it is with another one within
// a second, long before the queue takes the first for dead.
func TestAJobThatGotLostOnItsWayIsPublishedAnew(t *testing.T) {
	t.Parallel()
	for _, shards := range []bustest.Shards{{Number: 1}, {Number: 3}, {Number: 1, Cap: 2}, {Number: 3, Cap: 2}, {Number: 3, Cap: 1}} {
		t.Run(fmt.Sprintf("%d shards, limit %d", shards.Number, shards.Cap), func(t *testing.T) {
			t.Parallel()
			var runs atomic.Int32
			js, o := lossy(t, shards, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
				runs.Add(1)
				return echo(ctx, j, r)
			})
			runs.Store(0)
			lost := loses(t, js)
			for n := 1; lost() == 0; n++ { // the queue may serve the worker first
				began := time.Now()
				a := call(t.Context(), o, job([]byte("x")))
				if took := time.Since(began); a.err != nil || a.attempts != 1 || took > time.Second {
					t.Errorf("got %v after %d attempts and %v", a.err, a.attempts, took)
				}
				if got := int(runs.Load()); got != n {
					t.Errorf("%d calls were run %d times", n, got)
				}
			}
		})
	}
}

// A job that waits for its turn is in the queue once, for as long as it takes.
func TestABusyQueueHoldsEachJobOnce(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	js, o := lossy(t, bustest.Shards{Number: 1, Cap: 1}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		if string(j.Body) == "busy" {
			<-release
		}
		return echo(ctx, j, r)
	})
	published := func() uint64 {
		s, err := js.Stream(t.Context(), bus.StreamJobs)
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().State.LastSeq
	}
	before := published()
	results := make(chan answer)
	for range 4 {
		go func() { results <- call(t.Context(), o, job([]byte("busy"))) }()
	}
	<-time.After(2 * time.Second) // of eight looks
	if got := published() - before; got != 4 {
		t.Errorf("4 jobs were published %d times", got)
	}
	close(release)
	for range 4 {
		if a := <-results; a.err != nil || a.attempts != 1 {
			t.Errorf("got %v after %d attempts", a.err, a.attempts)
		}
	}
	if got := published() - before; got != 4 {
		t.Errorf("4 jobs were published %d times in the end", got)
	}
}

// A worker that says hello late, when another one has the call, does not run it.
func TestALateDeliveryIsRefused(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	s := listening(t, -1, store)
	nc := dial(t, s.Addr().String())
	bustest.AddShards(t, nc, bustest.Shards{Number: 1, AckWait: never}, "p")
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	o := newOwner(t, dial(t, s.Addr().String()), bus.OwnerOptions{})
	var late, other atomic.Int32
	p := newProxy(t, s.Addr().String())
	newWorker(t, dial(t, p.Addr().String()), bus.WorkerOptions{}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		late.Add(1)
		return echo(ctx, j, r)
	})
	if a := call(t.Context(), o, job(nil)); a.err != nil { // its pull stands
		t.Fatal(a.err)
	}
	<-time.After(50 * time.Millisecond) // and the next one
	p.frozen.Store(true)
	release := make(chan struct{})
	result := make(chan answer)
	go func() { result <- call(t.Context(), o, job([]byte("x"))) }()
	for deadline := time.Now().Add(5 * time.Second); delivered(t, js)[0] < 2; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the job is not delivered")
		}
	}
	newWorker(t, dial(t, s.Addr().String()), bus.WorkerOptions{}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		other.Add(1)
		<-release
		return echo(ctx, j, r)
	})
	for deadline := time.Now().Add(5 * time.Second); other.Load() == 0; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the other worker does not get the job")
		}
	}
	late.Store(0)
	p.frozen.Store(false)
	<-time.After(300 * time.Millisecond) // the first worker is heard, and answered
	close(release)
	if a := <-result; a.err != nil || a.attempts != 1 || late.Load() != 0 || other.Load() != 1 {
		t.Errorf("got %v after %d attempts; run %d times late and %d times by the other", a.err, a.attempts, late.Load(), other.Load())
	}
}
