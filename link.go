package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/service"
)

const (
	// patience is how long a server may be missing before we say so.
	patience = time.Second

	// flushTimeout bounds the wait for a server that does not answer any more.
	flushTimeout = time.Second
)

// A link is a connection to NATS.
type link struct {
	nc     *nats.Conn
	log    *slog.Logger
	server string // to be named in the log; empty: somebody else does
}

// watch waits until ctx is done. Until the server is there for the first time
// it says so; what happens then the connection itself logs. It returns an error
// when the connection has given up, as it does when it is not let in.
func (l link) watch(ctx context.Context) error {
	changed := l.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer l.nc.RemoveStatusListener(changed)
	late := time.NewTimer(patience)
	defer late.Stop()
	for waiting := l.server != ""; ; {
		switch {
		case l.nc.IsClosed():
			return fmt.Errorf("NATS does not let us in: %w; check NATS_URL and NATS_CREDS", l.nc.LastError())
		case waiting && l.nc.IsConnected():
			waiting = false
			l.log.Info("connected to NATS", slog.String("server", l.server))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-late.C:
			if waiting {
				l.log.Warn("NATS is not there yet; waiting for it", slog.String("server", l.server),
					slog.String("next", `run "allama broker", or set NATS_URL`))
			}
		}
	}
}

// A connected is a service that ends with its connection, and closes it when it
// has ended, so that what it said last arrives and the server finds nobody left.
type connected struct {
	service.Service
	link
}

func (c connected) Run(ctx context.Context) error {
	defer c.nc.Close()
	ctx, stop := context.WithCancel(ctx)
	var refused error
	var watching sync.WaitGroup
	watching.Go(func() {
		refused = c.watch(ctx)
		stop()
	})
	err := c.Service.Run(ctx)
	stop()
	watching.Wait()
	if refused != nil {
		return refused
	}
	if c.nc.IsConnected() {
		_ = c.nc.FlushTimeout(flushTimeout) // nothing can be done about it
	}
	return err
}

// Ready is the service's, or at once.
func (c connected) Ready() <-chan struct{} {
	if r, ok := c.Service.(service.Readier); ok {
		return r.Ready()
	}
	ready := make(chan struct{})
	close(ready)
	return ready
}
