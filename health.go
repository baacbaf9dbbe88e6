package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/service"
)

// healthTimeout bounds a question about the health of a process, and its answer.
const healthTimeout = 3 * time.Second

// A health is a service that tells whether a process can do its work, and what it
// has done so far. Parts without a listener for clients are asked that way.
type health struct {
	listener net.Listener
	reasons  func() []string // why not, in words
	metrics  http.Handler
}

// Run answers until ctx is done.
func (h health) Run(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		reasons := h.reasons()
		if len(reasons) > 0 {
			http.Error(w, strings.Join(reasons, "\n"), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", h.metrics)
	server := &http.Server{Handler: mux, ReadTimeout: healthTimeout, WriteTimeout: healthTimeout}
	defer context.AfterFunc(ctx, func() { server.Close() })() //nolint:errcheck // nobody is left to be told
	if err := server.Serve(h.listener); ctx.Err() == nil {
		return err
	}
	return nil
}

// addHealth adds what tells how the process is, before all other parts, where
// that is asked for. It tells of those that were added until then.
func (p *process) addHealth(stopping context.Context) error {
	address := p.cfg.Remote.HealthListen
	if address == "" {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(stopping, "tcp", address)
	if err != nil {
		return fmt.Errorf("ALLAMA_HEALTH_LISTEN: %w", err)
	}
	parts := p.parts
	h := health{listener, func() []string { return p.notReady(stopping, parts) }, p.metrics.Handler()}
	p.parts = append([]service.Part{{Name: "health", Service: h}}, parts...)
	return nil
}

// notReady returns why the process cannot do its work.
func (p *process) notReady(stopping context.Context, parts []service.Part) (reasons []string) {
	if stopping.Err() != nil {
		reasons = append(reasons, "shutting down")
	}
	for _, l := range p.links {
		if !l.nc.IsConnected() {
			reasons = append(reasons, "the bus is not connected")
			break
		}
	}
	for _, part := range parts {
		if why := lacks(part.Service); why != "" {
			reasons = append(reasons, part.Name+": "+why)
		}
	}
	return reasons
}

// lacks returns what a part waits for.
func lacks(s service.Service) string {
	if c, ok := s.(connected); ok {
		s = c.Service
	}
	if w, ok := s.(interface{ Attached() bool }); ok && !w.Attached() {
		return "no queue to take calls from"
	}
	if r, ok := s.(service.Readier); ok {
		select {
		case <-r.Ready():
		default:
			return "not begun"
		}
	}
	return ""
}
