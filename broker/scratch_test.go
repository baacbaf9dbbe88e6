package broker

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// scratchEnv has this test's own binary run a server until it is killed.
const scratchEnv = "TEST_SCRATCH_CHILD"

// quiet is a log that nobody reads.
var quiet = slog.New(slog.DiscardHandler)

func folders(t *testing.T, dir string) (names []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "allama-*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestServerInMemoryLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	_, stop := start(t, Config{})
	if got := folders(t, dir); len(got) != 1 {
		t.Errorf("while it runs: %q, want one folder", got)
	}
	stop()
	if got := folders(t, dir); len(got) != 0 {
		t.Errorf("after its end: %q, want none", got)
	}
}

// What a killed process could not remove the next one does; what a running one
// uses stays.
func TestFoldersOfKilledServersAreRemoved(t *testing.T) {
	if os.Getenv(scratchEnv) != "" {
		if _, err := newScratch(quiet); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("ready\n")
		select {}
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), scratchEnv+"=1")
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	unlocked := filepath.Join(dir, scratchName+"of-nobody")
	file := filepath.Join(dir, scratchName+"file")
	if err := os.Mkdir(unlocked, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sweep(dir, quiet)
	if got := folders(t, dir); len(got) != 3 {
		t.Errorf("while it runs: %q are left, want its folder and what is none of ours", got)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait() //nolint:errcheck // it was killed
	if got := folders(t, dir); len(got) != 3 {
		t.Fatalf("after it was killed: %q, want the folder still there", got)
	}
	own, err := newScratch(quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	for _, name := range folders(t, dir) {
		if name != own.dir && name != unlocked && name != file {
			t.Errorf("%s is left", name)
		}
	}
	if _, err := os.Stat(own.dir); err != nil {
		t.Error(err)
	}
}
