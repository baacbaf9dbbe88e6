package catalogsync

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

func saverOf(path string) *saver { return newSaver(path, slog.New(slog.DiscardHandler)) }

// fileWithRoster returns the path of a file that has a roster.
func fileWithRoster(t *testing.T, r roster.Roster) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "allama.db")
	store, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.SaveRoster(t.Context(), r), store.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func wantRoster(t *testing.T, path string, revision uint64) {
	t.Helper()
	if got, err := sqlite.PeekRoster(t.Context(), path); err != nil || got.Revision != revision {
		t.Errorf("the file has the roster %+v, error %v, want revision %d", got, err, revision)
	}
}

func TestTheRosterOfAFileThatCouldOnlyBeReadOutlivesItsDamage(t *testing.T) {
	path := fileWithRoster(t, roster.Roster{Revision: 3, Definitions: []roster.Definition{{Name: "lab", Kind: "openai"}}})
	s := saverOf(path)
	defer s.close()
	s.peek(t.Context(), errors.New("it cannot be written"))
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if !s.work(t.Context()) {
		t.Fatal("the file cannot be used")
	}
	wantRoster(t, path, 3)
}

// The file that could not take a change may be another one by then.
func TestAChangeThatFailsLeavesTheRosterBeforeToBeSaved(t *testing.T) {
	path := fileWithRoster(t, roster.Roster{Revision: 3})
	s := saverOf(path)
	defer s.close()
	if !s.work(t.Context()) {
		t.Fatal("the file cannot be used")
	}
	s.close()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.saveRoster(t.Context(), roster.Roster{Revision: 4}); !errors.Is(err, errUnsaved) {
		t.Fatalf("error is %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.pending = []sqlite.Entry{}
	if !s.work(t.Context()) {
		t.Fatal("the file cannot be used")
	}
	wantRoster(t, path, 3)
}
