package upstream

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/pace"
)

// Two workers share one key, and each has another one, in another place.
func TestWhatAKeyHasLearntIsToldOfThatKey(t *testing.T) {
	one := &Client{keys: newKeyring([]logging.Secret{"sk-shared-1", "sk-only-one"}, bearer)}
	two := &Client{keys: newKeyring([]logging.Secret{"sk-only-two", "sk-shared-1"}, bearer)}
	one.Room(pace.Part{Rank: 0, Of: 2})
	two.Room(pace.Part{Rank: 1, Of: 2})
	if word := one.Word(); word != nil {
		t.Errorf("there is something to tell before there was a call: %s", word)
	}
	now := time.Now()
	shared := one.keys.keys[0]
	u := &use{ring: one.keys, credential: shared, mark: shared.learnt.Send(1, now)}
	u.refused(&llm.Error{Code: llm.CodeRateLimited}, http.StatusTooManyRequests, http.Header{"Retry-After": {"60"}}, now)
	word := one.Word()
	if word == nil || strings.Contains(string(word), "sk-") {
		t.Fatalf("told: %s", word)
	}
	if again := one.Word(); again != nil {
		t.Errorf("told again: %s", again)
	}
	two.Told("one", word)
	two.Told("one", []byte("nonsense"))
	for i, want := range []bool{true, false} {
		if n, _ := two.keys.keys[i].learnt.Room(pace.Part{Rank: 1, Of: 2}, time.Now()); n > 0 != want {
			t.Errorf("key %d of the other worker: room for %d", i+1, n)
		}
	}
}

// That a list of models comes without a word about limits does not mean that
// calls have none.
func TestAListSaysNothingOfTheLimitsOfCalls(t *testing.T) {
	r := newKeyring(pair[:1], bearer)
	now := time.Now()
	for _, tt := range []struct {
		asks bool
		many bool
	}{{true, false}, {false, true}} {
		u, err := r.choose("", 1, now)
		if err != nil {
			t.Fatal(err)
		}
		u.asks = tt.asks
		u.heard(http.Header{}, now)
		if n, _ := r.room(pace.Part{}, now); n > 1000 != tt.many {
			t.Errorf("after a list %v: room for %d", tt.asks, n)
		}
	}
}
