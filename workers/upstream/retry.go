package upstream

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxRetryAfter = time.Hour

// retryAfter reads how long the upstream wants to be left alone; zero where it
// does not say, or says nonsense.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if d, ok := number(h.Get("retry-after-ms"), time.Millisecond); ok {
		return d
	}
	text := h.Get("Retry-After")
	if d, ok := number(text, time.Second); ok {
		return d
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// untilReset reads when the limits are over of which nothing is left; zero
// where no header says so.
func untilReset(h http.Header, now time.Time) time.Duration {
	var wait time.Duration
	for name := range h {
		if !strings.Contains(name, "Ratelimit") || h.Get(strings.Replace(name, "Reset", "Remaining", 1)) != "0" {
			continue
		}
		if d, err := time.ParseDuration(h.Get(name)); err == nil {
			wait = max(wait, d)
		} else if at, err := time.Parse(time.RFC3339, h.Get(name)); err == nil {
			wait = max(wait, at.Sub(now))
		}
	}
	return min(wait, maxRetryAfter)
}

func number(text string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0) {
		return 0, false
	}
	return time.Duration(min(n, float64(maxRetryAfter/unit)) * float64(unit)), true
}
