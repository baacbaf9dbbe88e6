package catalogsync

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

const (
	// restoreWait is how long the first snapshot waits for what the last
	// process knew.
	restoreWait = 2 * time.Second

	// A file that cannot be used is tried again after saveDelay, then after
	// twice as long, up to saveDelayMax.
	saveDelay    = time.Second
	saveDelayMax = time.Minute

	// replaceEvery is how often a damaged file is replaced at the most: where
	// the disk is what is damaged, new files would only add up.
	replaceEvery = 10 * time.Minute

	// lastSave bounds the saving of what is known at the end.
	lastSave = 3 * time.Second

	memoryOnly = "the catalog's database cannot be used, going on in memory"
)

// A saver keeps the database. It runs beside the sync, which never waits for
// it: a file that is locked, full or gone holds up nothing but itself.
type saver struct {
	path  string
	log   *slog.Logger
	given chan []sqlite.Entry // what to save; holds the last only
	asked chan rosterSave
	found chan found    // gets, once, what the file had at the start
	tried chan struct{} // closed when that was tried for the first time

	// Only run uses these.
	store    *sqlite.Store // nil while there is none
	reported reports
	pending  []sqlite.Entry // to be saved; nil: nothing is
	roster   *roster.Roster // that the file has, or is to have; nil: nobody knows
	unsaved  bool           // the roster is to be saved
	told     bool           // found has got it
	failures int            // in a row
	replaced time.Time      // when a damaged file was, last
}

func newSaver(path string, log *slog.Logger) *saver {
	return &saver{
		path: path, log: log, reported: reports{log: log, failing: map[string]string{}},
		given: make(chan []sqlite.Entry, 1), asked: make(chan rosterSave), found: make(chan found, 1), tried: make(chan struct{}),
	}
}

// give has entries saved soon, in place of what was given before. Entries must
// not be changed any more.
func (s *saver) give(entries []sqlite.Entry) {
	for {
		select {
		case s.given <- entries:
			return
		case <-s.given: // only this function sends: there is room now, or in a moment
		}
	}
}

// run keeps the file until ctx is done.
func (s *saver) run(ctx context.Context) {
	tried := sync.OnceFunc(func() { close(s.tried) })
	defer tried()
	if s.path == "" {
		s.found <- found{}
		return
	}
	defer s.close()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			s.end(ctx)
			return
		case s.pending = <-s.given:
		case a := <-s.asked:
			a.done <- s.saveRoster(ctx, a.roster)
			continue
		case <-retry.C:
		}
		if s.work(ctx) {
			retry.Stop()
		} else {
			retry.Reset(min(saveDelay<<min(s.failures, 16), saveDelayMax))
			s.failures++
		}
		tried()
	}
}

// end saves what is known and not stored yet, unless the file could not be used
// just now.
func (s *saver) end(ctx context.Context) {
	select {
	case s.pending = <-s.given:
	default:
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSave)
	defer cancel()
	if s.told && s.pending != nil && s.failures == 0 {
		s.work(ctx)
	}
}

// work does what can be done now. It reports whether nothing is left.
func (s *saver) work(ctx context.Context) bool {
	err := s.attempt(ctx)
	if errors.Is(err, sqlite.ErrDamaged) && s.replace(err) {
		err = s.attempt(ctx)
	}
	if err != nil {
		s.close()
		s.reported.say(ctx, slog.LevelError, memoryOnly, err)
		return false
	}
	s.reported.say(ctx, slog.LevelInfo, memoryOnly, nil)
	s.failures = 0
	return true
}

// attempt opens the file, reads it for the first time, and saves.
func (s *saver) attempt(ctx context.Context) error {
	if s.store == nil {
		store, err := sqlite.Open(ctx, s.path)
		if err != nil {
			s.peek(ctx, err)
			return err
		}
		s.store = store
	}
	if !s.told {
		stored, err := s.store.Load(ctx)
		if err != nil {
			return err
		}
		defined, err := s.store.LoadRoster(ctx)
		if err != nil {
			return err
		}
		s.roster = &defined
		s.tell(found{stored, defined})
	}
	if s.unsaved {
		if err := s.store.SaveRoster(ctx, *s.roster); err != nil {
			return err
		}
		s.unsaved = false
	}
	if s.pending == nil {
		return nil
	}
	if err := s.store.Save(ctx, s.pending); err != nil {
		return err
	}
	s.pending = nil
	return nil
}

// peek reads a file that cannot be written.
func (s *saver) peek(ctx context.Context, err error) {
	if s.told || errors.Is(err, sqlite.ErrDamaged) {
		return
	}
	stored, err := sqlite.Peek(ctx, s.path)
	if err != nil {
		return
	}
	defined, err := sqlite.PeekRoster(ctx, s.path)
	if errors.Is(err, sqlite.ErrDamaged) { // it has no table for one: it is of an earlier version
		s.log.Debug("the file has no roster of providers", slog.Any(logging.KeyError, err))
	} else if err != nil {
		return // what is there must not be taken for nothing
	}
	s.roster = &defined
	s.tell(found{stored, defined})
}

func (s *saver) tell(f found) {
	s.told = true
	s.found <- f
}

// replace sets a damaged file aside. It reports whether there is room for a new
// one, which gets what is in memory.
func (s *saver) replace(damage error) bool {
	s.close()
	now := time.Now()
	if !s.replaced.IsZero() && now.Sub(s.replaced) < replaceEvery {
		return false
	}
	aside, err := sqlite.SetAside(s.path, now)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Error("the catalog's database is damaged and cannot be set aside", slog.Any(logging.KeyError, errors.Join(damage, err)))
		return false
	}
	s.replaced, s.unsaved = now, s.roster != nil
	s.log.Error("the catalog's database is damaged; it is set aside and made anew",
		slog.Any(logging.KeyError, damage), slog.String("aside", cmp.Or(aside, s.path)))
	return true
}

func (s *saver) close() {
	if s.store == nil {
		return
	}
	if err := s.store.Close(); err != nil {
		s.log.Warn("the catalog's database did not close", slog.Any(logging.KeyError, err))
	}
	s.store = nil
}
