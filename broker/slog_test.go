package broker

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// A server of a cluster that is not there yet is no error, and said once for all
// connections to it; one that stays away is a warning now and then.
func TestAServerThatIsNotReached(t *testing.T) {
	l := newLogger(quiet)
	began := time.Now()
	for _, tt := range []struct {
		after time.Duration
		why   string
		level slog.Level
		news  bool
	}{
		{0, "a refused", slog.LevelInfo, true},
		{0, "a refused", 0, false},
		{0, "b refused", slog.LevelInfo, true},
		{30 * time.Second, "a refused", 0, false},
		{60 * time.Second, "a refused", slog.LevelWarn, true},
		{60 * time.Second, "a refused", 0, false},
		{120 * time.Second, "a refused", slog.LevelWarn, true},
		{30 * time.Minute, "a refused", slog.LevelInfo, true},
	} {
		level, news := l.routeMissing(tt.why, began.Add(tt.after))
		if news != tt.news || news && level != tt.level {
			t.Errorf("%s after %v: got %v, news %v, want %v, %v", tt.why, tt.after, level, news, tt.level, tt.news)
		}
	}
	if len(l.missing) != 1 {
		t.Errorf("%d reasons are remembered, want the last", len(l.missing))
	}
}

// NATS says it as we expect it to.
func TestServersThatStartAreNoErrors(t *testing.T) {
	t.Parallel()
	cfg := clusterOf(t, 3)
	var out syncBuffer
	s, err := Start(cfg[0], slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "both others are missed", func() bool {
		return strings.Count(out.String(), "Error trying to connect to route") == 2
	})
	time.Sleep(1500 * time.Millisecond) // another try of each
	s.shutdown()
	if err := s.store.Close(); err != nil {
		t.Error(err)
	}
	if got := out.String(); strings.Contains(got, "level=ERROR") || strings.Count(got, "Error trying to connect to route") != 2 {
		t.Errorf("it said:\n%s", got)
	}
}

func TestOtherErrorsAreErrors(t *testing.T) {
	var out bytes.Buffer
	l := newLogger(slog.New(slog.NewTextHandler(&out, nil)))
	for range 2 {
		l.Errorf("Error trying to connect to gateway (attempt %v): %v", 1, errors.New("refused"))
	}
	if got := strings.Count(out.String(), "level=ERROR"); got != 2 {
		t.Errorf("%d errors are logged, want 2:\n%s", got, out.String())
	}
}

// A syncBuffer may be read while others write to it.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
