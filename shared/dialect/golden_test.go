package dialect_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite what testdata says comes out")

// A golden is one exchange in every dialect, in a txtar file.
//
// The first section is written by hand. A section named "x" is that exchange
// in another form; where what dialect a makes of it is not the same, a section
// "x from a" says what that is. The comment of the file says what it shows.
type golden struct {
	path    string
	archive *txtar.Archive
	excuse  bool // a dialect need not write what it has read as it was
}

// goldens opens the files of a folder of testdata, and saves them at the end
// of the test where they are to be updated.
func goldens(t *testing.T, folder string) []*golden {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in testdata/%s: %v", folder, err)
	}
	var list []*golden
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil || len(archive.Files) == 0 {
			t.Fatalf("%s holds no sections: %v", path, err)
		}
		g := &golden{path: path, archive: archive}
		list = append(list, g)
		t.Cleanup(func() { g.save(t) })
	}
	return list
}

func (g *golden) name() string { return strings.TrimSuffix(filepath.Base(g.path), ".txtar") }

func (g *golden) save(t *testing.T) {
	if !*update {
		return
	}
	slices.SortStableFunc(g.archive.Files[1:], func(a, b txtar.File) int { return strings.Compare(a.Name, b.Name) })
	if err := os.WriteFile(g.path, txtar.Format(g.archive), 0o644); err != nil {
		t.Error(err)
	}
}

// section returns a section's text, nil where there is none.
func (g *golden) section(name string) []byte {
	for _, f := range g.archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

func (g *golden) set(name string, text []byte) {
	i := slices.IndexFunc(g.archive.Files, func(f txtar.File) bool { return f.Name == name })
	switch {
	case i >= 0:
		g.archive.Files[i].Data = text
	case text != nil:
		g.archive.Files = append(g.archive.Files, txtar.File{Name: name, Data: text})
	}
	if text == nil {
		g.archive.Files = slices.DeleteFunc(g.archive.Files, func(f txtar.File) bool { return f.Name == name })
	}
}

// source is the dialect of the section that was written by hand.
func (g *golden) source() string {
	name, _, _ := strings.Cut(g.archive.Files[0].Name, ".")
	return name
}

// check compares what came out of dialect from to the section name, byte by
// byte after settle.
func (g *golden) check(t *testing.T, name, from string, got []byte, settle func([]byte) []byte) {
	t.Helper()
	own, special := strings.HasPrefix(name, from), name+" from "+from
	got = settle(got)
	if *update {
		g.set(special, nil)
		switch {
		case !own && from == g.source():
			g.set(name, got)
		case (!own || g.excuse) && !bytes.Equal(got, settle(g.section(name))):
			g.set(special, got)
		}
	}
	want := g.section(special)
	if want == nil {
		want = g.section(name)
	}
	if want = settle(want); !bytes.Equal(got, want) {
		t.Errorf("%s is not as in %s, %s", special, g.path, difference(string(got), string(want)))
	}
}

// difference shows the first line that differs.
func difference(got, want string) string {
	a, b := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d:\ngot  %swant %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}
