package catalogsync

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

const publishTimeout = 5 * time.Second

// publish publishes the state. What fails is tried again by check.
func (s *Sync) publish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	now := time.Now()
	// The clock makes revisions grow over restarts, the counter when the clock
	// does not.
	revision := max(s.revision+1, uint64(now.UnixMilli()))
	err := catalog.Publish(ctx, s.js, s.snapshot(revision, now))
	if err != nil {
		level := slog.LevelWarn
		if errors.Is(err, jetstream.ErrBucketNotFound) && s.revision == 0 {
			level = slog.LevelDebug // whoever sets it up has not come to it
		}
		s.checkAt = now.Add(firstCheck)
		if s.js.Conn().IsConnected() { // otherwise whoever made the connection says so
			s.report(ctx, level, "the catalog cannot be published, trying again", err)
		}
		return
	}
	s.report(ctx, slog.LevelInfo, "the catalog cannot be published, trying again", nil)
	s.revision, s.checkAt = revision, now.Add(s.checkEvery)
	s.readyOnce.Do(func() { close(s.ready) })
}

// check publishes again when the last snapshot is not there: it could not be
// published, or the server has lost it.
func (s *Sync) check(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	revision, err := catalog.Revision(bounded, s.js)
	if err == nil && (s.revision == 0 || revision < s.revision) {
		s.publish(ctx)
		return
	}
	delay := s.checkEvery
	if s.revision == 0 {
		delay = firstCheck // clients wait for the first one
	}
	s.checkAt = time.Now().Add(delay)
}

const memoryOnly = "the catalog's database cannot be used, going on in memory"

// restore opens the store and takes over what it knows.
func (s *Sync) restore(ctx context.Context) {
	if s.opts.Database == "" || s.store != nil {
		return
	}
	store, err := sqlite.Open(ctx, s.opts.Database)
	if err != nil {
		s.report(ctx, slog.LevelError, memoryOnly, err)
		return
	}
	s.store = store
	if s.restored {
		return
	}
	stored, err := store.Load(ctx)
	if err != nil {
		s.report(ctx, slog.LevelError, memoryOnly, err)
		s.closeStore()
		return
	}
	s.adopt(stored)
	s.restored = true
}

// save stores the state. After a failure the file is opened anew at the next
// time.
func (s *Sync) save(ctx context.Context) {
	missed := !s.restored
	s.restore(ctx)
	if s.store == nil {
		return
	}
	if missed {
		s.publish(ctx) // what the store knew and the last snapshot does not
	}
	if err := s.store.Save(ctx, s.entries); err != nil {
		s.report(ctx, slog.LevelError, memoryOnly, err)
		s.closeStore()
		return
	}
	s.report(ctx, slog.LevelInfo, memoryOnly, nil)
}

func (s *Sync) closeStore() {
	if s.store == nil {
		return
	}
	if err := s.store.Close(); err != nil {
		s.log.Warn("the catalog's database did not close", slog.Any(logging.KeyError, err))
	}
	s.store = nil
}

// report logs a trouble when it begins or changes, and that a trouble that was
// logged is over when err is nil.
func (s *Sync) report(ctx context.Context, level slog.Level, trouble string, err error) {
	last := s.failing[trouble]
	switch {
	case err == nil && last != "":
		delete(s.failing, trouble)
		s.log.Log(ctx, level, "over: "+trouble)
	case !s.log.Enabled(ctx, level): // then its end is not to be told, either
	case err != nil && err.Error() != last && !errors.Is(err, context.Canceled):
		s.failing[trouble] = err.Error()
		s.log.Log(ctx, level, trouble, slog.Any(logging.KeyError, err))
	}
}
