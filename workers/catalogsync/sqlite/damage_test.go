package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// Earlier versions can break a file with a log.
func TestTheLibraryIsOfAVersionThatKeepsFilesWhole(t *testing.T) {
	if _, version, _ := sqlite3.Version(); version < 3_051_003 {
		t.Errorf("SQLite has version %d, want 3.51.3 or later", version)
	}
}

// many are entries of some pages.
func many() []Entry {
	e := bare("a")
	for i := range 300 {
		r := whole().Models[0]
		r.Provider, r.ID = "a", fmt.Sprintf("model-%d", i)
		e.Models = append(e.Models, r)
	}
	return []Entry{e, bare("b", "m")}
}

// Whatever happens to the bytes of a file, it is read, or is said to be
// damaged and can be replaced.
func TestADamagedFileIsKnownAsSuch(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.db")
	s := open(t, good)
	mustSave(t, s, many()...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	dir, damaged := t.TempDir(), 0
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		spoiled := bytes.Clone(data)
		if seed%3 == 0 {
			spoiled = spoiled[:100+random.IntN(len(data)-100)]
		} else {
			for range 1 + random.IntN(64) {
				spoiled[100+random.IntN(len(data)-100)] ^= byte(1 + random.IntN(255)) // behind the header, which has the version
			}
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.db", seed))
		if err := os.WriteFile(path, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		err := use(t, path)
		if err == nil {
			continue
		}
		damaged++
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("seed %d: %v, want that it is damaged", seed, err)
			continue
		}
		if _, err := SetAside(path, time.Now()); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if err := use(t, path); err != nil {
			t.Errorf("seed %d: a new file in its place: %v", seed, err)
		}
	}
	if damaged < 20 {
		t.Errorf("of 60 files %d were damaged, want most", damaged)
	}
}

// use does with a file what a process does.
func use(t *testing.T, path string) error {
	s, err := Open(t.Context(), path)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Load(t.Context()); err != nil {
		return err
	}
	return s.Save(t.Context(), many())
}

func TestSetAsideTakesTheLogAlong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "allama.db")
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if err := os.WriteFile(name, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	aside, err := SetAside(path, time.Unix(0, 0))
	if err != nil || !strings.HasPrefix(aside, path+".corrupt-19700101T000000") {
		t.Fatalf("SetAside = %q, %v", aside, err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if got, err := os.ReadFile(aside + suffix); string(got) != path+suffix {
			t.Errorf("%s holds %q, %v", aside+suffix, got, err)
		}
	}
	if _, err := SetAside(path, time.Unix(0, 0)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("SetAside of no file = %v", err)
	}
}

func TestAFullDiskLeavesTheLastContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "allama.db")
	s := open(t, path)
	mustSave(t, s, bare("a", "m"))
	if _, err := s.db.Exec(`PRAGMA max_page_count = 20`); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), many()); err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "full") {
		t.Errorf("Save = %v, want that it is full", err)
	}
	wantEntries(t, s, bare("a", "m"))
	s.Close()
	s = open(t, path) // which looks through all pages
	wantEntries(t, s, bare("a", "m"))
	mustSave(t, s, many()...)
}

func TestPeekReadsWhatWasSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "allama.db")
	s := open(t, path)
	mustSave(t, s, bare("a", "m"))
	for _, when := range []string{"in the log", "in the file"} {
		got, err := Peek(t.Context(), path)
		if err != nil || len(got) != 1 || len(got[0].Models) != 1 {
			t.Errorf("Peek = %+v, %v, while it is %s", got, err, when)
		}
		s.Close()
	}
	if _, err := Peek(t.Context(), path+".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Peek of no file = %v", err)
	}
	if _, err := os.Stat(path + ".none"); err == nil {
		t.Error("Peek has made a file")
	}
}

// A process that was killed leaves a log, of which the end may be missing or
// wrong.
func TestADamagedLogIsReadAsFarAsItIsWhole(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.db")
	s := open(t, good)
	mustSave(t, s, many()...)
	mustSave(t, s, bare("a", "m"))
	main, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(good + "-wal")
	if err != nil || len(log) == 0 {
		t.Fatalf("the log has %d bytes, %v", len(log), err)
	}
	dir := t.TempDir()
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 2))
		spoiled := bytes.Clone(log)
		if seed%2 == 0 {
			spoiled = spoiled[:random.IntN(len(log))]
		} else {
			for range 1 + random.IntN(16) {
				spoiled[random.IntN(len(log))] ^= byte(1 + random.IntN(255))
			}
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.db", seed))
		for name, data := range map[string][]byte{path: main, path + "-wal": spoiled} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := use(t, path); err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}
