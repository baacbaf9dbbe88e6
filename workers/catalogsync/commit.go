package catalogsync

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/roster"
)

const (
	publishTimeout = 5 * time.Second
	unpublished    = "the catalog cannot be published, trying again"
)

// publish publishes the state. What fails is tried again by check.
func (s *Sync) publish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	s.unpublished = true
	if s.lease.lost = !s.lease.mine(ctx, s.js); s.lease.lost {
		return
	}
	now := time.Now()
	// The clock makes revisions grow over restarts, the counters when the clock
	// does not.
	revision := max(s.revision+1, s.floor+1, uint64(now.UnixMilli()))
	snap := s.snapshot(revision, now)
	snap.Rules = s.rules.Load()
	snap.Providers = slices.DeleteFunc(snap.Providers, s.isUnheard)
	for i, p := range snap.Providers {
		if state := s.roster.State(p.Name); state != roster.Open {
			snap.Providers[i].State = string(state)
		}
	}
	s.meter(&snap)
	err := catalog.Publish(ctx, s.js, snap)
	if err != nil {
		level := slog.LevelWarn
		if errors.Is(err, jetstream.ErrBucketNotFound) && s.revision == 0 {
			level = slog.LevelDebug // whoever sets it up has not come to it
		}
		s.checkAt = now.Add(firstCheck)
		if s.js.Conn().IsConnected() { // otherwise whoever made the connection says so
			s.reported.say(ctx, level, unpublished, err)
		}
		return
	}
	s.reported.say(ctx, slog.LevelInfo, unpublished, nil)
	s.revision, s.unpublished = revision, false
	s.checkAt = now.Add(s.untilCheck())
	s.readyOnce.Do(func() { close(s.ready) })
	s.review(&snap)
}

// check publishes again what is not there, the roster or the last snapshot: it
// could not be published, or the server has lost it.
func (s *Sync) check(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if s.lease.lost = !s.lease.mine(bounded, s.js); s.lease.lost {
		return
	}
	s.checkRoster(bounded) // first, so that no call is made by limits that were changed
	revision, err := catalog.Revision(bounded, s.js)
	if err == nil && (s.revision == 0 || s.unpublished || revision < s.revision) {
		s.publish(ctx)
		return
	}
	s.checkAt = time.Now().Add(s.untilCheck())
}

// untilCheck is how long after a check there is another one: not for long while
// clients wait for the first snapshot, or whoever keeps the queue for the limits.
func (s *Sync) untilCheck() time.Duration {
	if s.revision == 0 || s.untold > 0 && s.untold <= untoldChecks {
		return firstCheck
	}
	return s.checkEvery
}

// restore takes over what the last process knew, and has what is known saved
// from now on: before, that would have replaced the file's content.
func (s *Sync) restore(ctx context.Context, stored found) {
	s.know(ctx, stored.roster)
	s.recollect(stored.entries, time.Now())
	s.adopt(stored.entries)
	s.restored = true
	if s.roster.Revision > stored.roster.Revision { // the file was lost, or is an old one
		s.save(ctx, savedOrder{next: s.roster})
	}
	if s.publishRoster(ctx); s.roster.Revision == 0 {
		s.checkRoster(ctx)
	}
}

// commit publishes what is known, and has it saved.
func (s *Sync) commit(ctx context.Context) {
	s.commitAt = time.Time{}
	s.publish(ctx)
	if s.lease.lost {
		return
	}
	if s.restored {
		s.saver.give(slices.Clone(s.entries)) // whose models are replaced, never changed
	}
	s.answer()
}
