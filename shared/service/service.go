// Package service runs the long-lived parts of a process: it starts them in
// order and stops them in reverse, so that none loses what it stands on while
// it still finishes its work. It knows nothing of what the parts do and does
// not restart them: a part that can be helped by trying again does so itself.
package service

import (
	"context"
	"errors"
	"time"
)

// ErrStop is the cause of a part's context when the part is asked to stop, so
// that an orderly stop can be told from a failure.
var ErrStop = errors.New("stop requested")

// A Service is anything long-lived.
type Service interface {
	// Run works until ctx is done, finishes what it began and returns nil.
	// An error means that it could not go on.
	Run(ctx context.Context) error
}

// A Readier is a [Service] that needs a while before others can rely on it.
type Readier interface {
	Service

	// Ready returns a channel that is closed once the service can be used.
	Ready() <-chan struct{}
}

// A Part is a service with its place in a process.
type Part struct {
	Name    string // for logs and errors
	Service Service
	Grace   time.Duration // how long it may take to stop; default 10s
}

const defaultGrace = 10 * time.Second
