// Package broker is NATS as allama runs it: the embedded server, and the
// streams, consumers and buckets that every server, embedded or not, must have.
// It carries no calls; package bus does that over a connection to it.
package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	startTimeout = 10 * time.Second

	// The limits of JetStream are limits, not reservations: they have to hold
	// the whole topology, see [Topology].
	maxMemory = 1 << 30
	maxStore  = 4 << 30

	maxPayload = 8 << 20 // bodies with images; the most that NATS advises
	maxPending = 64 << 20

	// A client that reads nothing for so long is cut off. Until then nobody
	// waits for it, see NoFastProducerStall.
	writeDeadline = 2 * time.Second

	// A peer that vanished without a word is noticed after 15 s.
	pingInterval = 5 * time.Second
	pingMax      = 2
)

// A Server is an embedded NATS server with JetStream. It is a
// [github.com/offbeat-studio/allama/shared/service.Service].
type Server struct {
	nats  *server.Server
	cfg   Config
	fatal <-chan string
	store io.Closer // of the lock on the store, or of the folder in its place

	clustered bool
}

// Start starts a server and returns when it can be connected to. It fails when
// cfg is not valid, when the address is taken, and when the store cannot be
// used or is another server's. Whoever starts a server must also call
// [Server.Run]. A nil logger discards.
func Start(cfg Config, log *slog.Logger) (*Server, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	opts, err := cfg.options()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, clustered: opts.Cluster.Port != 0}
	if err := s.takeStore(opts, log); err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	if s.nats, err = server.NewServer(opts); err != nil {
		return nil, errors.Join(fmt.Errorf("start NATS: %w", err), s.store.Close())
	}
	logger := newLogger(log)
	s.fatal = logger.fatal
	s.nats.SetLoggerV2(logger, logger.debugs(), false, false)
	if err := s.start(); err != nil {
		s.shutdown()
		return nil, errors.Join(fmt.Errorf("start NATS: %w", err), s.store.Close())
	}
	return s, nil
}

// takeStore makes sure that the server has a folder of its own.
func (s *Server) takeStore(opts *server.Options, log *slog.Logger) error {
	if opts.StoreDir != "" {
		var err error
		s.store, err = lock(opts.StoreDir)
		return err
	}
	folder, err := newScratch(log)
	if err != nil {
		return err
	}
	opts.StoreDir, s.store = folder.dir, folder
	return nil
}

// start returns when the server answers, or has said why it will not.
func (s *Server) start() error {
	go s.nats.Start()
	ready := make(chan bool, 1)
	go func() { ready <- s.nats.ReadyForConnections(startTimeout) }()
	select {
	case why := <-s.fatal:
		return errors.New(why)
	case ok := <-ready:
		if !ok {
			return fmt.Errorf("not ready within %v", startTimeout)
		}
		return nil
	}
}

// Run waits until ctx is done and shuts the server down. It returns an error
// when the server stopped by itself.
func (s *Server) Run(ctx context.Context) error {
	gone := make(chan struct{})
	go func() { s.nats.WaitForShutdown(); close(gone) }()
	var err error
	select {
	case <-ctx.Done():
	case <-gone:
		err = errors.New("NATS stopped by itself")
	case why := <-s.fatal:
		err = fmt.Errorf("NATS: %s", why)
	}
	s.shutdown()
	<-gone
	return errors.Join(err, s.store.Close())
}

// shutdown is a lame duck's only in a cluster: without a listener that returns
// at once and leaves the server running, and with one it helps only clients that
// know another server.
func (s *Server) shutdown() {
	if s.clustered {
		s.nats.LameDuckShutdown()
	}
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

// Reload puts in force what has changed in the configuration file since it was
// read, such as the users. It fails, and changes nothing, where the file cannot
// be used, asks for what takes a restart, or is none: the server then runs by
// other fields of its [Config].
func (s *Server) Reload() error {
	if s.cfg.File == "" {
		return errors.New("NATS has no configuration file")
	}
	opts, err := s.cfg.options()
	if err != nil {
		return err
	}
	if err := s.nats.ReloadOptions(opts); err != nil {
		return fmt.Errorf("NATS configuration file: %w", err)
	}
	return nil
}

// InProcess is the option for [nats.Connect] that connects to the server
// without a socket, whether it listens or not. The URL is then ignored.
func (s *Server) InProcess() nats.Option {
	return func(o *nats.Options) error {
		o.InProcessServer = s.nats
		o.User, o.Password, o.Token = s.cfg.User, s.cfg.Password.Reveal(), s.cfg.Token.Reveal()
		return nil
	}
}
