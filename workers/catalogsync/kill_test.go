package catalogsync

import (
	"bufio"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/lists"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

const (
	childEnv = "CATALOGSYNC_TEST_DATABASE" // makes a child of the test's own program
	kills    = 50
	listed   = 150 // models
)

// A sync that is killed at any time leaves a whole catalog: all of a listing,
// and none older than what was there before.
func TestASyncThatIsKilledLeavesAWholeCatalog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "allama.db")
	var last string
	changes := 0
	began := time.Now()
	for i := range kills {
		if time.Since(began) > 18*time.Second && i >= 10 {
			t.Logf("killed %d times", i) // on a slow machine
			break
		}
		runAndKill(t, path, time.Duration(rand.IntN(150))*time.Millisecond)
		generation := wantWhole(t, path)
		if generation < last {
			t.Errorf("after kill %d the catalog is of %s, before it was of %s", i, generation, last)
		}
		if generation != last {
			changes++
		}
		last = generation
	}
	t.Logf("%d kills found another listing", changes)
	if changes < 3 {
		t.Errorf("after %d kills there was another listing, want more", changes)
	}
}

// runAndKill starts a child, and kills it that long after it has begun.
func runAndKill(t *testing.T, path string, after time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildThatIsKilled$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+path, "TMPDIR="+filepath.Dir(path))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "listing" {
	}
	<-time.After(after)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // a killed process has no good exit
}

// TestChildThatIsKilled is no test, but what the other one runs and kills: a
// sync that stores one listing after the other.
func TestChildThatIsKilled(t *testing.T) {
	path := os.Getenv(childEnv)
	if path == "" {
		t.Skip("it is run by another test")
	}
	js := withBucket(t)
	provider := catalog.Provider{Name: "p"}
	if _, err := lists.Serve(js.Conn(), provider.Name, false, func(_ lists.Question, reply func(lists.Answer) error) {
		generation := fmt.Sprint(time.Now().UnixNano())
		models := make([]catalog.Model, listed)
		for i := range models {
			models[i] = catalog.Model{ID: fmt.Sprint("model-", i), DisplayName: generation}
		}
		_ = reply(lists.Answer{Provider: provider, Models: models}) // the process may be killed
	}); err != nil {
		t.Fatal(err)
	}
	s := New(js, []Source{{Provider: provider}}, Options{Database: path, Interval: time.Millisecond})
	fmt.Println("listing")
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantWhole looks through a file, and returns which listing it holds, empty for
// none.
func wantWhole(t *testing.T, path string) (generation string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		return "" // killed too early
	}
	db, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var check string
	if err := db.QueryRow("PRAGMA quick_check").Scan(&check); err != nil || check != "ok" {
		t.Fatalf("quick_check says %q, %v", check, err)
	}
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	entries, err := s.Load(t.Context())
	if err != nil || len(entries) > 1 {
		t.Fatalf("%d providers, %v", len(entries), err)
	}
	for _, e := range entries {
		if n := len(e.Models); n != listed {
			t.Fatalf("%d models are stored, want %d", n, listed)
		}
		generation = e.Models[0].DisplayName
		for _, m := range e.Models {
			if m.DisplayName != generation || m.Provider != "p" {
				t.Fatalf("%s is of the listing %s, others of %s", m.ID, m.DisplayName, generation)
			}
		}
	}
	return generation
}
