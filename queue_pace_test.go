package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A meter is how an upstream counts the calls that it allows.
type meter struct {
	limit  int           // so many in a window
	window time.Duration // from the first call on, then from the first one after it
	evenly bool          // it is rather a bucket that fills evenly, as OpenAI's
	slides bool          // any stretch of time is a window; what is told is when the oldest call leaves it
	tells  bool          // of the limit, in headers

	mu      sync.Mutex
	taken   float64
	since   time.Time
	calls   []time.Time // that were allowed, where windows slide
	first   time.Time   // the first call
	refused int
	late    int // of them, after the first window
}

// count counts a call, and returns what is left, and until when.
func (m *meter) count(now time.Time) (ok bool, left int, reset time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.first.IsZero() {
		m.first = now
	}
	if m.slides {
		return m.slide(now)
	}
	per := m.window.Seconds() / float64(m.limit)
	switch passed := now.Sub(m.since); {
	case m.evenly:
		m.taken = max(0, m.taken-passed.Seconds()/per)
		m.since = now
	case passed >= m.window:
		m.taken, m.since = 0, now
	}
	if ok = m.taken+1 <= float64(m.limit); ok {
		m.taken++
	} else {
		m.refuse(now)
	}
	if reset = m.since.Add(m.window).Sub(now); m.evenly {
		reset = time.Duration(m.taken * per * float64(time.Second))
	}
	return ok, int(float64(m.limit) - m.taken), reset
}

// slide is count for a window that slides.
func (m *meter) slide(now time.Time) (ok bool, left int, reset time.Duration) {
	for len(m.calls) > 0 && now.Sub(m.calls[0]) >= m.window {
		m.calls = m.calls[1:]
	}
	if ok = len(m.calls) < m.limit; ok {
		m.calls = append(m.calls, now)
	} else {
		m.refuse(now)
	}
	return ok, m.limit - len(m.calls), m.calls[0].Add(m.window).Sub(now)
}

func (m *meter) refuse(now time.Time) {
	if m.refused++; now.Sub(m.first) > m.window {
		m.late++
	}
}

// screen has an upstream allow only so many calls.
func (m *meter) screen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		ok, left, reset := m.count(time.Now())
		if m.tells {
			w.Header().Set("X-Ratelimit-Limit-Requests", fmt.Sprint(m.limit))
			w.Header().Set("X-Ratelimit-Remaining-Requests", fmt.Sprint(left))
			w.Header().Set("X-Ratelimit-Reset-Requests", reset.String())
		}
		if ok {
			next.ServeHTTP(w, r)
			return
		}
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After-Ms", fmt.Sprint(reset.Milliseconds()+1))
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`)
	})
}

// What an upstream allows is known, by the operator or from what it says: calls
// beyond that wait, and neither clients nor the upstream notice. Where it says
// nothing before it refuses, clients do not, and the upstream does not for long.
func TestCallsGoAsFastAsIsAllowed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		rpm     string
		m       *meter
		calls   int // at once
		refused int // at the most
		late    int // of them, at the most
	}{
		{"as configured", "OPENAI_RPM=1200", &meter{limit: 24, window: 1200 * time.Millisecond, evenly: true}, 120, 1, 1},
		{"as its headers say", "", &meter{limit: 60, window: 3 * time.Second, tells: true}, 120, 1, 1},
		{"as its headers say of a bucket", "", &meter{limit: 60, window: 3 * time.Second, evenly: true, tells: true}, 120, 1, 1},
		{"as its headers say of a window that slides", "", &meter{limit: 60, window: 3 * time.Second, slides: true, tells: true}, 240, 2, 2},
		{"as its refusals say", "", &meter{limit: 60, window: 3 * time.Second}, 200, 140, 2},
		{"as its refusals say of a window that slides", "", &meter{limit: 60, window: 3 * time.Second, slides: true}, 200, 140, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := tt.m
			u := newScreenedUpstream(t, 20*time.Millisecond, m.screen)
			s, env := startParts(t, "OPENAI_HOST="+u.URL+"/v1", "OPENAI_API_KEY=sk")
			if tt.rpm != "" {
				env = append(env, tt.rpm)
			}
			for range 3 {
				s.run(t, "worker", env...)
			}
			s.waitForModel(t, "slow")
			s.waitWorkers(t, "openai", 3)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			took, failed := burst(ctx, tt.calls, "call", s.url)
			m.mu.Lock()
			defer m.mu.Unlock()
			t.Logf("%d calls in %v, %d refused by the upstream, %d of them late", tt.calls, took, m.refused, m.late)
			if len(failed) > 0 {
				t.Errorf("%d calls failed, the first with %s", len(failed), failed[0])
			}
			if m.refused > tt.refused || m.late > tt.late {
				t.Errorf("the upstream refused %d of %d calls, and %d of them later than in the first window, want %d and %d at the most", m.refused, tt.calls, m.late, tt.refused, tt.late)
			}
			if least := time.Duration(tt.calls) * m.window / time.Duration(m.limit); took > 3*least {
				t.Errorf("%d calls took %v, want about %v", tt.calls, took, least)
			}
			if again := u.repeated(); len(again) > 0 {
				t.Errorf("performed twice: %q", again)
			}
		})
	}
}
