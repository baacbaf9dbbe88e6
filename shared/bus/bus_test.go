package bus_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/llm"
)

// fast are intervals a tenth of the real ones.
var fast = bus.Timing{
	Heartbeat: 100 * time.Millisecond, Probe: 200 * time.Millisecond, Lost: 350 * time.Millisecond,
	OwnerLost: 1500 * time.Millisecond, Hello: 200 * time.Millisecond, Publish: 200 * time.Millisecond,
	Outage: 2 * time.Second, Presence: 100 * time.Millisecond, Absent: 600 * time.Millisecond, Linger: time.Second,
}

const ackWait = 600 * time.Millisecond

func start(t *testing.T) *server.Server { return bustest.Start(t, ackWait, "p") }

func newOwner(t *testing.T, nc *nats.Conn, options bus.OwnerOptions) *bus.Owner {
	t.Helper()
	options.Timing = fast
	o, err := bus.NewOwner(nc, options)
	if err != nil {
		t.Fatal(err)
	}
	run(t, o.Run)
	return o
}

func newWorker(t *testing.T, nc *nats.Conn, options bus.WorkerOptions, h bus.Handler) (stop func()) {
	t.Helper()
	options.Timing = fast
	w, err := bus.NewWorker(nc, "p", options, h)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, w.Run)
}

// run runs a service until the test ends, or until stop is called.
func run(t *testing.T, service func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := service(ctx); err != nil {
			t.Errorf("service: %v", err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func job(body []byte) bus.Job {
	return bus.Job{
		Request: bus.NewID(), Provider: "p", Model: "m", Encoding: bus.Native,
		Dialect: "openai", Operation: "chat/completions", Body: body,
	}
}

// answer is a folded answer.
type answer struct {
	data     []byte
	heads    int
	end      *bus.End
	attempts int
	err      error
}

func call(ctx context.Context, o *bus.Owner, j bus.Job) (a answer) {
	c, err := o.Call(j)
	if err != nil {
		return answer{err: err}
	}
	for b, err := range c.Batches(ctx) {
		if err != nil {
			a.err = err
			break
		}
		for _, m := range b.Messages {
			switch m := m.(type) {
			case bus.Head:
				a.heads, a.data = a.heads+1, nil
			case bus.Data:
				a.data = append(a.data, m...)
			case bus.End:
				a.end = &m
			}
		}
	}
	a.attempts = c.Attempts()
	return a
}

// echo answers with the body of the job.
func echo(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
	r.Head(bus.Head{ContentType: "text/plain"})
	if err := r.Data(ctx, j.Body); err != nil {
		return bus.End{Error: llm.AsError(err)}
	}
	return bus.End{Reason: llm.FinishStop, Usage: &llm.Usage{Input: len(j.Body)}}
}

func TestCallIsAnswered(t *testing.T) {
	t.Parallel()
	large := make([]byte, 3<<20)
	if _, err := rand.Read(large); err != nil {
		t.Fatal(err)
	}
	shared := &bus.Local{}
	tests := []struct {
		name  string
		body  []byte
		local *bus.Local
	}{
		{"small", []byte("hello"), nil},
		{"empty", nil, nil},
		{"held, in pieces", large, nil},
		{"held, by reference", large, shared},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t)
			o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{Local: tt.local})
			newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Local: tt.local}, echo)
			a := call(t.Context(), o, job(tt.body))
			if a.err != nil || a.end == nil || a.end.Error != nil {
				t.Fatalf("answer %+v", a)
			}
			if !bytes.Equal(a.data, tt.body) {
				t.Errorf("got %d bytes, want the %d of the body", len(a.data), len(tt.body))
			}
			if a.end.Usage.Input != len(tt.body) || a.end.Reason != llm.FinishStop || a.attempts != 1 {
				t.Errorf("end %+v after %d attempts", a.end, a.attempts)
			}
		})
	}
}

func TestManyStreamsKeepApart(t *testing.T) {
	t.Parallel()
	const calls, chunks = 200, 50
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	for range 2 {
		newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
			r.Head(bus.Head{})
			for i := range chunks {
				if err := errors.Join(r.Data(ctx, fmt.Appendf(nil, "%s:%d\n", j.Body, i)), r.Flush(ctx)); err != nil {
					return bus.End{Error: llm.AsError(err)}
				}
			}
			return bus.End{}
		})
	}
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			nonce := fmt.Sprintf("nonce-%d", i)
			var want []byte
			for n := range chunks {
				want = fmt.Appendf(want, "%s:%d\n", nonce, n)
			}
			if a := call(t.Context(), o, job([]byte(nonce))); a.err != nil || !bytes.Equal(a.data, want) {
				t.Errorf("call %d: got %d bytes, error %v, want %d", i, len(a.data), a.err, len(want))
			}
		})
	}
	wg.Wait()
}

// A slow client slows its own upstream down, and nobody's memory grows.
func TestWindowStopsAFastWorker(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	var written atomic.Int64
	const total = 8 << 20
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		chunk := make([]byte, 64<<10)
		for written.Load() < total {
			if err := errors.Join(r.Data(ctx, chunk), r.Flush(ctx)); err != nil {
				return bus.End{Error: llm.AsError(err)}
			}
			written.Add(int64(len(chunk)))
		}
		return bus.End{}
	})
	c, err := o.Call(job(nil))
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for b, err := range c.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if read == 0 { // wait until the worker has run into its window
			last := int64(-1)
			for now := written.Load(); now != last; now = written.Load() {
				last = now
				<-time.After(300 * time.Millisecond)
			}
			if last > 1<<20 {
				t.Errorf("the worker wrote %d bytes ahead of a client that does not read", last)
			}
		}
		for _, m := range b.Messages {
			if d, ok := m.(bus.Data); ok {
				read += len(d)
			}
		}
	}
	if read != total {
		t.Errorf("read %d bytes, want %d", read, total)
	}
}

func TestClientLeaves(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		events int // read before leaving
	}{
		{"before the first byte", 0},
		{"in the middle", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t)
			o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
			running, stopped := make(chan struct{}), make(chan error, 1)
			newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
				close(running)
				for range tt.events {
					if err := errors.Join(r.Data(ctx, []byte("x")), r.Flush(ctx)); err != nil {
						break
					}
				}
				<-ctx.Done()
				stopped <- context.Cause(ctx)
				return bus.End{Error: llm.AsError(context.Cause(ctx))}
			})
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			go func() {
				<-running
				if tt.events == 0 {
					leave()
				}
			}()
			c, err := o.Call(job(nil))
			if err != nil {
				t.Fatal(err)
			}
			read := 0
			for b, err := range c.Batches(ctx) {
				if err != nil {
					break
				}
				if read += len(b.Messages); read > 0 {
					break
				}
			}
			select {
			case <-stopped:
			case <-time.After(time.Second):
				t.Error("the worker goes on 1s after the client has left")
			}
		})
	}
}

func TestQueuedJobOfGoneClientIsNotRun(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	ctx, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	if a := call(ctx, o, job(nil)); a.err == nil || llm.AsError(a.err).Code != llm.CodeCanceled {
		t.Fatalf("answer without a worker: %+v", a)
	}
	var ran atomic.Bool
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		if string(j.Body) != "sentinel" {
			ran.Store(true)
		}
		return echo(ctx, j, r)
	})
	if a := call(t.Context(), o, job([]byte("sentinel"))); a.err != nil {
		t.Fatal(a.err)
	}
	if ran.Load() {
		t.Error("the job of a client that has left was run")
	}
}

// A dead owner's jobs are thrown away: nobody answers the hello.
func TestJobOfDeadOwnerIsNotRun(t *testing.T) {
	t.Parallel()
	s := start(t)
	dead := bustest.Connect(t, s)
	o, err := bus.NewOwner(dead, bus.OwnerOptions{Timing: fast})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Call(job(nil)); err != nil {
		t.Fatal(err)
	}
	if err := dead.Flush(); err != nil {
		t.Fatal(err)
	}
	dead.Close()
	var ran atomic.Bool
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		if string(j.Body) != "sentinel" {
			ran.Store(true)
		}
		return echo(ctx, j, r)
	})
	alive := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	if a := call(t.Context(), alive, job([]byte("sentinel"))); a.err != nil {
		t.Fatal(a.err)
	}
	if ran.Load() {
		t.Error("the job of a dead owner was run")
	}
}

// A worker whose connection breaks is lost: before content was delivered
// another one takes over, afterwards the call fails.
func TestWorkerIsLost(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		commit    bool
		wantCode  llm.Code
		wantCalls int32
	}{
		{"before the commit", false, "", 2},
		{"after the commit", true, llm.CodeInterrupted, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t)
			o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
			var calls atomic.Int32
			for range 2 {
				nc := bustest.Connect(t, s)
				newWorker(t, nc, bus.WorkerOptions{}, func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
					first := calls.Add(1) == 1
					r.Head(bus.Head{})
					if err := errors.Join(r.Data(ctx, []byte("part ")), r.Flush(ctx)); err != nil || !first {
						return bus.End{}
					}
					if err := nc.Flush(); err != nil {
						t.Error(err)
					}
					nc.Close() // as if the process had been killed
					<-ctx.Done()
					return bus.End{}
				})
			}
			c, err := o.Call(job(nil))
			if err != nil {
				t.Fatal(err)
			}
			var data []byte
			var failed error
			for b, err := range c.Batches(t.Context()) {
				failed = err
				for _, m := range b.Messages {
					if _, ok := m.(bus.Head); ok {
						data = nil
					} else if d, ok := m.(bus.Data); ok {
						data = append(data, d...)
					}
				}
				if tt.commit && err == nil && !c.Commit(b.Attempt) {
					t.Error("the first attempt could not commit")
				}
			}
			if tt.wantCode == "" && (failed != nil || string(data) != "part ") {
				t.Errorf("got %q, error %v", data, failed)
			}
			if tt.wantCode != "" && llm.AsError(failed).Code != tt.wantCode {
				t.Errorf("got error %v, want %s", failed, tt.wantCode)
			}
			<-time.After(2 * ackWait) // a redelivered job must not run
			if n := calls.Load(); n != tt.wantCalls {
				t.Errorf("%d calls upstream, want %d", n, tt.wantCalls)
			}
		})
	}
}

func TestHandlerPanicFailsItsCallOnly(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		if string(j.Body) == "panic" {
			panic("boom")
		}
		return echo(ctx, j, r)
	})
	if a := call(t.Context(), o, job([]byte("panic"))); a.end == nil || a.end.Error == nil || a.end.Error.Code != llm.CodeInternal {
		t.Errorf("answer %+v, want an internal error", a)
	}
	if a := call(t.Context(), o, job([]byte("fine"))); a.err != nil || string(a.data) != "fine" {
		t.Errorf("answer %+v after a panic", a)
	}
}

// A handler that is stuck gives no signs of life, and is given up.
func TestStuckHandlerIsGivenUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{MaxAttempts: 1})
	release := make(chan struct{})
	defer close(release)
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Stall: 200 * time.Millisecond}, func(context.Context, *bus.Job, *bus.Reply) bus.End {
		<-release
		return bus.End{}
	})
	began := time.Now()
	a := call(t.Context(), o, job(nil))
	if a.err == nil || time.Since(began) > 3*time.Second {
		t.Errorf("answer %+v after %s, want an error soon", a, time.Since(began))
	}
}

func TestWaitingHandlerIsNotGivenUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Stall: 100 * time.Millisecond}, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		r.Expect(10 * time.Second)
		<-time.After(3 * fast.Lost)
		return echo(ctx, j, r)
	})
	if a := call(t.Context(), o, job([]byte("late"))); a.err != nil || string(a.data) != "late" || a.attempts != 1 {
		t.Errorf("answer %+v, want the late one of the first attempt", a)
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	stopped := make(chan struct{})
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		defer close(stopped)
		r.Expect(time.Minute)
		<-ctx.Done()
		return bus.End{Error: llm.AsError(ctx.Err())}
	})
	j := job(nil)
	j.Deadline = time.Now().Add(300 * time.Millisecond)
	a := call(t.Context(), o, j)
	code := llm.Code("")
	if a.err != nil {
		code = llm.AsError(a.err).Code
	} else if a.end != nil && a.end.Error != nil {
		code = a.end.Error.Code
	}
	if code != llm.CodeTimeout {
		t.Errorf("answer %+v, want a timeout", a)
	}
	<-stopped
}

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
