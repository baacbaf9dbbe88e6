// Package logging sets up structured logs: readable lines for people, JSON for
// machines, and a type for what must never be in either. It does not decide
// what is logged, and keeps no logger of its own: a [slog.Logger] is handed to
// whoever logs.
package logging

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/DeRuina/timberjack"
	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// Keys of attributes, so that the same thing has the same name in every line.
const (
	KeyComponent = "component"
	KeyProvider  = "provider"
	KeyModel     = "model"
	KeyModels    = "models" // how many
	KeyRequest   = "request"
	KeyDialect   = "dialect"
	KeyError     = "error"
)

// A Format is how lines look.
type Format string

// The formats.
const (
	Auto Format = "auto" // Text on a terminal, JSON otherwise; also the zero value
	Text Format = "text" // for people, coloured on a terminal
	JSON Format = "json" // for machines
)

// Options tune a logger. The zero value logs from Info up, and only to the
// writer.
type Options struct {
	Level   slog.Level
	Format  Format
	NoColor bool   // set it when NO_COLOR is in the environment
	Dir     string // if not empty, lines also go to allama.log in this folder, as JSON
}

const (
	fileName   = "allama.log"
	fileMode   = 0o600
	dirMode    = 0o700
	maxSizeMB  = 100 // a file that outgrows it before the day ends is rotated early
	maxAgeDays = 14
	maxFiles   = 30
)

// New returns a logger that writes to w, and what closes its file. The closer
// is never nil. It fails for an unknown format and for a folder that cannot be
// written to.
func New(w io.Writer, o Options) (*slog.Logger, io.Closer, error) {
	console, err := consoleHandler(w, o)
	if err != nil {
		return nil, nil, err
	}
	if o.Dir == "" {
		return slog.New(console), nopCloser{}, nil
	}
	file, err := openFile(o.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open log file: %w", err)
	}
	toFile := slog.NewJSONHandler(file, &slog.HandlerOptions{Level: o.Level})
	return slog.New(slog.NewMultiHandler(console, toFile)), file, nil
}

func consoleHandler(w io.Writer, o Options) (slog.Handler, error) {
	onTerminal := IsTerminal(w)
	format := o.Format
	if format == Auto || format == "" {
		format = JSON
		if onTerminal {
			format = Text
		}
	}
	switch format {
	case JSON:
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.Level}), nil
	case Text:
		return tint.NewTextHandler(w, &tint.Options{
			Level:      o.Level,
			TimeFormat: time.TimeOnly,
			NoColor:    o.NoColor || !onTerminal,
		}), nil
	}
	return nil, fmt.Errorf("log format %q is none of auto, text, json", o.Format)
}

// IsTerminal reports whether somebody may read at once what is written to w.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// openFile opens the log file. It is rotated at midnight.
func openFile(dir string) (io.WriteCloser, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, fileName)
	// The rotating writer opens its file at the first line: find out now
	// whether it will be able to.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, fileMode)
	if err != nil {
		return nil, err
	}
	// The file may be older than this program, and open to others.
	if err := errors.Join(f.Chmod(fileMode), f.Close()); err != nil {
		return nil, err
	}
	return &timberjack.Logger{
		Filename:   path,
		FileMode:   fileMode,
		RotateAt:   []string{"00:00"},
		MaxSize:    maxSizeMB,
		MaxAge:     maxAgeDays,
		MaxBackups: maxFiles,
		LocalTime:  true,
	}, nil
}

type nopCloser struct{}

func (nopCloser) Close() error { return nil }
