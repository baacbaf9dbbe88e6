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
		n, err := down.Read(buf)
		if err != nil {
			up.Close()
			return
		}
		for p.frozen.Load() {
			time.Sleep(10 * time.Millisecond)
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

// breakFor breaks the connections and lets them come back after d.
func (p *proxy) breakFor(d time.Duration) {
	if d == 0 {
		return
	}
	p.cut(true)
	time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.shut = false
	})
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

// Streams go on when a connection breaks for a moment, whoever is back first.
func TestStreamsOutliveABrokenConnection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		owner, worker time.Duration // how long their connections stay away; 0: not broken
	}{
		{"the owner's", 1200 * time.Millisecond, 0},
		{"the worker's", 0, 1200 * time.Millisecond},
		{"both, the worker is back first", 1200 * time.Millisecond, time.Millisecond},
		{"both, the owner is back first", time.Millisecond, 1200 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
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
			var streams sync.WaitGroup
			for range 8 { // begun one after another: some look for a sign of life while there is none
				streams.Go(func() { checkCounted(t, o, 200) })
				time.Sleep(200 * time.Millisecond)
			}
			ownerSide.breakFor(tt.owner)
			workerSide.breakFor(tt.worker)
			streams.Wait()
		})
	}
}

func checkCounted(t *testing.T, o *bus.Owner, n int) {
	t.Helper()
	c, err := o.Call(job(nil))
	if err != nil {
		t.Error(err)
		return
	}
	var got []byte
	for b, err := range c.Batches(t.Context()) {
		if err != nil {
			t.Errorf("after %d bytes: %v", len(got), err)
			return
		}
		for _, m := range b.Messages {
			switch m := m.(type) {
			case bus.Data:
				c.Commit(b.Attempt)
				got = append(got, m...)
			case bus.End:
				if m.Error != nil {
					t.Errorf("after %d bytes: %v", len(got), m.Error)
					return
				}
			}
		}
	}
	if want := counted(n); string(got) != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
}

// A server that reads nothing any more is noticed by who writes to it as soon
// as by who is silent.
func TestServerThatReadsNothingIsNoticed(t *testing.T) {
	t.Parallel()
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

// Of a cluster, a server that is frozen is left for another one within about two
// seconds, be there much to write to it or nothing.
func TestAFrozenServerOfSeveralIsLeft(t *testing.T) {
	t.Parallel()
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprintf("much to write: %v", busy), func(t *testing.T) {
			t.Parallel()
			s := listening(t, -1, t.TempDir())
			first, second := newProxy(t, s.Addr().String()), newProxy(t, s.Addr().String())
			urls := "nats://" + first.Addr().String() + ",nats://" + second.Addr().String()
			nc, err := bus.Connect(bus.Server{URL: urls}, t.Name(), nil, nats.DontRandomize())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(nc.Close)
			if got, want := nc.ConnectedAddr(), first.Addr().String(); got != want {
				t.Fatalf("connected to %s, want %s", got, want)
			}
			first.frozen.Store(true)
			defer first.frozen.Store(false)
			for began := time.Now(); nc.ConnectedAddr() != second.Addr().String(); <-time.After(time.Millisecond) {
				if took := time.Since(began); took > 3500*time.Millisecond {
					t.Fatalf("not at the other one after %v", took)
				}
				if busy {
					_ = nc.Publish("x", make([]byte, 256<<10)) // until the connection is lost
				}
			}
		})
	}
}

// An owner that is slow to answer has one attempt granted, and no letter is
// dead because of it.
func TestSlowOwnerIsAskedAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		slow  time.Duration
		tries int
	}{
		{"for two hellos", 500 * time.Millisecond, 1},
		{"for longer than jobs are delivered", 3 * time.Second, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			timing := bus.Timing{Hello: 200 * time.Millisecond}
			s := listening(t, -1, t.TempDir())
			nc := dial(t, s.Addr().String())
			bustest.AddQueues(t, nc, 6*time.Second, "p")
			dead, err := nc.SubscribeSync(bus.SubjectDLQ("p"))
			if err != nil {
				t.Fatal(err)
			}
			p := newProxy(t, s.Addr().String())
			ownerConn := dial(t, p.Addr().String())
			o, err := bus.NewOwner(ownerConn, bus.OwnerOptions{Timing: timing})
			if err != nil {
				t.Fatal(err)
			}
			run(t, o.Run)
			result := make(chan answer, 1)
			go func() { result <- call(t.Context(), o, job([]byte("x"))) }()
			time.Sleep(200 * time.Millisecond) // for the job to be stored
			p.frozen.Store(true)
			w, err := bus.NewWorker(nc, "p", bus.WorkerOptions{Timing: timing}, echo)
			if err != nil {
				t.Fatal(err)
			}
			run(t, w.Run)
			time.Sleep(tt.slow)
			p.frozen.Store(false)
			began := time.Now()
			a := <-result
			if a.err != nil || a.attempts > tt.tries {
				t.Errorf("answer %+v after %s, want one within %d attempts", a, time.Since(began), tt.tries)
			}
			if d := time.Since(began); tt.tries == 1 && d > time.Second {
				t.Errorf("answered %s after the owner woke up", d)
			}
			if n, _, _ := dead.Pending(); n != 0 {
				t.Errorf("%d dead letters, want none", n)
			}
		})
	}
}

// A server that is restarted, with its store or without, costs no running
// stream and no call, queued or new.
func TestServerIsRestarted(t *testing.T) {
	t.Parallel()
	for _, kept := range []bool{true, false} {
		t.Run(fmt.Sprintf("store kept: %v", kept), func(t *testing.T) {
			t.Parallel()
			store := t.TempDir()
			s := listening(t, -1, store)
			addr := s.Addr().(*net.TCPAddr)
			admin := dial(t, addr.String())
			bustest.AddQueues(t, admin, 6*time.Second, "p")
			o, err := bus.NewOwner(dial(t, addr.String()), bus.OwnerOptions{})
			if err != nil {
				t.Fatal(err)
			}
			run(t, o.Run)
			w, err := bus.NewWorker(dial(t, addr.String()), "p", bus.WorkerOptions{Concurrency: 4}, count(110, 20*time.Millisecond))
			if err != nil {
				t.Fatal(err)
			}
			run(t, w.Run)
			var streams sync.WaitGroup
			for range 8 { // four run, four wait
				streams.Go(func() { checkCounted(t, o, 110) })
			}
			time.Sleep(time.Second)
			s.Shutdown()
			s.WaitForShutdown()
			if !kept {
				store = t.TempDir()
			}
			streams.Go(func() {
				time.Sleep(300 * time.Millisecond)
				checkCounted(t, o, 110) // a new call, while there is no server
			})
			time.Sleep(1500 * time.Millisecond)
			listening(t, addr.Port, store)
			if err := admin.FlushTimeout(5 * time.Second); err != nil {
				t.Fatal(err)
			}
			if !kept {
				time.Sleep(time.Second) // until somebody sets the queue up
			}
			bustest.AddQueues(t, admin, 6*time.Second, "p")
			streams.Wait()
		})
	}
}
