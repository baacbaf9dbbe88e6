package bus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

// listening starts a server with a TCP port and a queue for provider p.
func listening(t *testing.T, port int, store string) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: store, NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS is not ready")
	}
	return s
}

func dial(t *testing.T, addr string) *nats.Conn {
	t.Helper()
	nc, err := bus.Connect(bus.Server{URL: "nats://" + addr}, t.Name(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// A proxy stands between a client and the server.
type proxy struct {
	net.Listener
	target string
	frozen atomic.Bool // swallows what the client sends

	mu    sync.Mutex
	shut  bool // takes no connections
	conns []net.Conn
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, target: target}
	go p.serve()
	t.Cleanup(func() { l.Close(); p.cut(true) })
	return p
}

func (p *proxy) serve() {
	for {
		down, err := p.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		up, err := net.Dial("tcp", p.target)
		if err != nil || p.shut {
			down.Close()
			p.mu.Unlock()
			continue
		}
		p.conns = append(p.conns, down, up)
		p.mu.Unlock()
		go io.Copy(down, up) //nolint:errcheck // ends with the connection
		go p.upward(up, down)
	}
}

// upward copies what the client sends; frozen, it does not even read.
func (p *proxy) upward(up, down net.Conn) {
	buf := make([]byte, 16<<10)
	for {
		for p.frozen.Load() {
			time.Sleep(10 * time.Millisecond)
		}
		n, err := down.Read(buf)
		if err != nil {
			up.Close()
			return
		}
		if _, err := up.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cut breaks all connections; shut, it lets none come back.
func (p *proxy) cut(shut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = shut
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *proxy) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = false
}

// count writes numbers until ctx is done or it has written n.
func count(n int, every time.Duration) bus.Handler {
	return func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{})
		for i := range n {
			if err := errors.Join(r.Data(ctx, fmt.Appendf(nil, "%d\n", i)), r.Flush(ctx)); err != nil {
				return bus.End{Error: llm.AsError(err)}
			}
			select {
			case <-time.After(every):
			case <-ctx.Done():
				return bus.End{Error: llm.AsError(context.Cause(ctx))}
			}
		}
		return bus.End{}
	}
}

func counted(n int) (s string) {
	for i := range n {
		s += fmt.Sprintf("%d\n", i)
	}
	return s
}

// Streams go on when one side's connection breaks for a moment, whichever it
// is, and whoever is back first.
func TestStreamOutlivesABrokenConnection(t *testing.T) {
	for _, side := range []string{"owner", "worker", "both, the worker back first", "both, the owner back first"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			s := listening(t, -1, t.TempDir())
			bustest.AddQueues(t, dial(t, s.Addr().String()), 6*time.Second, "p")
			ownerSide, workerSide := newProxy(t, s.Addr().String()), newProxy(t, s.Addr().String())
			o, err := bus.NewOwner(dial(t, ownerSide.Addr().String()), bus.OwnerOptions{})
			if err != nil {
				t.Fatal(err)
			}
			run(t, o.Run)
			w, err := bus.NewWorker(dial(t, workerSide.Addr().String()), "p", bus.WorkerOptions{}, count(200, 20*time.Millisecond))
			if err != nil {
				t.Fatal(err)
			}
			run(t, w.Run)
			c, err := o.Call(job(nil))
			if err != nil {
				t.Fatal(err)
			}
			var once sync.Once
			var got []byte
			for b, err := range c.Batches(t.Context()) {
				if err != nil {
					t.Fatalf("after %d bytes: %v", len(got), err)
				}
				for _, m := range b.Messages {
					switch m := m.(type) {
					case bus.Data:
						c.Commit(b.Attempt)
						got = append(got, m...)
					case bus.End:
						if m.Error != nil {
							t.Fatalf("after %d bytes: %v", len(got), m.Error)
						}
					}
				}
				if len(got) < 20 {
					continue
				}
				once.Do(func() {
					switch side {
					case "owner":
						ownerSide.cut(true)
						time.AfterFunc(900*time.Millisecond, ownerSide.open)
					case "worker":
						workerSide.cut(true)
						time.AfterFunc(900*time.Millisecond, workerSide.open)
					case "both, the worker back first":
						ownerSide.cut(true)
						workerSide.cut(false)
						time.AfterFunc(900*time.Millisecond, ownerSide.open)
					default:
						workerSide.cut(true)
						ownerSide.cut(false)
						time.AfterFunc(900*time.Millisecond, workerSide.open)
					}
				})
			}
			if want := counted(200); string(got) != want {
				t.Errorf("got %d bytes, want %d", len(got), len(want))
			}
		})
	}
}

// A server that reads nothing any more is noticed by who writes to it as soon
// as by who is silent.
func TestServerThatReadsNothingIsNoticed(t *testing.T) {
	s := listening(t, -1, t.TempDir())
	p := newProxy(t, s.Addr().String())
	nc := dial(t, p.Addr().String())
	p.frozen.Store(true)
	defer p.frozen.Store(false)
	began := time.Now()
	noticed := make(chan struct{})
	go func() {
		defer close(noticed)
		for nc.IsConnected() {
			_ = nc.Publish("x", make([]byte, 256<<10))
		}
	}()
	select {
	case <-noticed:
		t.Logf("noticed after %s", time.Since(began))
	case <-time.After(8 * time.Second):
		t.Error("not noticed within 8s: whoever publishes hangs, and holds the connection's lock")
	}
}

// Jobs that a worker fetched and does not start as it stops go to another one
// at once, not after the time that a dead worker's take.
func TestStoppingWorkerKeepsNoJob(t *testing.T) {
	s := bustest.Start(t, 20*time.Second, "p")
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, echo)
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	var worst atomic.Int64
	for range 32 {
		callers.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				bounded, stop := context.WithTimeout(t.Context(), 5*time.Second)
				if a := call(bounded, o, job([]byte("x"))); a.err != nil {
					t.Errorf("after %s: %v", time.Since(began), a.err)
				}
				stop()
				if d := int64(time.Since(began)); d > worst.Load() {
					worst.Store(d)
				}
			}
		})
	}
	for range 40 {
		stop := newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Concurrency: 64}, echo)
		time.Sleep(30 * time.Millisecond)
		stop()
	}
	cancel()
	callers.Wait()
	if d := time.Duration(worst.Load()); d > time.Second {
		t.Errorf("a call took %s while workers came and went", d)
	}
}

// A call to an owner that has stopped fails; it does not wait for ever.
func TestStoppedOwnerTakesNoCalls(t *testing.T) {
	s := start(t)
	o, err := bus.NewOwner(bustest.Connect(t, s), bus.OwnerOptions{Timing: fast})
	if err != nil {
		t.Fatal(err)
	}
	run(t, o.Run)()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if a := call(ctx, o, job(nil)); a.err == nil || ctx.Err() != nil {
		t.Errorf("answer %+v, want an error at once", a)
	}
}
