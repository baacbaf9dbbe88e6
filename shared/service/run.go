package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/offbeat-studio/allama/shared/logging"
)

// Run starts the parts in order, each once those before it are ready, and
// waits until ctx is done or a part returns. Then it stops them in reverse
// order, each with its grace.
//
// It returns nil when ctx ended and all parts stopped in time. Otherwise the
// errors name their parts: a part that returned without being told to, one
// that failed while it stopped, and one that outstayed its grace, which is
// left behind running. A nil logger discards.
func Run(ctx context.Context, log *slog.Logger, parts ...Part) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	g := group{log: log, ended: make(chan *run, len(parts))}
	// The parts must outlive ctx: they are stopped one by one.
	base := context.WithoutCancel(ctx)
	for _, p := range parts {
		if !g.start(ctx, base, p) {
			break
		}
	}
	if g.failure == nil {
		g.wait(ctx)
	}
	return g.stop()
}

// A group is the parts that were started.
type group struct {
	log     *slog.Logger
	runs    []*run
	ended   chan *run // with room for all, so that an abandoned part can end
	failure error     // of the part that made the others stop
}

// A run is one part while it runs.
type run struct {
	Part
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when Run has returned
	err    error         // what it returned; read after done
}

// start runs p and waits until it is ready. It reports whether the next part
// may start.
func (g *group) start(ctx, base context.Context, p Part) bool {
	if ctx.Err() != nil {
		return false
	}
	child, cancel := context.WithCancelCause(base)
	r := &run{Part: p, cancel: cancel, done: make(chan struct{})}
	g.runs = append(g.runs, r)
	go func() {
		r.err = p.Service.Run(child)
		close(r.done)
		g.ended <- r
	}()
	ready, ok := p.Service.(Readier)
	if !ok {
		return true
	}
	select {
	case <-ready.Ready():
		g.log.Debug("ready", slog.String(logging.KeyComponent, p.Name))
		return true
	case early := <-g.ended:
		g.failure = early.unasked()
		return false
	case <-ctx.Done():
		return false
	}
}

// wait returns when there is a reason to stop.
func (g *group) wait(ctx context.Context) {
	if len(g.runs) == 0 {
		return
	}
	select {
	case early := <-g.ended:
		g.failure = early.unasked()
	case <-ctx.Done():
	}
}

// stop stops the parts in reverse and gathers what went wrong, the reason for
// the stop first.
func (g *group) stop() error {
	errs := []error{g.failure}
	for _, r := range slices.Backward(g.runs) {

		g.log.Debug("stopping", slog.String(logging.KeyComponent, r.Name))
		errs = append(errs, r.stop(g.failure))
	}
	return errors.Join(errs...)
}

// unasked returns the error of a part that returned without being told to.
func (r *run) unasked() error {
	if r.err == nil {
		return fmt.Errorf("%s: ended without being told to", r.Name)
	}
	return fmt.Errorf("%s: %w", r.Name, r.err)
}

// stop tells the part to stop and waits for it. It returns nil for an error
// that is known already.
func (r *run) stop(known error) error {
	r.cancel(ErrStop)
	grace := cmp.Or(r.Grace, defaultGrace)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
		return fmt.Errorf("%s: still running %v after it was told to stop", r.Name, grace)
	}
	switch {
	case r.err == nil, errors.Is(r.err, ErrStop), errors.Is(r.err, context.Canceled), errors.Is(known, r.err):
		return nil
	}
	return fmt.Errorf("%s: %w", r.Name, r.err)
}
