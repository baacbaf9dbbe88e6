package bus_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// A ticket office has so many tickets, and gets no new ones but those that are
// returned.
type ticketOffice struct {
	tickets chan struct{}
	shares  atomic.Int32 // the last one
	rank    atomic.Int32 // likewise
	sold    atomic.Int32 // but for those that came back
	heard   sync.Map     // by worker
}

func newTicketOffice(n int) *ticketOffice {
	o := &ticketOffice{tickets: make(chan struct{}, 100)}
	o.issue(n)
	return o
}

func (o *ticketOffice) Take(ctx context.Context, n int) int {
	select {
	case <-o.tickets:
	case <-ctx.Done():
		return 0
	}
	taken := 1
	for ; taken < n && len(o.tickets) > 0; taken++ {
		<-o.tickets
	}
	o.sold.Add(int32(taken))
	return taken
}

func (o *ticketOffice) Return(n int) {
	o.sold.Add(int32(-n))
	o.issue(n)
}

func (o *ticketOffice) issue(n int) {
	for range n {
		o.tickets <- struct{}{}
	}
}

func (o *ticketOffice) Share(rank, n int)  { o.rank.Store(int32(rank)); o.shares.Store(int32(n)) }
func (o *ticketOffice) PerMinute() float64 { return 7 }

// Hear remembers the last word of each worker.
func (o *ticketOffice) Hear(worker string, word []byte) { o.heard.Store(worker, string(word)) }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 5s", what)
		}
	}
}

func TestNoJobIsStartedWithoutThePace(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	office := newTicketOffice(3)
	var performed atomic.Int32
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Pace: office}, func(context.Context, *bus.Job, *bus.Reply) bus.End {
		if n := performed.Add(1); n > office.sold.Load() {
			t.Errorf("job %d was started with %d tickets", n, office.sold.Load())
		}
		return bus.End{}
	})
	var calls sync.WaitGroup
	defer calls.Wait()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for range 6 {
		calls.Go(func() { call(ctx, o, job(nil)) })
	}
	eventually(t, "three jobs", func() bool { return performed.Load() == 3 })
	office.issue(2)
	eventually(t, "two more", func() bool { return performed.Load() == 5 })
	if l := o.Load("p"); l.PerMinute != 7 {
		t.Errorf("calls in a minute: got %v, want 7", l.PerMinute)
	}
}

func TestWhatNoJobCameForIsReturned(t *testing.T) {
	t.Parallel()
	s := start(t)
	office := newTicketOffice(3)
	stop := newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Pace: office}, func(context.Context, *bus.Job, *bus.Reply) bus.End { return bus.End{} })
	eventually(t, "the pull", func() bool { return len(office.tickets) == 0 })
	stop()
	if n := len(office.tickets); n != 3 {
		t.Errorf("%d tickets are back, want 3", n)
	}
}

func TestWorkersKnowHowManyTheyAre(t *testing.T) {
	t.Parallel()
	s := start(t)
	first, second := newTicketOffice(1), newTicketOffice(1)
	nothing := func(context.Context, *bus.Job, *bus.Reply) bus.End { return bus.End{} }
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Pace: first}, nothing)
	eventually(t, "one", func() bool { return first.shares.Load() == 1 })
	stop := newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Pace: second}, nothing)
	eventually(t, "two", func() bool { return first.shares.Load() == 2 && second.shares.Load() == 2 })
	eventually(t, "one after the other", func() bool { return first.rank.Load()+second.rank.Load() == 1 })
	stop()
	eventually(t, "one again", func() bool { return first.shares.Load() == 1 })
}

func TestWorkersTellEachOther(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	offices := map[string]*ticketOffice{"p": newTicketOffice(1), "q": newTicketOffice(1)}
	nothing := func(context.Context, *bus.Job, *bus.Reply) bus.End { return bus.End{} }
	for provider, office := range offices {
		w, err := bus.NewWorker(bustest.Connect(t, s), provider, bus.WorkerOptions{Timing: fast, Pace: office}, nothing)
		if err != nil {
			t.Fatal(err)
		}
		run(t, w.Run)
	}
	speaks := newTicketOffice(1)
	speaker, err := bus.NewWorker(bustest.Connect(t, s), "p", bus.WorkerOptions{Timing: fast, Pace: speaks}, nothing)
	if err != nil {
		t.Fatal(err)
	}
	run(t, speaker.Run)
	eventually(t, "two workers", func() bool { return o.Load("p").Workers == 2 && speaks.shares.Load() == 2 })
	speaker.Tell([]byte(`{"a":1}`))
	words := func(o *ticketOffice) (all []string) {
		for _, word := range o.heard.Range {
			all = append(all, word.(string))
		}
		return all
	}
	eventually(t, "the word", func() bool { return len(words(offices["p"])) == 1 && words(offices["p"])[0] == `{"a":1}` })
	if own, elsewhere := words(speaks), words(offices["q"]); len(own)+len(elsewhere) > 0 {
		t.Errorf("the worker itself hears %q, and those of another provider %q", own, elsewhere)
	}
	if l := o.Load("p"); l.Workers != 2 {
		t.Errorf("%d workers are there afterwards, want 2", l.Workers)
	}
}

func TestAPauseHoldsForAllWorkers(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	var workers []*bus.Worker
	for range 3 {
		w, err := bus.NewWorker(bustest.Connect(t, s), "p", bus.WorkerOptions{Timing: fast}, func(context.Context, *bus.Job, *bus.Reply) bus.End { return bus.End{} })
		if err != nil {
			t.Fatal(err)
		}
		run(t, w.Run)
		workers = append(workers, w)
	}
	eventually(t, "three workers", func() bool { return o.Load("p").Workers == 3 })
	const long = 3 * time.Second
	until := time.Now().Add(long)
	workers[0].Pause(until)
	workers[1].Pause(until.Add(-long / 2)) // which is shorter, and so nothing
	js, err := jetstream.New(bustest.Connect(t, s))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pause of the queue", func() bool {
		c, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer("p"))
		return err == nil && c.CachedInfo().PauseRemaining > 0
	})
	eventually(t, "the pause, as owners know it", func() bool { return !o.Load("p").PausedUntil.IsZero() })
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			if a := call(t.Context(), o, job(nil)); a.err != nil || a.end == nil || a.end.Error != nil {
				t.Errorf("a call that waits: got %+v", a)
			}
			if early := time.Until(until); early > 20*time.Millisecond {
				t.Errorf("it was answered %v before the end of the pause", early)
			}
		})
	}
	calls.Wait()
	if late := -time.Until(until); late > 2*time.Second {
		t.Errorf("the last call was answered %v after the pause", late)
	}
}
