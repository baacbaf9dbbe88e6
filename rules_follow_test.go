package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/catalog"
)

// A followed is a follower of a file of the test, which looks when it is told.
type followed struct {
	*ruleFollower
	t    *testing.T
	log  output
	used []string // the names of the first aliases
}

// follow returns a follower of a file that has text; none where that is empty.
func follow(t *testing.T, text string) *followed {
	t.Helper()
	f := &followed{t: t}
	book := ruleBook{path: filepath.Join(t.TempDir(), rulesFile)}
	if text != "" {
		book.text = []byte(text)
	}
	f.ruleFollower = newRuleFollower(book, someProviders, slog.New(slog.NewTextHandler(&f.log, nil)), func(r catalog.Rules) {
		f.used = append(f.used, r.Aliases[0].Name)
	})
	if text != "" {
		f.write(text)
	}
	return f
}

func (f *followed) write(text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// want looks, and checks which rules were used so far and what was logged.
func (f *followed) want(used string, errors int) {
	f.t.Helper()
	f.look()
	if got := strings.Join(f.used, " "); got != used {
		f.t.Errorf("used %q, want %q", got, used)
	}
	if got := strings.Count(f.log.String(), "level=ERROR"); got != errors {
		f.t.Errorf("%d errors, want %d:\n%s", got, errors, f.log.String())
	}
}

func TestFollowerWaitsUntilTheFileIsWritten(t *testing.T) {
	t.Parallel()
	f := follow(t, "aliases: {a: openai/x}")
	f.want("", 0)
	f.want("", 0)
	f.write("aliases: {b: openai/x}")
	f.want("", 0)
	f.write("aliases: {c: openai/x}")
	f.want("", 0)
	f.want("c", 0)
	f.want("c", 0)
}

func TestFollowerKeepsItsRulesWhenTheFileIsBadOrGone(t *testing.T) {
	t.Parallel()
	f := follow(t, "aliases: {a: openai/x}")
	f.write("\naliases: {a: []}")
	for range 4 {
		f.look()
	}
	f.want("", 1)
	if want := rulesFile + ":2: aliases.a: has no target"; !strings.Contains(f.log.String(), want) {
		t.Errorf("no %q in %s", want, f.log.String())
	}
	f.write("aliases: {b: opneai/x}")
	f.look()
	f.want("b", 1)
	if want := "did you mean openai?"; !strings.Contains(f.log.String(), want) {
		t.Errorf("no %q in %s", want, f.log.String())
	}
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		f.look()
	}
	f.want("b", 2)
	f.write("aliases: {b: openai/x}")
	f.look()
	f.want("b b", 2)
}

// Whoever sends a signal wants to know whether it helped.
func TestFollowerSaysAgainThatTheFileIsBad(t *testing.T) {
	t.Parallel()
	f := follow(t, "aliases: {a: openai/x}")
	f.readAgain()
	f.want("", 0)
	f.write("aliases: {a: []}")
	f.look()
	f.want("", 1)
	for n := range 2 {
		f.readAgain()
		f.want("", 2+n)
	}
	f.write("aliases: {b: openai/x}")
	f.readAgain()
	f.want("b", 3)
	f.readAgain()
	f.want("b", 3)
}

func TestFollowerTakesAFileThatWasNotThere(t *testing.T) {
	t.Parallel()
	f := follow(t, "")
	f.want("", 0)
	f.want("", 0)
	f.write("aliases: {a: openai/x}")
	f.look()
	f.want("a", 0)
}
