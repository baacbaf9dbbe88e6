package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// A hangup is a service that does something whenever the process gets a SIGHUP.
type hangup struct{ do func() }

// Run waits for signals until ctx is done.
func (h hangup) Run(ctx context.Context) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	defer signal.Stop(signals)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-signals:
			h.do()
		}
	}
}
