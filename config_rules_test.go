//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A file is looked at before it is opened: to open a pipe takes until somebody
// writes to it.
func TestRulesAreReadOfRegularFilesOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe, large, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "large"), filepath.Join(dir, "link")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.WriteFile(large, make([]byte, maxRulesFile+1), 0o600),
		os.WriteFile(filepath.Join(dir, "rules"), []byte("{}"), 0o600), os.Symlink("rules", link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, large, dir} {
		read := make(chan error, 1)
		go func() { _, err := readRulesFile(path); read <- err }()
		select {
		case err := <-read:
			if err == nil || !strings.Contains(err.Error(), "is no file of rules") {
				t.Errorf("%s: got %v", path, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("reading %s takes for ever", path)
		}
	}
	if text, err := readRulesFile(link); string(text) != "{}" || err != nil {
		t.Errorf("by a link: got %q, %v", text, err)
	}
}
