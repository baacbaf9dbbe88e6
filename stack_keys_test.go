package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// wantKeyOnlyIn looks for a provider's key in the environment and the memory of
// all processes of a stack.
func (s *stack) wantKeyOnlyIn(t *testing.T, key string, holders ...string) {
	t.Helper()
	found := map[string]bool{}
	for name, p := range s.processes {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.cmd.Process.Pid))
		if err != nil {
			t.Skipf("processes cannot be looked into: %v", err)
		}
		inMemory, err := memoryHolds(p.cmd.Process.Pid, []byte(key))
		if errors.Is(err, fs.ErrPermission) {
			t.Skipf("processes cannot be looked into: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if inMemory || bytes.Contains(environ, []byte(key)) {
			found[name] = true
		}
	}
	for _, name := range holders {
		if !found[name] {
			t.Errorf("%s does not hold %s, so the search finds nothing", name, key)
		}
		delete(found, name)
	}
	for name := range found {
		t.Errorf("%s holds %s", name, key)
	}
}

// memoryHolds searches what a process can write to.
func memoryHolds(pid int, key []byte) (bool, error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return false, err
	}
	defer maps.Close()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return false, err
	}
	defer memory.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") {
			continue
		}
		const piece = 1 << 20
		buffer := make([]byte, piece+len(key))
		for at := from; at < to; at += piece { // pieces overlap by the length of the key
			n, err := memory.ReadAt(buffer[:min(int64(len(buffer)), to-at)], at)
			if err != nil && n == 0 {
				break // never touched, or gone by now
			}
			if bytes.Contains(buffer[:n], key) {
				return true, nil
			}
		}
	}
	return false, nil
}
