package broker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/offbeat-studio/allama/shared/logging"
)

var _ server.Logger = (*logger)(nil)

// levelTrace is below Debug: what NATS says to its own developers about every
// connection.
const levelTrace = slog.LevelDebug - 4

// A logger hands the server's lines to slog. Notices become Debug: at Info a
// server that starts, runs and stops has nothing to say.
type logger struct {
	log   *slog.Logger
	fatal chan string // the first reason for which the server cannot run
}

func newLogger(log *slog.Logger) *logger {
	return &logger{log: log.With(slog.String(logging.KeyComponent, "nats")), fatal: make(chan string, 1)}
}

// debugs reports whether anybody sees the server's debug lines.
func (l *logger) debugs() bool { return l.log.Enabled(context.Background(), levelTrace) }

func (l *logger) print(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

// Noticef logs at Debug what is news to NATS and not to an operator.
func (l *logger) Noticef(format string, args ...any) { l.print(slog.LevelDebug, format, args) }

// Warnf logs at Warn.
func (l *logger) Warnf(format string, args ...any) { l.print(slog.LevelWarn, format, args) }

// Errorf logs at Error.
func (l *logger) Errorf(format string, args ...any) { l.print(slog.LevelError, format, args) }

// Debugf logs below Debug.
func (l *logger) Debugf(format string, args ...any) { l.print(levelTrace, format, args) }

// Tracef logs below Debug, too.
func (l *logger) Tracef(format string, args ...any) { l.print(levelTrace, format, args) }

// Fatalf does not end the process, as NATS expects of its own logger: whoever
// started the server gets the reason instead.
func (l *logger) Fatalf(format string, args ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, args...):
	default:
	}
}
