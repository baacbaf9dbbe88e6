package catalogsync

import (
	"bytes"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestADamagedDatabaseIsSetAsideAndMadeAnew(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	path := filepath.Join(t.TempDir(), "allama.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	var out syncBuffer
	a := &upstream{name: "a", models: []string{"m1"}}
	s, _ := run(t, js, Options{Database: path, Logger: slog.New(slog.NewTextHandler(&out, nil))}, a)
	<-s.Ready()
	wait("a/m1")
	eventually(t, "save", func() bool { return stored(t, path) == "a/m1" })
	wantAside(t, path, 1)
	if got := strings.Count(out.String(), "level=ERROR"); got != 1 || !strings.Contains(out.String(), "set aside and made anew") {
		t.Errorf("logged %d errors, want one:\n%s", got, out.String())
	}
}

func TestADatabaseThatIsDamagedWhileItRunsIsMadeAnew(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	path := filepath.Join(t.TempDir(), "allama.db")
	a := &upstream{name: "a", models: []string{"m1"}}
	s, _ := run(t, js, Options{Database: path}, a)
	wait("a/m1")
	eventually(t, "save", func() bool { return stored(t, path) == "a/m1" })

	spoil(t, path)
	a.answer(nil, "m1", "m2")
	s.Trigger()
	wait("a/m1", "a/m2")
	eventually(t, "save", func() bool { return stored(t, path) == "a/m1 a/m2" })
	wantAside(t, path, 1)
}

// spoil breaks the pages of a file that is in use, those in the log included.
func spoil(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Seek(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xA5}, int(size)-100), 100); err != nil {
		t.Fatal(err)
	}
	// A writer elsewhere has the one that runs read the pages again.
	if _, err := f.WriteAt([]byte{0xFF, 0xFF, 0xFF, 0xFF}, 24); err != nil {
		t.Fatal(err)
	}
}

func wantAside(t *testing.T, path string, want int) {
	t.Helper()
	all, err := filepath.Glob(path + ".corrupt-*")
	if err != nil {
		t.Fatal(err)
	}
	main := slices.DeleteFunc(slices.Clone(all), func(name string) bool {
		return strings.HasSuffix(name, "-wal") || strings.HasSuffix(name, "-shm")
	})
	if len(main) != want {
		t.Errorf("%d files were set aside, want %d: %q", len(main), want, all)
	}
}

// A file that was of no use is used as soon as it can be, without a listing
// that would give the occasion.
func TestAnUnusableDatabaseIsTriedAgain(t *testing.T) {
	js := withBucket(t)
	path := filepath.Join(t.TempDir(), "allama.db")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	a := &upstream{name: "a", models: []string{"m1"}}
	began := time.Now()
	s, _ := run(t, js, Options{Database: path, Interval: time.Hour}, a)
	<-s.Ready()
	follow(t, js)("a/m1")
	if took := time.Since(began); took > restoreWait/2 {
		t.Errorf("the catalog came after %v", took)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "save", func() bool { return stored(t, path) == "a/m1" })
}

// Where nothing can be written, what is there can still be read.
func TestAReadOnlyDatabaseIsReadAtTheStart(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("the modes of files mean nothing to root")
	}
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "allama.db")
	js := withBucket(t)
	a := &upstream{name: "a", models: []string{"m1"}}
	_, stop := run(t, js, Options{Database: path}, a)
	eventually(t, "save", func() bool { return stored(t, path) == "a/m1" })
	stop()
	for name, mode := range map[string]os.FileMode{path: 0o400, dir: 0o500} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })

	var out syncBuffer
	a.gate = make(chan struct{}) // it does not answer
	s, _ := run(t, js, Options{Database: path, Logger: slog.New(slog.NewTextHandler(&out, nil))}, a)
	wait := follow(t, js)
	<-s.Ready()
	wait("a/m1")
	a.answer(nil, "m1", "m2")
	close(a.gate)
	wait("a/m1", "a/m2")
	if got := strings.Count(out.String(), "level=ERROR"); got != 1 || !strings.Contains(out.String(), "permission denied") {
		t.Errorf("logged %d errors, want one:\n%s", got, out.String())
	}
}
