// Package sqlite stores the catalog in a SQLite file, so that a process that
// starts knows the models before any upstream has answered. It stores what it
// is given and decides nothing; package catalogsync does.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/mattn/go-sqlite3" // the driver sqlite3

	"github.com/offbeat-studio/allama/shared/catalog"
)

// An Entry is a provider with its models.
type Entry struct {
	Provider catalog.Provider
	Models   []Record
}

// A Record is a model as it is stored.
type Record struct {
	catalog.Model
	Absences int // successful listings in a row that did not have it
}

// A Store is an open file. It may be used concurrently; there must be one
// writing process.
type Store struct {
	db *sql.DB
}

const (
	fileMode = 0o600
	dirMode  = 0o700

	// pragmas: readers do not wait for the writer, a lock is waited for, and a
	// transaction takes the lock for writing at its start rather than failing
	// halfway. A file that somebody else has made cannot run code through its
	// schema.
	pragmas = "?_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=5000&_foreign_keys=on&_txlock=immediate"
	trust   = "PRAGMA trusted_schema = OFF"
)

// Open opens the file at path, and makes it and its tables where they are
// missing. The file can be read by its owner only. The error of a file that is
// no database, or a broken one, has [ErrDamaged] in it.
func Open(ctx context.Context, path string) (*Store, error) {
	if err := prepare(path); err != nil {
		return nil, fmt.Errorf("open catalog database: %w", err)
	}
	db, err := sql.Open("sqlite3", dsn(path))
	if err != nil {
		return nil, fmt.Errorf("open catalog database: %w", err)
	}
	// One connection is one writer, and what was set on it stays set.
	db.SetMaxOpenConns(1)
	if err := setUp(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("open catalog database %s: %w", path, err), db.Close())
	}
	return &Store{db: db}, nil
}

func setUp(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, trust); err != nil {
		return broken(err)
	}
	if err := check(ctx, db); err != nil {
		return broken(err)
	}
	return broken(migrate(ctx, db))
}

// prepare makes the file private before SQLite opens it; SQLite gives the files
// beside it the same mode.
func prepare(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(fileMode), f.Close())
}

// dsn is path as a URI, in which three characters have a meaning.
func dsn(path string) string { return "file:" + escape(path) + pragmas }

func escape(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Load returns what was saved last, in the order in which it was saved. Its
// error has [ErrDamaged] in it when that cannot be told any more.
func (s *Store) Load(ctx context.Context) ([]Entry, error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("load catalog: %w", err)
	}
	defer conn.Close() //nolint:errcheck // it only goes back to its pool
	// Unlike the driver's own, this transaction does not wait for a writer.
	if _, err := conn.ExecContext(ctx, "BEGIN DEFERRED"); err != nil {
		return nil, fmt.Errorf("load catalog: %w", err)
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") //nolint:errcheck // nothing was written
	entries, err := loadProviders(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("load catalog: providers: %w", judge(err))
	}
	for i := range entries {
		e := &entries[i]
		if e.Models, err = loadModels(ctx, conn, e.Provider.Name); err != nil {
			return nil, fmt.Errorf("load catalog: models of %s: %w", e.Provider.Name, judge(err))
		}
	}
	return entries, nil
}

// Save makes entries the whole content of the store, in one transaction:
// what is not in them is removed. Models keep their row. An error with
// [ErrDamaged] in it says that another attempt will not do better.
func (s *Store) Save(ctx context.Context, entries []Entry) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("save catalog: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if err := saveProviders(ctx, tx, entries); err != nil {
		return fmt.Errorf("save catalog: providers: %w", judge(err))
	}
	for _, e := range entries {
		if err := saveModels(ctx, tx, e); err != nil {
			return fmt.Errorf("save catalog: models of %s: %w", e.Provider.Name, judge(err))
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("save catalog: %w", judge(err))
	}
	return nil
}
