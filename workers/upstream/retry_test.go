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
