package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/offbeat-studio/allama/shared/roster"
)

// ErrDamaged is in the errors for a file whose content is not what this package
// has written: it is no database, or pages of it are broken.
var ErrDamaged = errors.New("the file is damaged")

// damaging are the codes by which SQLite says so. ErrError and ErrConstraint
// are among them because the statements and what they store are always right
// for the tables as they are made.
var damaging = map[sqlite3.ErrNo]bool{
	sqlite3.ErrCorrupt: true, sqlite3.ErrNotADB: true, sqlite3.ErrMismatch: true,
	sqlite3.ErrError: true, sqlite3.ErrConstraint: true,
}

// judge puts ErrDamaged into an error of reading or writing the tables.
func judge(err error) error {
	if e, ok := errors.AsType[sqlite3.Error](err); ok && damaging[e.Code] {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// broken is judge for what comes before the tables are known to be ours: they
// may be somebody else's, in a file that is whole.
func broken(err error) error {
	if e, ok := errors.AsType[sqlite3.Error](err); ok && (e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// unreadable is the error of a row that holds what was never stored.
func unreadable(err error) error { return fmt.Errorf("%w: %w", ErrDamaged, err) }

// check looks through all pages.
func check(ctx context.Context, db *sql.DB) error {
	var found string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, found)
	}
	return nil
}

// SetAside renames a file that is of no use, and those that SQLite keeps beside
// it, so that [Open] makes a new one. It returns the file's new name.
func SetAside(path string, now time.Time) (string, error) {
	aside := path + ".corrupt-" + now.UTC().Format("20060102T150405.000")
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("set catalog database aside: %w", err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("set catalog database aside: %w", err)
		}
	}
	return aside, nil
}

// Peek returns what [Store.Load] would, from a file that can only be read.
func Peek(ctx context.Context, path string) ([]Entry, error) { return peek(ctx, path, (*Store).Load) }

// PeekRoster returns what [Store.LoadRoster] would, from such a file.
func PeekRoster(ctx context.Context, path string) (roster.Roster, error) {
	return peek(ctx, path, (*Store).LoadRoster)
}

func peek[T any](ctx context.Context, path string, load func(*Store, context.Context) (T, error)) (T, error) {
	v, err := peekIn(ctx, path, "mode=ro", load)
	if err != nil {
		// A log cannot be read without a file to coordinate readers, which
		// cannot be made here. What has come into the main file will do.
		v, err = peekIn(ctx, path, "immutable=1", load)
	}
	return v, err
}

func peekIn[T any](ctx context.Context, path, mode string, load func(*Store, context.Context) (T, error)) (none T, err error) {
	if _, err := os.Stat(path); err != nil {
		return none, fmt.Errorf("read catalog database: %w", err)
	}
	db, err := sql.Open("sqlite3", "file:"+escape(path)+"?_busy_timeout=1000&"+mode)
	if err != nil {
		return none, fmt.Errorf("read catalog database: %w", err)
	}
	s := &Store{db: db}
	defer s.Close() //nolint:errcheck // nothing was written
	if _, err := db.ExecContext(ctx, trust); err != nil {
		return none, fmt.Errorf("read catalog database: %w", err)
	}
	return load(s, ctx)
}
