package upstream

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
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
		{"a date", now.Add(90 * time.Second).Format(http.TimeFormat), "", 90 * time.Second},
		{"a date long gone", now.Add(-time.Hour).Format(http.TimeFormat), "", 0},
		{"a date far away", now.Add(100 * time.Hour).Format(http.TimeFormat), "", time.Hour},
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
			h := http.Header{}
			h.Set("Retry-After", tt.seconds)
			h.Set("Retry-After-Ms", tt.millis)
			if got := retryAfter(h, now); got != tt.want {
				t.Errorf("got %v want %v", got, tt.want)
			}
		})
	}
}

func TestUntilReset(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name   string
		header map[string]string
		want   time.Duration
	}{
		{"no header", nil, 0},
		{"a limit of which something is left", map[string]string{"x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "1s"}, 0},
		{"the limits of OpenAI", map[string]string{
			"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s",
			"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms",
		}, 6 * time.Minute},
		{"those of Anthropic", map[string]string{
			"anthropic-ratelimit-input-tokens-remaining": "0", "anthropic-ratelimit-input-tokens-reset": "2026-01-02T03:04:15Z",
		}, 10 * time.Second},
		{"in the past", map[string]string{"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "-1s"}, 0},
		{"far away", map[string]string{"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "99h"}, time.Hour},
		{"nonsense", map[string]string{"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1741305600000"}, 0},
	}
	for _, tt := range tests {
		h := http.Header{}
		for name, value := range tt.header {
			h.Set(name, value)
		}
		if got := untilReset(h, now); got != tt.want {
			t.Errorf("%s: got %v want %v", tt.name, got, tt.want)
		}
	}
}
