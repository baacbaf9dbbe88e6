package sqlite

import (
	"database/sql"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustSave(t *testing.T, s *Store, entries ...Entry) {
	t.Helper()
	if err := s.Save(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func wantEntries(t *testing.T, s *Store, want ...Entry) {
	t.Helper()
	got, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Load:\n got %+v\nwant %+v", got, want)
	}
}

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// whole is an entry with every field set.
func whole() Entry {
	free, price := 0.0, 2.5
	return Entry{
		Provider: catalog.Provider{Name: "gpu", Kind: "ollama", Dialect: "ollama", Native: []string{"ollama/chat"}, BaseURL: "http://gpu:11434", Error: "refused", SyncedAt: at(9), Stale: true},
		Models: []Record{{
			Model: catalog.Model{
				Provider: "gpu", ID: "llama3:8b", DisplayName: "Llama 3", Kind: "chat", Capabilities: []string{"tools", "vision"},
				ContextLength: 8192, Facts: llm.Facts{MaxOutput: 4096, Schemas: new(false), Thinking: []string{"adaptive"}, Efforts: []string{"low"}}, Modalities: catalog.Modalities{Input: []string{"text", "image"}, Output: []string{"text"}},
				Prices: catalog.Prices{Input: &free, Output: &price}, Created: at(1), Modified: at(2), OwnedBy: "meta",
				Details: catalog.Details{Digest: "abc", Size: 5 << 30, Format: "gguf", Family: "llama", Families: []string{"llama"},
					ParentModel: "p", ParameterSize: "8B", Quantization: "Q4", EmbeddingLength: 4096},
				Seen: catalog.Seen{FirstSeen: at(3), LastSeen: at(4), Stale: true},
				Raw:  []byte(`{"name": "llama3:8b"}`),
			},
			Absences: 2,
		}},
	}
}

func bare(provider string, ids ...string) Entry {
	e := Entry{Provider: catalog.Provider{Name: provider}}
	for _, id := range ids {
		e.Models = append(e.Models, Record{Model: catalog.Model{Provider: provider, ID: id}})
	}
	return e
}

func TestStoreKeepsEverythingOverAReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "allama.db")
	s := open(t, path)
	wantEntries(t, s)
	want := []Entry{whole(), bare("b", "m2", "m1"), bare("a")}
	mustSave(t, s, want...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantEntries(t, open(t, path), want...)
}

func TestSaveReplacesWhatWasThere(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "allama.db"))
	mustSave(t, s, bare("a", "m1", "m2"), bare("b", "m1"), whole())
	changed := whole()
	changed.Models[0].DisplayName, changed.Models[0].Absences = "new", 0
	tests := []struct {
		name string
		want []Entry
	}{
		{"a model is gone, another is new", []Entry{bare("a", "m2", "m3"), bare("b", "m1"), whole()}},
		{"the order of providers is another", []Entry{bare("b", "m1"), bare("a", "m2", "m3"), whole()}},
		{"a provider is gone", []Entry{bare("b", "m1"), whole()}},
		{"a model changed", []Entry{bare("b", "m1"), changed}},
		{"all are gone", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mustSave(t, s, tt.want...)
			wantEntries(t, s, tt.want...)
		})
	}
	var left int
	if err := s.db.QueryRow(`SELECT count(*) FROM models`).Scan(&left); err != nil || left != 0 {
		t.Errorf("models left = %d, %v, want 0", left, err)
	}
}

func TestModelsKeepTheirRow(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "allama.db"))
	row := func() (id int) {
		if err := s.db.QueryRow(`SELECT id FROM models WHERE native_id = 'm2'`).Scan(&id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	mustSave(t, s, bare("a", "m1", "m2"))
	want := row()
	mustSave(t, s, bare("a", "m2", "m0"))
	if got := row(); got != want {
		t.Errorf("row of m2 = %d, want %d as before", got, want)
	}
}

func TestSaveIsAllOrNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "allama.db"))
	mustSave(t, s, bare("a", "m1"))
	if _, err := s.db.Exec(`CREATE TRIGGER t BEFORE INSERT ON models WHEN NEW.native_id = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END`); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), []Entry{bare("b", "m2", "bad")}); err == nil || !strings.Contains(err.Error(), "models of b") {
		t.Errorf("Save = %v, want an error that names the provider", err)
	}
	wantEntries(t, s, bare("a", "m1"))
}

func TestARecordThatIsNoJSONIsNotStored(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "allama.db"))
	e := bare("a", "m")
	e.Models[0].Raw = []byte("<html>")
	mustSave(t, s, e)
	wantEntries(t, s, bare("a", "m"))
}

func TestFileIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "allama.db")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	mustSave(t, open(t, path), bare("a"))
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("files: %v, %v, want the file and its log", files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of %s = %o, want 600", f, got)
		}
	}
}

func TestOpenTakesAnyPath(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a b.db", "a?mode=memory.db", "100%25.db", "a#b.db", "new/folder/x.db", "ä.db"} {
		path := filepath.Join(dir, name)
		mustSave(t, open(t, path), bare("a"))
		if info, err := os.Stat(path); err != nil || info.Size() == 0 && !hasLog(path) {
			t.Errorf("%s: nothing was written there (%v)", name, err)
		}
	}
}

func hasLog(path string) bool {
	info, err := os.Stat(path + "-wal")
	return err == nil && info.Size() > 0
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	newer := filepath.Join(dir, "newer.db")
	s := open(t, newer)
	if _, err := s.db.Exec(`PRAGMA user_version = 99`); err != nil {
		t.Fatal(err)
	}
	s.Close()
	corrupt := filepath.Join(dir, "corrupt.db")
	if err := os.WriteFile(corrupt, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, want string }{
		{"a file of a later version", newer, "has version 99"},
		{"a file that is no database", corrupt, "damaged"},
		{"a folder", dir, "is a directory"},
		{"a path through a file", filepath.Join(corrupt, "x.db"), "not a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Open(t.Context(), tt.path)
			if err == nil {
				s.Close()
				t.Fatal("Open = nil, want an error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open = %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestOpenSetsThePragmas(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "allama.db"))
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "busy_timeout": "5000", "foreign_keys": "1", "trusted_schema": "0", "synchronous": "1", "user_version": "7",
	} {
		var got string
		if err := s.db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q, %v, want %q", pragma, got, err, want)
		}
	}
}

// A writer elsewhere must not keep a process from starting.
func TestOpenAndLoadDoNotWaitForAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "allama.db")
	s := open(t, path)
	mustSave(t, s, bare("a", "m"))
	s.Close()

	lock(t, path)
	began := time.Now()
	s = open(t, path)
	wantEntries(t, s, bare("a", "m"))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %v while the file was locked", took)
	}
	if _, err := s.db.Exec(`PRAGMA busy_timeout = 50`); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("Save = %v, want that the file is locked", err)
	}
}

// lock holds the lock for writing, as another process would, until the test ends.
func lock(t *testing.T, path string) {
	t.Helper()
	other, err := sql.Open("sqlite3", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback(); other.Close() })
}

func TestStoreIsSafeForConcurrentUse(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "allama.db"))
	mustSave(t, s, bare("a", "m"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				if err := s.Save(t.Context(), []Entry{bare("a", "m"), bare("b", "n")}); err != nil {
					t.Error(err)
				}
				if got, err := s.Load(t.Context()); err != nil || len(got) == 0 {
					t.Errorf("Load = %v, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
}
