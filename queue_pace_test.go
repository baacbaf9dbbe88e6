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
	tells  bool          // of the limit, in headers

	mu      sync.Mutex
	taken   float64
	since   time.Time
	refused int
}

// count counts a call, and returns what is left, and until when.
func (m *meter) count(now time.Time) (ok bool, left int, reset time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
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
		m.refused++
	}
	if reset = m.since.Add(m.window).Sub(now); m.evenly {
		reset = time.Duration(m.taken * per * float64(time.Second))
	}
	return ok, int(float64(m.limit) - m.taken), reset
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
// nothing before it refuses, at least clients do not.
func TestCallsGoAsFastAsIsAllowed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		rpm     string
		m       *meter
		calls   int // at once
		refused int // at the most
	}{
		{"as configured", "OPENAI_RPM=1200", &meter{limit: 24, window: 1200 * time.Millisecond, evenly: true}, 120, 2},
		{"as its headers say", "", &meter{limit: 60, window: 3 * time.Second, tells: true}, 120, 2},
		{"as its headers say of a bucket", "", &meter{limit: 60, window: 3 * time.Second, evenly: true, tells: true}, 120, 2},
		{"as its refusals say", "", &meter{limit: 60, window: 3 * time.Second}, 100, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := tt.m
			u := newScreenedUpstream(t, 20*time.Millisecond, m.screen)
			s, env := startParts(t, "OPENAI_HOST="+u.URL+"/v1", "OPENAI_API_KEY=sk")
			if tt.rpm != "" {
				env = append(env, tt.rpm)
			}
			for range 2 {
				s.run(t, "worker", env...)
			}
			s.waitForModel(t, "slow")
			s.waitWorkers(t, "openai", 2)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			took, failed := burst(ctx, tt.calls, "call", s.url)
			m.mu.Lock()
			defer m.mu.Unlock()
			t.Logf("%d calls in %v, %d refused by the upstream", tt.calls, took, m.refused)
			if len(failed) > 0 {
				t.Errorf("%d calls failed, the first with %s", len(failed), failed[0])
			}
			if m.refused > tt.refused {
				t.Errorf("the upstream refused %d of %d calls, want %d at the most", m.refused, tt.calls, tt.refused)
			}
			if took > 10*time.Second {
				t.Errorf("%d calls took %v, want about 5s", tt.calls, took)
			}
			if again := u.repeated(); len(again) > 0 {
				t.Errorf("performed twice: %q", again)
			}
		})
	}
}
