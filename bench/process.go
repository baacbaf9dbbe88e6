package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A server is what is measured: one process or several, reached at one URL.
type server struct {
	name  string
	url   string
	procs []*exec.Cmd
}

// start runs a process, with nothing of the environment but what is given.
func (s *server) start(program string, args []string, dir string, env ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "HOME="+dir)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.procs = append(s.procs, cmd)
	return nil
}

// stop ends the processes, the last one first.
func (s *server) stop() {
	for len(s.procs) > 0 {
		last := s.procs[len(s.procs)-1]
		s.procs = s.procs[:len(s.procs)-1]
		_ = last.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = last.Wait()                          // how, does not matter
	}
}

// waitFor waits until a path is answered well.
func (s *server) waitFor(ctx context.Context, path string) error {
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		response, err := http.Get(s.url + path)
		if err == nil {
			_ = response.Body.Close() // nothing of it is wanted
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%s does not answer %s", s.name, path)
}

// cpu is the processor time of all processes so far.
func (s *server) cpu() (sum time.Duration, err error) {
	for _, p := range s.procs {
		t, err := cpuTime(p.Process.Pid)
		if err != nil {
			return 0, fmt.Errorf("processor time of %s: %w", s.name, err)
		}
		sum += t
	}
	return sum, nil
}

// memory is the resident memory of all processes, in bytes: now, or the most
// that it was since the last call of forget.
func (s *server) memory(line string) (sum int64, err error) {
	for _, p := range s.procs {
		n, err := statusLine(p.Process.Pid, line)
		if err != nil {
			return 0, fmt.Errorf("memory of %s: %w", s.name, err)
		}
		sum += n
	}
	return sum, nil
}

// forget starts the measuring of the most memory anew.
func (s *server) forget() {
	for _, p := range s.procs {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.Process.Pid), []byte("5"), 0) // without the right to, the most since its start is told
	}
}

// statusLine reads a size from /proc/PID/status, such as VmRSS or VmHWM.
func statusLine(pid int, name string) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no %s", name)
}

// freeAddress is one that nobody listens on now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
