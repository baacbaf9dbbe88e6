package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/pace"
)

func bearer(h http.Header, key string) { h.Set("Authorization", "Bearer "+key) }

var pair = []logging.Secret{"sk-a-0001", "sk-b-0002"}

func TestModelsAreListedWithAnyGoodKey(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") != "Bearer sk-b-0002" {
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"error":{"message":"who is that"}}`)
			return
		}
		io.WriteString(w, `["m"]`)
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Base: base, Dialect: openai.Client{}, Keys: pair, Authorize: bearer})
	defer c.Close()
	for range 3 {
		if got, err := Get[[]string](t.Context(), c, "models", nil); err != nil || len(got) != 1 {
			t.Errorf("got %v, %v, want the list", got, err)
		}
	}
}

func TestASetAsideKeyIsProbedByOneCallAtATime(t *testing.T) {
	r := newKeyring(pair, bearer)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	refuse := func(ordinal int, now time.Time) {
		t.Helper()
		u, err := r.choose("", 0, now)
		if err != nil || u.ordinal != ordinal {
			t.Fatalf("chosen: %+v, %v, want key %d", u, err, ordinal)
		}
		u.refused(&llm.Error{Code: llm.CodeUpstreamAuth}, http.StatusUnauthorized, nil, now)
	}
	good := func(now time.Time) {
		t.Helper()
		u, err := r.choose("", 0, now)
		if err != nil || u.ordinal != 2 {
			t.Fatalf("at %v: chosen %+v, %v, want key 2", now, u, err)
		}
		u.heard(nil, now)
	}
	refuse(1, now)
	good(now)
	good(now.Add(59 * time.Second))
	now = now.Add(minSetAside)
	refuse(1, now) // the probe; the next one is twice as far away
	good(now.Add(minSetAside))
	now = now.Add(2 * minSetAside)
	probe, err := r.choose("", 0, now)
	if err != nil || probe.ordinal != 1 {
		t.Fatalf("the second probe: %+v, %v", probe, err)
	}
	good(now) // meanwhile
	probe.heard(nil, now)
	if u, err := r.choose("", 0, now); err != nil || u.ordinal != 1 {
		t.Errorf("after the key is good again: %+v, %v, want it to have its turn", u, err)
	}
}

func TestAffinityLeavesACoolingKeyAlone(t *testing.T) {
	r := newKeyring(pair, bearer)
	now := time.Now()
	first, err := r.choose("s", 0, now)
	if err != nil {
		t.Fatal(err)
	}
	e := first.refused(&llm.Error{Code: llm.CodeRateLimited, RetryAfter: time.Second}, http.StatusTooManyRequests, nil, now)
	if !e.Again || e.RetryAfter != time.Second {
		t.Errorf("got %+v, want that another key be tried", e)
	}
	if other, err := r.choose("s", 0, now); err != nil || other.credential == first.credential {
		t.Errorf("chosen: %+v, %v, want the other key", other, err)
	} else {
		other.heard(nil, now)
	}
	if back, err := r.choose("s", 0, now.Add(time.Second)); err != nil || back.credential != first.credential {
		t.Errorf("afterwards: %+v, %v, want the first one again", back, err)
	}
}

func TestWhenAllKeysCoolTheProviderIsPausedUntilTheFirst(t *testing.T) {
	r := newKeyring(pair, bearer)
	now := time.Now()
	var paused time.Time
	r.hooks.Pause = func(until time.Time) { paused = until }
	for _, wait := range []time.Duration{30 * time.Second, 10 * time.Second} {
		if !paused.IsZero() {
			t.Error("paused by one of the keys")
		}
		u, err := r.choose("", 0, now)
		if err != nil {
			t.Fatal(err)
		}
		e := u.refused(&llm.Error{Code: llm.CodeRateLimited, RetryAfter: wait}, http.StatusTooManyRequests, nil, now)
		if last := wait == 10*time.Second; last == e.Again {
			t.Errorf("again: got %v", e.Again)
		}
	}
	if want := now.Add(10 * time.Second); !paused.Equal(want) {
		t.Errorf("paused until %v, want %v", paused, want)
	}
	_, err := r.choose("", 0, now)
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeRateLimited || e.RetryAfter != 10*time.Second || !e.Unsent {
		t.Errorf("got %+v, want that nothing be sent for 10s", err)
	}
	if n, wait := r.room(pace.Part{}, now); n != 0 || wait <= 0 {
		t.Errorf("room for %d, wait %v, want none", n, wait)
	}
}

func TestHintsGoWithTheContext(t *testing.T) {
	sent := 0
	h := HintsOf(WithHints(t.Context(), Hints{Affinity: "s", Sent: func() { sent++ }}))
	h.sent()
	h.sent()
	if h.Affinity != "s" || sent != 1 {
		t.Errorf("got %q, sent %d times, want s and once", h.Affinity, sent)
	}
	HintsOf(context.Background()).sent() // which is nothing
}
