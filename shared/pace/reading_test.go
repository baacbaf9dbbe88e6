package pace

import (
	"net/http"
	"testing"
	"time"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestRead(t *testing.T) {
	in := func(d time.Duration) time.Time { return start.Add(d) }
	tests := []struct {
		name   string
		header http.Header
		want   Reading
	}{
		{"nothing", nil, Reading{}},
		{"OpenAI's", header(
			"x-ratelimit-limit-requests", "60", "x-ratelimit-remaining-requests", "59", "x-ratelimit-reset-requests", "12ms",
			"x-ratelimit-limit-tokens", "150000", "x-ratelimit-remaining-tokens", "149984", "x-ratelimit-reset-tokens", "6m0s",
		), Reading{quotas: [kinds]quota{ofCalls: {60, 59, in(12 * time.Millisecond)}, ofTokens: {150_000, 149_984, in(6 * time.Minute)}}}},
		{"Anthropic's", header(
			"anthropic-ratelimit-requests-limit", "50", "anthropic-ratelimit-requests-remaining", "49", "anthropic-ratelimit-requests-reset", "2026-01-02T03:04:06Z",
			"anthropic-ratelimit-input-tokens-limit", "9", "anthropic-ratelimit-input-tokens-remaining", "8", "anthropic-ratelimit-input-tokens-reset", "2026-01-02T03:05:05Z",
			"anthropic-ratelimit-output-tokens-limit", "7", "anthropic-ratelimit-output-tokens-remaining", "6", "anthropic-ratelimit-output-tokens-reset", "2026-01-02T03:04:05Z",
			"anthropic-ratelimit-tokens-limit", "5", "anthropic-ratelimit-tokens-remaining", "4", "anthropic-ratelimit-tokens-reset", "2026-01-02T03:04:15+00:00",
		), Reading{quotas: [kinds]quota{
			ofCalls: {50, 49, in(time.Second)}, ofTokens: {5, 4, in(10 * time.Second)}, ofInput: {9, 8, in(time.Minute)}, ofOutput: {7, 6, in(0)},
		}}},
		{"seconds from now", header("ratelimit-limit", "100, 100;w=60", "ratelimit-remaining", "3", "ratelimit-reset", "50"),
			Reading{quotas: [kinds]quota{ofCalls: {100, 3, in(50 * time.Second)}}}},
		{"seconds since 1970", header("x-ratelimit-remaining", "0", "x-ratelimit-reset", "1767323055"),
			Reading{quotas: [kinds]quota{ofCalls: {0, 0, in(10 * time.Second)}}}},
		{"milliseconds since 1970, or many seconds", header("x-ratelimit-remaining", "0", "x-ratelimit-reset", "1767323055000"), Reading{}},
		{"no time", header("x-ratelimit-remaining-requests", "3", "x-ratelimit-limit-requests", "9"), Reading{}},
		{"nothing that remains", header("x-ratelimit-reset-requests", "3s", "x-ratelimit-limit-requests", "9"), Reading{}},
		{"in the past", header("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "-1s"), Reading{quotas: [kinds]quota{ofCalls: {0, 0, start}}}},
		{"far away", header("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "99h"), Reading{quotas: [kinds]quota{ofCalls: {0, 0, in(time.Hour)}}}},
		{"the time to wait", header("retry-after", "2"), Reading{RetryAfter: 2 * time.Second}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Read(tt.header, start)
			for kind, want := range tt.want.quotas {
				if g := got.quotas[kind]; g.limit != want.limit || g.remaining != want.remaining || !g.reset.Equal(want.reset) {
					t.Errorf("kind %d: got %+v, want %+v", kind, g, want)
				}
			}
			if got.RetryAfter != tt.want.RetryAfter {
				t.Errorf("retry after: got %v, want %v", got.RetryAfter, tt.want.RetryAfter)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	tests := []struct {
		name, seconds, millis string
		want                  time.Duration
	}{
		{"nothing", "", "", 0},
		{"seconds", "2", "", 2 * time.Second},
		{"a fraction", "1.5", "", 1500 * time.Millisecond},
		{"milliseconds", "", "250", 250 * time.Millisecond},
		{"both", "9", "250", 250 * time.Millisecond},
		{"milliseconds that are nonsense", "9", "soon", 9 * time.Second},
		{"a date", start.Add(90 * time.Second).Format(http.TimeFormat), "", 90 * time.Second},
		{"a date long gone", start.Add(-time.Hour).Format(http.TimeFormat), "", 0},
		{"a date far away", start.Add(100 * time.Hour).Format(http.TimeFormat), "", time.Hour},
		{"an hour", "3600", "", time.Hour},
		{"more than an hour", "86400", "", time.Hour},
		{"more than a clock can hold", "1e300", "", time.Hour},
		{"infinity", "Inf", "", time.Hour},
		{"negative", "-5", "", 0},
		{"zero", "0", "", 0},
		{"no number", "NaN", "", 0},
		{"words", "in a while", "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Read(header("Retry-After", tt.seconds, "Retry-After-Ms", tt.millis), start).RetryAfter; got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestUntilReset(t *testing.T) {
	tests := []struct {
		name   string
		header http.Header
		want   time.Duration
	}{
		{"no header", nil, 0},
		{"a limit of which something is left", header("x-ratelimit-remaining-tokens", "7", "x-ratelimit-reset-tokens", "1s"), 0},
		{"the longest of several", header(
			"x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "6m0s",
			"x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "20ms"), 6 * time.Minute},
		{"nonsense", header("x-ratelimit-remaining", "0", "x-ratelimit-reset", "1741305600000"), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Read(tt.header, start).UntilReset(start); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("60", "59", "12ms", "2")
	f.Add("100, 100;w=60", "0", "2026-01-02T03:04:06Z", "Fri, 02 Jan 2026 03:04:06 GMT")
	f.Add("-1", "1e300", "1767323055", "NaN")
	f.Add("Inf", "NaN", "-9999999h", "1e-300")
	f.Fuzz(func(t *testing.T, limit, remaining, reset, after string) {
		r := Read(header("X-Ratelimit-Limit", limit, "X-Ratelimit-Remaining", remaining, "X-Ratelimit-Reset", reset, "Retry-After", after), start)
		for kind, q := range r.quotas {
			if q.limit < 0 || q.remaining < 0 || !q.reset.IsZero() && (q.reset.Before(start) || q.reset.Sub(start) > maxWait) {
				t.Errorf("kind %d: %+v", kind, q)
			}
		}
		if r.RetryAfter < 0 || r.RetryAfter > maxWait || r.UntilReset(start) < 0 || r.UntilReset(start) > maxWait {
			t.Errorf("waits of %v and %v", r.RetryAfter, r.UntilReset(start))
		}
	})
}
