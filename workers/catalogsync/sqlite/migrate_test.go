package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

// TestAnOlderFileIsKept opens a file as the first version has left it.
func TestAnOlderFileIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "allama.db")
	s := open(t, path)
	mustSave(t, s, bare("a", "m"))
	if _, err := s.db.Exec(`ALTER TABLE providers DROP COLUMN native; ALTER TABLE models DROP COLUMN facts; DROP TABLE provider_definitions; DROP TABLE provider_roster; DROP TABLE provider_states; DROP TABLE provider_caps; PRAGMA user_version = 1`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	wantEntries(t, s, bare("a", "m"))
	e := bare("a", "m")
	e.Provider.Native = []string{"openai/chat/completions"}
	e.Models[0].Facts = llm.Facts{Schemas: new(true)}
	mustSave(t, s, e)
	wantEntries(t, s, e)
}
