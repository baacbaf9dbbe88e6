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
func run(t testing.TB, service func(context.Context) error) (stop func()) {
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
