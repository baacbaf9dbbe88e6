package catalogsync

import (
	"bytes"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

func TestSyncStartsWithWhatTheLastOneKnew(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	o := Options{Database: filepath.Join(t.TempDir(), "allama.db")}
	a, b := &upstream{name: "a", models: []string{"m1"}}, &upstream{name: "b", models: []string{"m2"}}
	_, stop := run(t, js, o, a, b)
	wait("a/m1", "b/m2")
	eventually(t, "save", func() bool { return stored(t, o.Database) == "a/m1 b/m2" })
	stop()

	// b is not configured any more, a does not answer, c is new.
	if err := js.DeleteKeyValue(t.Context(), bus.BucketCatalog); err != nil {
		t.Fatal(err)
	}
	makeBucket(t, js)
	wait = follow(t, js)
	a.gate = make(chan struct{})
	c := &upstream{name: "c", models: []string{"m3"}, gate: make(chan struct{})}
	s, _ := run(t, js, o, c, a)
	<-s.Ready()
	wait("a/m1")
	close(c.gate)
	wait("a/m1", "c/m3")
	close(a.gate)
	eventually(t, "save", func() bool { return stored(t, o.Database) == "c/m3 a/m1" })
}

// stored returns the models in the file.
func stored(t *testing.T, path string) string {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		return err.Error()
	}
	defer s.Close()
	entries, err := s.Load(t.Context())
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, e := range entries {
		for _, m := range e.Models {
			names = append(names, m.Provider+"/"+m.ID)
		}
	}
	return strings.Join(names, " ")
}

func TestSyncGoesOnWithoutADatabase(t *testing.T) {
	dir := t.TempDir()
	corrupt := filepath.Join(dir, "corrupt.db")
	if err := os.WriteFile(corrupt, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, logged string }{
		{"corrupt", corrupt, "not a database"},
		{"in a place that cannot be", filepath.Join(corrupt, "x.db"), "not a directory"},
		{"none", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out syncBuffer
			js := withBucket(t)
			wait := follow(t, js)
			a := &upstream{name: "a", models: []string{"m1"}}
			s, stop := run(t, js, Options{Database: tt.path, Logger: slog.New(slog.NewTextHandler(&out, nil))}, a)
			wait("a/m1")
			a.answer(nil, "m1", "m2")
			s.Trigger()
			wait("a/m1", "a/m2")
			stop()
			if tt.logged == "" {
				if strings.Contains(out.String(), "ERROR") {
					t.Errorf("logged:\n%s", out.String())
				}
				return
			}
			if got := strings.Count(out.String(), "level=ERROR"); got != 1 || !strings.Contains(out.String(), tt.logged) {
				t.Errorf("logged %d errors, want one that says %q:\n%s", got, tt.logged, out.String())
			}
		})
	}
}

func TestSyncUsesTheDatabaseOnceItCanBeUsed(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	o := Options{Database: filepath.Join(t.TempDir(), "allama.db")}
	a, b := &upstream{name: "a", models: []string{"m1"}}, &upstream{name: "b", models: []string{"m2"}}
	_, stop := run(t, js, o, a, b)
	wait("a/m1", "b/m2")
	eventually(t, "save", func() bool { return stored(t, o.Database) == "a/m1 b/m2" })
	stop()

	// While a folder is in the way of the file, and nothing is published, only
	// what answers is known.
	if err := bucket(t, js).Purge(t.Context(), "snapshot"); err != nil {
		t.Fatal(err)
	}
	away := o.Database + ".away"
	move := func(from, to string) {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Rename(from+suffix, to+suffix); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
	move(o.Database, away)
	if err := os.Mkdir(o.Database, 0o700); err != nil {
		t.Fatal(err)
	}
	b.answer(errors.New("refused"))
	s, _ := run(t, js, o, a, b)
	wait("a/m1")

	if err := os.Remove(o.Database); err != nil {
		t.Fatal(err)
	}
	move(away, o.Database)
	a.answer(nil, "m1", "m3")
	s.Trigger()
	wait("a/m1", "a/m3", "b/m2?")
	eventually(t, "save", func() bool { return stored(t, o.Database) == "a/m1 a/m3 b/m2" })
}

func TestALockedDatabaseDoesNotHoldUpTheCatalog(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	path := filepath.Join(t.TempDir(), "allama.db")
	a := &upstream{name: "a", models: []string{"m1"}}
	s, _ := run(t, js, Options{Database: path}, a)
	wait("a/m1")
	eventually(t, "save", func() bool { return stored(t, path) == "a/m1" })

	db, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	a.answer(nil, "m1", "m2")
	s.Trigger()
	wait("a/m1", "a/m2")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the catalog came after %v", took)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "save", func() bool { return stored(t, path) == "a/m1 a/m2" })
}

func TestSyncPublishesAgainWhatTheServerLost(t *testing.T) {
	js := withBucket(t)
	a := &upstream{name: "a", models: []string{"m1"}}
	s, _ := run(t, js, Options{}, a)
	<-s.Ready()
	follow(t, js)("a/m1")
	if err := js.DeleteKeyValue(t.Context(), bus.BucketCatalog); err != nil {
		t.Fatal(err)
	}
	makeBucket(t, js)
	follow(t, js)("a/m1") // a new view: only a new publication can reach it
}
