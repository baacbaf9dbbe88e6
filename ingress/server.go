// Package ingress is the HTTP side of allama: it takes calls in the clients'
// dialects, hands them to the bus, and writes the answers back. It knows
// neither upstreams nor their keys.
package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/failover"
	"github.com/offbeat-studio/allama/shared/idem"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/metrics"
	"github.com/offbeat-studio/allama/shared/queue"
)

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 120 * time.Second
	headerSize    = 64 << 10
	silence       = 15 * time.Second // after which a stream shows a sign of life
	firstWord     = 5 * time.Second  // after which a client that waits for its turn is told so; until then it can get a status
	lastWords     = 5 * time.Second  // for calls that are told that the server stops
)

// peers finds those that vanished without a word within a minute.
var peers = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 3}

// Parts are what a [Server] stands on. The owner and the catalog are run by
// whoever made them, and must outlive the server.
type Parts struct {
	Owner   *bus.Owner
	Catalog *catalog.View
	Logger  *slog.Logger // default: discard
	Calls   *idem.Book   // of calls with an idempotency key; nil: no other server has the same clients

	Providers Providers
	Metrics   *metrics.Registry // nil: nothing is counted
}

// A Server serves clients over HTTP. It is a
// [github.com/offbeat-studio/allama/shared/service.Readier].
type Server struct {
	cfg       Config
	owner     *bus.Owner
	catalog   *catalog.View
	providers Providers
	seeker    *seeker
	lobby
	log       *slog.Logger
	keys      keyring
	guard     guard
	speakers  []*speaker
	calls     map[string]*speaker // by the path of the call
	handler   http.Handler
	keepAlive time.Duration
	firstWord time.Duration
	life
}

// A lobby is where calls are shown their way, wait, and are seen.
type lobby struct {
	guide   *failover.Guide
	gate    *queue.Gate
	board   board
	cluster cluster
	states  states
	meter   meter
}

// life is how far a server has come.
type life struct {
	ready    chan struct{}
	addr     atomic.Pointer[net.Addr]
	draining atomic.Bool
	errands  *errands // which it waits for in the end
}

// New returns a server that does not listen yet. It fails when cfg is not
// valid, with all that is wrong, and when the file of keys cannot be used.
func New(cfg Config, parts Parts) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	log := parts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg: cfg.withDefaults(), owner: parts.Owner, catalog: parts.Catalog, providers: parts.Providers,
		log:      log.With(slog.String(logging.KeyComponent, "ingress")),
		speakers: speakers(), calls: map[string]*speaker{},
		keepAlive: silence, firstWord: firstWord, life: life{ready: make(chan struct{})},
	}
	s.board.slips, s.cluster.id = map[string]*slip{}, bus.NewID()[:peerID]
	s.guard = newGuard(s.cfg)
	s.seeker = &seeker{catalog: s.catalog, log: s.log, wait: seekWait}
	s.errands = newErrands(s.cfg.Keep, parts.Calls)
	s.guide = failover.NewGuide(failover.Options{Load: s.load})
	s.gate = queue.NewGate(queue.Options{Depth: s.cfg.QueueDepth, Cap: s.limit})
	s.meter = s.newMeter(parts.Metrics)
	if cfg.KeysFile != "" {
		var err error
		if s.keys, err = loadKeys(cfg.KeysFile, s.log); err != nil {
			return nil, fmt.Errorf("ALLAMA_KEYS_FILE: %w", err)
		}
	}
	s.handler = s.front(s.router())
	return s, s.listen()
}

// Handler returns what the server serves.
func (s *Server) Handler() http.Handler { return s.handler }

// Ready returns a channel that is closed once the server listens.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr returns the address that the server listens on, nil before it does.
func (s *Server) Addr() net.Addr {
	if a := s.addr.Load(); a != nil {
		return *a
	}
	return nil
}

// Run serves until ctx is done. It then says that it is not ready, goes on for
// the drain delay, accepts no more, and lets the running calls end within the
// drain timeout; what still runs then is told so and ended. It fails when it
// cannot listen, and may be called once.
func (s *Server) Run(ctx context.Context) error {
	l, err := (&net.ListenConfig{KeepAliveConfig: peers}).Listen(ctx, "tcp", s.cfg.address())
	if err != nil {
		return fmt.Errorf("listen for clients (HOST, PORT): %w", err)
	}
	addr := l.Addr()
	s.addr.Store(&addr)
	calls, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	go s.follow(calls)
	web := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerSize,
		BaseContext:       func(net.Listener) context.Context { return calls },
		ConnContext:       withConn,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener{l}) }()
	close(s.ready)
	s.log.Info("listening", slog.String("address", addr.String()))
	select {
	case err := <-failed:
		return fmt.Errorf("serve clients: %w", err)
	case <-ctx.Done():
	}
	err = s.drain(web, end)
	<-failed
	return err
}

// drain ends the server in an orderly way.
func (s *Server) drain(web *http.Server, end context.CancelCauseFunc) error {
	s.draining.Store(true)
	if s.cfg.DrainDelay > 0 {
		<-time.After(s.cfg.DrainDelay)
	}
	if s.shutdown(web, s.cfg.DrainTimeout) == nil {
		return nil
	}
	s.log.Warn("the drain timeout is over, ending the calls that still run")
	end(errStopping)
	s.errands.stop(errStopping)
	if s.shutdown(web, lastWords) == nil {
		return nil
	}
	return errors.Join(errors.New("clients that take nothing were cut off"), web.Close())
}

// shutdown stops accepting and waits for the running calls, and for those whose
// clients have left.
func (s *Server) shutdown(web *http.Server, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := web.Shutdown(ctx); err != nil {
		return err
	}
	return s.errands.wait(ctx)
}
