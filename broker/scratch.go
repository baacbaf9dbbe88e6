package broker

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/offbeat-studio/allama/shared/logging"
)

const (
	scratchName = "allama-nats-"

	// scratchNew is what a folder is called until it is locked, so that nobody
	// takes it for abandoned.
	scratchNew = "allama-new-"
)

// A scratch is a folder for a server that keeps everything in memory: JetStream
// wants one all the same. It is locked for as long as its process lives.
type scratch struct {
	dir  string
	lock io.Closer
}

// newScratch makes a folder among those for temporary files. What killed
// processes have left there it removes.
func newScratch(log *slog.Logger) (*scratch, error) {
	sweep(os.TempDir(), log)
	dir, err := os.MkdirTemp("", scratchNew)
	if err != nil {
		return nil, err
	}
	s := &scratch{dir: filepath.Join(filepath.Dir(dir), scratchName+strings.TrimPrefix(filepath.Base(dir), scratchNew))}
	if s.lock, err = lock(dir); err == nil {
		err = os.Rename(dir, s.dir)
	}
	if err != nil {
		s.dir = dir
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close removes the folder.
func (s *scratch) Close() error {
	err := os.RemoveAll(s.dir)
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// sweep removes the folders that nobody has locked. One that has no lock at all,
// or is no folder of ours, is left alone.
func sweep(dir string, log *slog.Logger) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // there is hardly a place for the new one either
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), scratchName) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		held, ok := abandoned(path)
		if !ok {
			continue
		}
		if err := errors.Join(os.RemoveAll(path), held.Close()); err != nil {
			log.Debug("remove what another process has left", slog.String("dir", path), slog.Any(logging.KeyError, err))
		}
	}
}
