package pace

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait is the longest time for which an upstream's word is taken.
const maxWait = time.Hour

// The kinds of thing that upstreams count.
const (
	ofCalls  = iota
	ofTokens // both ways
	ofInput
	ofOutput
	kinds
)

// A quota is what is left of a limit. The zero value says nothing.
type quota struct {
	limit     int       // 0: not said
	remaining int       // of it
	reset     time.Time // when there is as much as the limit again; zero: nothing is said
}

// A Reading is what the head of an answer says of limits.
type Reading struct {
	quotas     [kinds]quota
	RetryAfter time.Duration // how long the upstream wants to be left alone; 0: not said
}

// names are the headers of a limit, in canonical form.
type names struct{ limit, remaining, reset string }

// named returns the names that come of a pattern in which * stands for a word.
func named(patterns ...string) []names {
	var all []names
	for _, p := range patterns {
		word := func(w string) string { return strings.Replace(p, "*", w, 1) }
		all = append(all, names{word("Limit"), word("Remaining"), word("Reset")})
	}
	return all
}

// dialects are the ways to name the headers.
var dialects = [kinds][]names{
	ofCalls:  named("X-Ratelimit-*-Requests", "Anthropic-Ratelimit-Requests-*", "X-Ratelimit-*", "Ratelimit-*"),
	ofTokens: named("X-Ratelimit-*-Tokens", "Anthropic-Ratelimit-Tokens-*"),
	ofInput:  named("Anthropic-Ratelimit-Input-Tokens-*"),
	ofOutput: named("Anthropic-Ratelimit-Output-Tokens-*"),
}

// Read reads the head of an answer. What cannot be understood, or can be in more
// than one way, is left out.
func Read(h http.Header, now time.Time) Reading {
	r := Reading{RetryAfter: retryAfter(h, now)}
	for kind, ways := range dialects {
		for _, way := range ways {
			if q := readQuota(h, way, now); !q.reset.IsZero() {
				r.quotas[kind] = q
				break
			}
		}
	}
	return r
}

// UntilReset is how long it takes until there is something left of all limits;
// 0 where there is, or nothing says so.
func (r Reading) UntilReset(now time.Time) time.Duration {
	var wait time.Duration
	for _, q := range r.quotas {
		if !q.reset.IsZero() && q.remaining == 0 {
			wait = max(wait, q.reset.Sub(now))
		}
	}
	return min(wait, maxWait)
}

// readQuota reads the three headers of a limit. Without what remains, or until when,
// it is of no use.
func readQuota(h http.Header, n names, now time.Time) quota {
	remaining, ok := count(valueOf(h, n.remaining))
	if !ok {
		return quota{}
	}
	reset, ok := resetAt(valueOf(h, n.reset), now)
	if !ok {
		return quota{}
	}
	limit, _ := count(valueOf(h, n.limit))
	return quota{limit: limit, remaining: remaining, reset: reset}
}

// valueOf is the first value of a header, which is named in canonical form.
func valueOf(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// count reads a number of calls or tokens. It may be followed by the window, as
// in "100, 100;w=60".
func count(text string) (int, bool) {
	if text == "" {
		return 0, false
	}
	text, _, _ = strings.Cut(text, ",")
	text, _, _ = strings.Cut(text, ";")
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(n) {
		return 0, false
	}
	return int(min(max(n, 0), math.MaxInt32)), true
}

// Numbers of seconds are taken for times where they are after this, and for
// durations where they are no longer than a day.
const (
	epoch = 1_000_000_000
	day   = 24 * 60 * 60
)

// resetAt reads when a limit is whole again: a duration as OpenAI writes it, a
// time as Anthropic does, or a number of seconds, from now or since 1970.
func resetAt(text string, now time.Time) (time.Time, bool) {
	if text = strings.TrimSpace(text); text == "" {
		return time.Time{}, false
	}
	var at time.Time
	if d, err := time.ParseDuration(text); err == nil {
		at = now.Add(min(d, maxWait))
	} else if t, err := time.Parse(time.RFC3339, text); err == nil {
		at = t
	} else if n, err := strconv.ParseFloat(text, 64); err == nil && n >= epoch && n < 10*epoch {
		at = time.Unix(0, int64(n*float64(time.Second)))
	} else if err == nil && n >= 0 && n <= day {
		at = now.Add(time.Duration(n * float64(time.Second)))
	} else {
		return time.Time{}, false
	}
	switch latest := now.Add(maxWait); {
	case at.After(latest):
		return latest, true
	case at.Before(now):
		return now, true
	}
	return at, true
}

// retryAfter reads how long the upstream wants to be left alone; zero where it
// does not say, or says nonsense.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if d, ok := number(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return d
	}
	text := h.Get("Retry-After")
	if text == "" {
		return 0
	}
	if d, ok := number(text, time.Second); ok {
		return d
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxWait)
	}
	return 0
}

func number(text string, unit time.Duration) (time.Duration, bool) {
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0) {
		return 0, false
	}
	return time.Duration(min(n, float64(maxWait/unit)) * float64(unit)), true
}
