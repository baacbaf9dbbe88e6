package bus

import (
	"testing"
	"time"
)

func TestLoadIsWhatAllWorkersSay(t *testing.T) {
	now := time.Now()
	table := presenceTable{absent: 6 * time.Second}
	if got := table.load("p", now); got != (Load{}) {
		t.Errorf("without a worker: got %+v", got)
	}
	table.note("p", "gone", presence{Capacity: 100, PerMinute: 100, Paused: time.Hour.Milliseconds()}, now.Add(-7*time.Second))
	table.note("p", "a", presence{Capacity: 4, InFlight: 3, Cap: 8, PerMinute: 20, Paused: 2000}, now)
	table.note("p", "b", presence{Capacity: 4, InFlight: 1, Cap: 8, PerMinute: 40, Paused: 500}, now.Add(-time.Second))
	table.note("q", "c", presence{Capacity: 1}, now)
	want := Load{Workers: 2, Capacity: 8, InFlight: 4, Cap: 8, PerMinute: 60, PausedUntil: now.Add(2 * time.Second)}
	got := table.load("p", now)
	if got.shards = 0; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := table.load("p", now.Add(3*time.Second)).PausedUntil; !got.IsZero() {
		t.Errorf("after the pause: paused until %v", got)
	}
}

func TestAPauseIsNeverShortened(t *testing.T) {
	var w Worker
	now := time.Now()
	for _, tt := range []struct {
		until time.Duration
		news  bool
		want  time.Duration
	}{{time.Second, true, time.Second}, {500 * time.Millisecond, false, time.Second}, {time.Minute, true, time.Minute}, {time.Minute + time.Millisecond, false, time.Minute + time.Millisecond}} {
		if news := w.heedPause(now.Add(tt.until)); news != tt.news {
			t.Errorf("for %v: news %v, want %v", tt.until, news, tt.news)
		}
		if got := w.pausedUntil().Sub(now).Round(time.Millisecond); got != tt.want {
			t.Errorf("for %v: paused for %v, want %v", tt.until, got, tt.want)
		}
	}
}
