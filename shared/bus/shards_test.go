package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// sharded starts a server with three shards.
func sharded(t *testing.T, limit int) (js jetstream.JetStream, o *bus.Owner, work func(bus.WorkerOptions, bus.Handler)) {
	t.Helper()
	s := bustest.Serve(t)
	nc := bustest.Connect(t, s)
	bustest.AddShards(t, nc, bustest.Shards{Number: 3, AckWait: ackWait, Cap: limit}, "p")
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	o = newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	return js, o, func(options bus.WorkerOptions, h bus.Handler) {
		newWorker(t, bustest.Connect(t, s), options, h)
	}
}

// delivered is how many jobs each shard has delivered.
func delivered(t *testing.T, js jetstream.JetStream) (counts [3]int) {
	t.Helper()
	for shard := range counts {
		c, err := js.Consumer(t.Context(), bus.StreamOfJobs(shard), bus.Consumer("p"))
		if err == nil {
			counts[shard] = int(c.CachedInfo().Delivered.Consumer)
		}
	}
	return counts
}

// makeCalls makes n calls, so many at once.
func makeCalls(t *testing.T, o *bus.Owner, n, atOnce int) {
	t.Helper()
	var calls sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		calls.Go(func() {
			defer func() { <-slots }()
			body := fmt.Sprintf("call %d", i)
			if a := call(t.Context(), o, job([]byte(body))); a.err != nil || string(a.data) != body || a.attempts != 1 {
				t.Errorf("%s: got %q, %v after %d attempts", body, a.data, a.err, a.attempts)
			}
		})
	}
	calls.Wait()
}

// used waits until calls come by so many shards.
func used(t *testing.T, js jetstream.JetStream, o *bus.Owner, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		before := delivered(t, js)
		makeCalls(t, o, 6, 1)
		after, moved := delivered(t, js), 0
		for shard := range after {
			if after[shard] > before[shard] {
				moved++
			}
		}
		if moved == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("calls come by %d shards, want %d", moved, n)
		}
	}
}

func TestCallsAreSpreadOverTheShards(t *testing.T) {
	t.Parallel()
	js, o, work := sharded(t, 0)
	work(bus.WorkerOptions{}, echo)
	used(t, js, o, 3)
	before := delivered(t, js)
	makeCalls(t, o, 90, 10)
	for shard, n := range delivered(t, js) {
		if n -= before[shard]; n != 30 {
			t.Errorf("shard %d has delivered %d of 90 calls, want a third", shard, n)
		}
	}
}

// Over all shards together no more calls run than the provider allows.
func TestTheLimitOfAProviderHoldsOverTheShards(t *testing.T) {
	t.Parallel()
	js, o, work := sharded(t, 2)
	var running, most atomic.Int32
	for range 2 {
		work(bus.WorkerOptions{Cap: 2}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
			now := running.Add(1)
			defer running.Add(-1)
			for before := most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
			}
			<-time.After(5 * time.Millisecond)
			return echo(ctx, j, r)
		})
	}
	used(t, js, o, 1)
	most.Store(0)
	makeCalls(t, o, 60, 20)
	if got := most.Load(); got != 2 {
		t.Errorf("%d calls at once, want 2", got)
	}
}

// One slot serves all shards, and none of them waits for long.
func TestAFewSlotsServeAllShards(t *testing.T) {
	t.Parallel()
	js, o, work := sharded(t, 0)
	work(bus.WorkerOptions{Concurrency: 1}, echo)
	used(t, js, o, 3)
	began := time.Now()
	makeCalls(t, o, 12, 12)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("12 calls took %v", took)
	}
}

// Owners hear of a worker only once it takes jobs from all shards: of one of
// which they knew a part they would take another for the home of its provider.
// The broker makes the queues one after the other, and a worker that is there
// before looks while it does.
func TestAWorkerIsThereWithAllItsShards(t *testing.T) {
	t.Parallel()
	s := bustest.Serve(t)
	nc := bustest.Connect(t, s)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	const number, all = 5, 1<<5 - 1
	queues := bustest.Shards{Number: number, AckWait: ackWait, Cap: 1}
	bustest.AddShards(t, nc, queues, "p")
	var configs []jetstream.ConsumerConfig
	remove := func() {
		configs = nil
		for shard := range number {
			c, err := js.Consumer(t.Context(), bus.StreamOfJobs(shard), bus.Consumer("p"))
			if err != nil {
				t.Fatal(err)
			}
			configs = append(configs, c.CachedInfo().Config)
		}
		for shard := range number {
			if err := js.DeleteConsumer(t.Context(), bus.StreamOfJobs(shard), bus.Consumer("p")); err != nil {
				t.Fatal(err)
			}
		}
	}
	create := func() {
		for shard, config := range configs {
			if _, err := js.CreateConsumer(t.Context(), bus.StreamOfJobs(shard), config); err != nil {
				t.Fatal(err)
			}
			<-time.After(30 * time.Millisecond)
		}
	}
	remove()
	signs, err := nc.SubscribeSync("allama.presence.p.*")
	if err != nil || nc.Flush() != nil {
		t.Fatal(err)
	}
	timing := fast
	timing.Heartbeat = 2 * time.Second // so that it is patient
	w, err := bus.NewWorker(bustest.Connect(t, s), "p", bus.WorkerOptions{Timing: timing, Cap: 1}, echo)
	if err != nil {
		t.Fatal(err)
	}
	run(t, w.Run)
	for _, when := range []string{"at its start", "when the queues are made anew"} {
		create()
		for shards := uint64(0); shards != all; {
			m, err := signs.NextMsg(10 * time.Second)
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			var sign struct{ Shards uint64 }
			if err := json.Unmarshal(m.Data, &sign); err != nil {
				t.Fatal(err)
			}
			if shards = sign.Shards; shards != all {
				t.Errorf("%s: a sign tells of the shards %b", when, shards)
			}
		}
		remove()
		for w.Attached() {
			<-time.After(time.Millisecond)
		}
		for m, err := signs.NextMsg(50 * time.Millisecond); err == nil; m, err = signs.NextMsg(50 * time.Millisecond) {
			_ = m // of the shards as they went
		}
	}
}

// A shard that goes takes nothing with it: what waits in it goes elsewhere, and
// so does what is new.
func TestAShardGoesAndComesBack(t *testing.T) {
	t.Parallel()
	js, o, work := sharded(t, 1)
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	t.Cleanup(free)
	var runs atomic.Int32
	work(bus.WorkerOptions{Cap: 1}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		if runs.Add(1); string(j.Body) == "first" {
			<-release
		}
		return echo(ctx, j, r)
	})
	for deadline := time.Now().Add(10 * time.Second); o.Workers("p") == 0; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("there is no worker")
		}
	}
	before, home := delivered(t, js), 0
	makeCalls(t, o, 3, 1)
	for shard, n := range delivered(t, js) {
		if n == before[shard]+3 {
			home = shard
		}
	}
	runs.Store(0)
	results := make(chan answer, 3)
	ask := func(body string) { results <- call(t.Context(), o, job([]byte(body))) }
	go ask("first")
	for deadline := time.Now().Add(5 * time.Second); runs.Load() == 0; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the first call does not run")
		}
	}
	go ask("second") // waits, for the limit is one
	info := func() *jetstream.StreamInfo {
		s, err := js.Stream(t.Context(), bus.StreamOfJobs(home))
		if err != nil {
			return nil
		}
		return s.CachedInfo()
	}
	for deadline := time.Now().Add(5 * time.Second); info().State.Msgs < 2; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the second call is not in the queue")
		}
	}
	config := info().Config
	consumer, err := js.Consumer(t.Context(), config.Name, bus.Consumer("p"))
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), config.Name); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	go ask("third")
	for range 2 {
		if a := <-results; a.err != nil || a.attempts != 1 || string(a.data) == "first" {
			t.Errorf("while the shard is gone: got %q, %v after %d attempts", a.data, a.err, a.attempts)
		}
	}
	t.Logf("the calls that waited were answered after %v", time.Since(began))
	free()
	if a := <-results; a.err != nil || string(a.data) != "first" || a.attempts != 1 {
		t.Errorf("the call that ran: got %q, %v after %d attempts", a.data, a.err, a.attempts)
	}
	if got := runs.Load(); got != 3 {
		t.Errorf("three calls were run %d times", got)
	}
	_, err = js.CreateStream(t.Context(), config)
	_, err2 := js.CreateConsumer(t.Context(), config.Name, consumer.CachedInfo().Config)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); delivered(t, js)[home] == 0; makeCalls(t, o, 1, 1) {
		if time.Now().After(deadline) {
			t.Fatal("the shard is not used again")
		}
	}
}
