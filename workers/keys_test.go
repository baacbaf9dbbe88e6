package workers

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
)

var threeKeys = []logging.Secret{"sk-first-0001", "sk-second-0002", "sk-third-0003"}

// used counts the calls by key.
func used(keys []string) map[string]int {
	n := map[string]int{}
	for _, k := range keys {
		n[k]++
	}
	return n
}

func TestKeysAreUsedByTurns(t *testing.T) {
	r := newPacingRig(t, 1, &strictUpstream{}, ProviderConfig{APIKeys: threeKeys})
	for range 9 {
		if e := r.call(t, ""); e != nil {
			t.Fatal(e)
		}
	}
	if got, want := used(r.upstream.keys()), map[string]int{"sk-first-0001": 3, "sk-second-0002": 3, "sk-third-0003": 3}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCallsWithSomethingInCommonHaveOneKey(t *testing.T) {
	r := newPacingRig(t, 3, &strictUpstream{}, ProviderConfig{APIKeys: threeKeys})
	all := map[string]bool{}
	for _, affinity := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		before := len(r.upstream.keys())
		for range 4 {
			if e := r.call(t, affinity); e != nil {
				t.Fatal(e)
			}
		}
		keys := used(r.upstream.keys()[before:])
		if len(keys) != 1 {
			t.Errorf("%s: got %v, want one key", affinity, keys)
		}
		maps.Copy(all, map[string]bool{slices.Collect(maps.Keys(keys))[0]: true})
	}
	if len(all) < 2 {
		t.Errorf("all calls have gone to %v", all)
	}
}

func TestARefusedKeyIsSetAside(t *testing.T) {
	u := &strictUpstream{}
	u.refuse.Store("sk-second-0002", http.StatusUnauthorized)
	r := newPacingRig(t, 1, u, ProviderConfig{APIKeys: threeKeys})
	again := 0
	for range 12 {
		if e := r.call(t, ""); e != nil {
			again++
			if e.Code != llm.CodeUpstreamAuth || !e.Again {
				t.Errorf("got %+v, want that the call be made again", e)
			}
			if strings.Contains(e.Error(), "0002") {
				t.Errorf("the key is in %q", e.Error())
			}
		}
	}
	if n := used(r.upstream.keys())["sk-second-0002"]; n != 1 || again != 1 {
		t.Errorf("the refused key was used %d times, and %d calls failed, want 1 and 1", n, again)
	}
	log := r.log.String()
	if n := strings.Count(log, "level=ERROR"); n != 1 || !strings.Contains(log, "key=2 of=3") {
		t.Errorf("%d errors in the log, want 1 that names key 2 of 3:\n%s", n, log)
	}
	if strings.Contains(log, "sk-second") {
		t.Error("the key is in the log")
	}
}

func TestWithoutAGoodKeyCallsFailAtOnce(t *testing.T) {
	u := &strictUpstream{}
	for _, k := range threeKeys {
		u.refuse.Store(k.Reveal(), http.StatusUnauthorized)
	}
	r := newPacingRig(t, 1, u, ProviderConfig{APIKeys: threeKeys})
	for i := range 10 {
		e := r.call(t, "")
		if e == nil || e.Code != llm.CodeUpstreamAuth || e.Again != (i < 2) {
			t.Errorf("call %d: got %+v", i+1, e)
		}
	}
	if n := len(r.upstream.keys()); n != 3 {
		t.Errorf("the upstream was called %d times, want once with each key", n)
	}
}

func TestWhatIsForbiddenToTheLastKeyIsTriedAgain(t *testing.T) {
	u := &strictUpstream{}
	for _, k := range threeKeys {
		u.refuse.Store(k.Reveal(), http.StatusForbidden)
	}
	r := newPacingRig(t, 1, u, ProviderConfig{APIKeys: threeKeys})
	for range 3 {
		r.call(t, "")
	}
	for _, k := range threeKeys {
		u.refuse.Delete(k.Reveal()) // the calls were about what is forbidden, the next one is not
	}
	if e := r.call(t, ""); e != nil {
		t.Errorf("got %v, want an answer", e)
	}
}

func TestOneKeyTooFastCoolsAlone(t *testing.T) {
	u := &strictUpstream{}
	u.refuse.Store("sk-first-0001", http.StatusTooManyRequests)
	r := newPacingRig(t, 1, u, ProviderConfig{APIKeys: threeKeys})
	failed := 0
	for range 9 {
		if e := r.call(t, ""); e != nil {
			failed++
			if e.Code != llm.CodeRateLimited || !e.Again {
				t.Errorf("got %+v, want that the call be made again", e)
			}
		}
	}
	if n := used(r.upstream.keys())["sk-first-0001"]; n != 1 || failed != 1 {
		t.Errorf("the key was used %d times, and %d calls failed, want 1 and 1", n, failed)
	}
	if l := r.owner.Load("paced"); !l.PausedUntil.IsZero() {
		t.Errorf("the provider is paused until %v", l.PausedUntil)
	}
}

func TestOneCallTooManyPausesTheProvider(t *testing.T) {
	u := &strictUpstream{limit: 1}
	r := newPacingRig(t, 3, u, ProviderConfig{})
	if e := r.call(t, ""); e != nil {
		t.Fatal(e)
	}
	e := r.call(t, "")
	if e == nil || e.Code != llm.CodeRateLimited || e.Again || e.RetryAfter <= 0 {
		t.Fatalf("the second call: got %+v, want that it was one too many", e)
	}
	pauses := time.Now().Add(e.RetryAfter)
	if e := r.call(t, ""); e != nil {
		t.Errorf("the call that waits: got %v, want an answer", e)
	}
	if early := time.Until(pauses); early > 20*time.Millisecond {
		t.Errorf("it was answered %v too early", early)
	}
	if late := -time.Until(pauses); late > time.Second {
		t.Errorf("it was answered %v too late", late)
	}
	if !strings.Contains(r.log.String(), "the provider is paused") {
		t.Error("the log does not say that the provider is paused")
	}
	if u.refused != 1 {
		t.Errorf("%d calls were refused, want 1", u.refused)
	}
}
