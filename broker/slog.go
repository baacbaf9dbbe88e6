package broker

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

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

	mu      sync.Mutex
	missing map[string]time.Time // by the reason why a server is not reached: when it was last said
}

const (
	// routeMissing is how NATS says that it does not reach another server.
	routeMissing = "Error trying to connect to route "

	// missingAgain is how often it is repeated, in about.
	missingAgain = 50 * time.Second
)

func newLogger(log *slog.Logger) *logger {
	return &logger{log: log.With(slog.String(logging.KeyComponent, "nats")), fatal: make(chan string, 1), missing: map[string]time.Time{}}
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

// Errorf logs at Error, but for what becomes of itself, or of whoever starts the
// other servers.
func (l *logger) Errorf(format string, args ...any) {
	level := slog.LevelError
	if strings.HasPrefix(format, routeMissing) && len(args) > 0 {
		var news bool
		if level, news = l.routeMissing(fmt.Sprint(args[len(args)-1]), time.Now()); !news {
			return
		}
	}
	l.print(level, format, args)
}

// routeMissing says how to log that another server is not reached, if that is
// news: for each of several connections to it NATS says the same. At first it is
// only about to start, or to start again.
func (l *logger) routeMissing(why string, now time.Time) (level slog.Level, news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	said, known := l.missing[why]
	since := now.Sub(said)
	switch {
	case known && since < missingAgain:
		return level, false
	case !known || since > 3*missingAgain:
		level = slog.LevelInfo
	default:
		level = slog.LevelWarn
	}
	maps.DeleteFunc(l.missing, func(_ string, said time.Time) bool { return now.Sub(said) > 3*missingAgain })
	l.missing[why] = now
	return level, true
}

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
