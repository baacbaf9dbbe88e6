package catalogsync

import (
	"context"
	"errors"

	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

// found is what the file had.
type found struct {
	entries []sqlite.Entry
	roster  roster.Roster
}

// A rosterSave asks for a roster to be saved.
type rosterSave struct {
	roster roster.Roster
	done   chan error // has room
}

// errUnsaved is what whoever has changed the roster is told.
var errUnsaved = errors.New("the catalog's database cannot be written now, so nothing was changed; try again later")

// define saves a roster, and returns when that is done or has failed. Unlike
// [saver.give] it does not try again: whoever asked for the change does.
func (s *saver) define(ctx context.Context, r roster.Roster) error {
	if s.path == "" {
		return nil
	}
	done := make(chan error, 1)
	select {
	case s.asked <- rosterSave{r, done}:
	case <-ctx.Done():
		return errUnsaved
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errUnsaved
	}
}

// saveRoster saves a roster, or keeps to the one before.
func (s *saver) saveRoster(ctx context.Context, r roster.Roster) error {
	last := s.roster
	s.roster, s.unsaved = &r, true
	if s.work(ctx) {
		return nil
	}
	// The one before is saved again: the file may have been made anew, or have
	// got r all the same.
	s.roster, s.unsaved = last, last != nil
	return errUnsaved
}
