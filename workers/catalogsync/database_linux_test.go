package catalogsync

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/offbeat-studio/allama/shared/catalog"
)

func TestSyncGoesOnWhenTheDiskIsFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=400k"); err != nil {
		t.Skipf("no small file system can be made: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	js := withBucket(t)
	wait := follow(t, js)
	path := filepath.Join(dir, "allama.db")
	var out syncBuffer
	a := &upstream{name: "a", models: []string{"m1"}}
	s, stop := run(t, js, Options{Database: path, Logger: slog.New(slog.NewTextHandler(&out, nil))}, a)
	wait("a/m1")
	eventually(t, "save", func() bool { return stored(t, path) == "a/m1" })

	many, names := []string{"m1"}, []string{"a/m1"}
	for i := range 3000 {
		id := fmt.Sprintf("m2-%d-%s", i, strings.Repeat("x", 200))
		many, names = append(many, id), append(names, "a/"+id)
	}
	a.answer(nil, many...)
	s.Trigger()
	wait(slices.Sorted(slices.Values(names))...)
	eventually(t, "complain", func() bool { return strings.Contains(out.String(), "disk is full") })
	if got := stored(t, path); got != "a/m1" {
		t.Errorf("the file holds %.60q, want what was saved last", got)
	}

	a.answer(nil, "m2")
	for range maxAbsences {
		refresher(t, js)(catalog.RefreshRequest{})
	}
	wait("a/m2")
	eventually(t, "save", func() bool { return stored(t, path) == "a/m2" })
	stop()
	if got := strings.Count(out.String(), "level=ERROR"); got != 1 || !strings.Contains(out.String(), "over: the catalog's database") {
		t.Errorf("logged %d errors, want one and its end:\n%.2000s", got, out.String())
	}
	wantAside(t, path, 0)
}
