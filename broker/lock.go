//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package broker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

const lockName = "lock"

// lock takes a folder for this process alone, until it is closed or the process
// ends, however it does: two servers on one store would spoil it.
func lock(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return lockFile(dir, os.O_CREATE|os.O_RDWR)
}

// abandoned takes a folder that was locked by a process which is no more.
func abandoned(dir string) (io.Closer, bool) {
	f, err := lockFile(dir, os.O_RDWR)
	return f, err == nil
}

func lockFile(dir string, flags int) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), flags, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("another process uses %s", dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
