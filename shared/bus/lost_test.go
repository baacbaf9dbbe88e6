package bus_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/llm"
)

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
