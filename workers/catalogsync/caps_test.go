package catalogsync

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/roster"
)

func setCap(name string, n int) roster.Request {
	return roster.Request{Action: roster.Change, Name: name, Set: roster.Patch{MaxConcurrency: &n}}
}

// shownCap is how many calls at once a provider is shown with, and what the
// configuration says of that; -1: it was not changed.
func shownCap(t *testing.T, js jetstream.JetStream, name string) (limit, configured int) {
	t.Helper()
	a, err := roster.Ask(t.Context(), js.Conn(), roster.Request{Action: roster.List, Name: name})
	if err != nil || len(a.Providers) != 1 {
		return 0, 0
	}
	if configured = -1; a.Providers[0].Configured != nil {
		configured = *a.Providers[0].Configured
	}
	return a.Providers[0].MaxConcurrency, configured
}

func TestTheCapOfAConfiguredProviderIsKept(t *testing.T) {
	js := withBuckets(t)
	path := filepath.Join(t.TempDir(), "allama.db")
	defined := definable(t, js, &upstream{name: "one"})
	defined.Configured[0].MaxConcurrency = 8
	fixed := &upstream{name: "fixed", models: []string{"m"}, limits: roster.Limits{MaxConcurrency: 8}}
	o := Options{Database: path, Defined: defined}
	s, stop := run(t, js, o, fixed)
	<-s.Ready()
	shows := func(what string, limit, configured int) {
		t.Helper()
		eventually(t, what, func() bool { l, c := shownCap(t, js, "fixed"); return l == limit && c == configured })
	}
	eventually(t, "set it", func() bool { return ask(t, js, setCap("fixed", 4)) == "fixed " })
	shows("the cap", 4, 8)
	both := setCap("fixed", 3)
	both.Set.Active = new(false)
	wantAsked(t, js,
		step{both, "only max_concurrency can be changed here"},
		step{setCap("fixed", -1), "invalid_request: max_concurrency: must be 1 or more"},
		step{setCap("off", 2), "off  off"},
		step{setCap("nobody", 2), "there is no provider nobody"},
	)
	if published, err := roster.Read(t.Context(), js); err != nil || published.Caps["fixed"] != 4 || published.Caps["off"] != 2 {
		t.Errorf("published: %+v, %v", published, err)
	}

	stop()
	if err := os.Remove(path); err != nil { // the bus knows it, too
		t.Fatal(err)
	}
	_, stop = run(t, js, o, fixed)
	shows("the cap of the bus", 4, 8)
	eventually(t, "lower it", func() bool { return ask(t, js, setCap("fixed", 2)) == "fixed " })
	stop()
	run(t, js, o, fixed)
	shows("the cap of the file", 2, 8)
	eventually(t, "take it back", func() bool { return ask(t, js, setCap("fixed", 0)) == "fixed " })
	shows("the configuration's", 8, -1)
}

// What whoever asks has found wrong is told with all else, and nothing is
// changed.
func TestAllProblemsAreToldAtOnce(t *testing.T) {
	js := withBuckets(t)
	s, _ := run(t, js, Options{Database: filepath.Join(t.TempDir(), "allama.db"), Defined: definable(t, js, &upstream{name: "one"})})
	<-s.Ready()
	eventually(t, "add", func() bool { return ask(t, js, add("a", "one")) == "a http://one" })
	before, err := roster.Read(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	many := add("bad", "nowhere")
	many.Set.RPM = new(-1)
	many.Problems = roster.Problems{{Field: "timeout", Message: "is odd"}}
	few := roster.Request{Action: roster.Change, Name: "a", Set: roster.Patch{TPM: new(-1)}, Problems: roster.Problems{{Field: "tpm", Message: "is odd"}}}
	capped := roster.Request{Action: roster.Change, Name: "fixed", Problems: roster.Problems{{Field: "max_concurrency", Message: "is odd"}}}
	wantAsked(t, js,
		step{many, "invalid_request: name: is bad; timeout: is odd; rpm: must be 1 or more, or 0 for the default; host: is unknown"},
		step{few, "invalid_request: tpm: is odd"},
		step{capped, "invalid_request: max_concurrency: is odd"},
	)
	if after, err := roster.Read(t.Context(), js); err != nil || after.Revision != before.Revision {
		t.Errorf("the roster was changed: %+v, %v", after, err)
	}
	if got := ask(t, js, few); strings.Contains(got, ";") {
		t.Errorf("a field is there twice: %s", got)
	}
}

// Whoever keeps the queue is told that there is nothing to tell, also by the first
// sync worker ever, and again when the server has forgotten it.
func TestThatNothingWasChangedIsTold(t *testing.T) {
	js := withBuckets(t)
	s, _ := run(t, js, Options{Database: filepath.Join(t.TempDir(), "allama.db"), Defined: definable(t, js)})
	<-s.Ready()
	told := func() bool {
		r, err := roster.Read(t.Context(), js)
		return err == nil && r.Revision > 0
	}
	if !told() {
		t.Error("with the first catalog, nothing was told of limits")
	}
	kv, err := js.KeyValue(t.Context(), bus.BucketConfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Delete(t.Context(), "providers"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is told again", told)
}

// Whoever keeps the queue has calls made one at a time until it hears of the
// limits: that a bucket was there a moment too late must not cost seconds.
func TestWhatCouldNotBeToldIsToldSoon(t *testing.T) {
	js := withBucket(t) // that of the catalog, and no other
	s := New(js, nil, Options{Defined: definable(t, js, &upstream{name: "one"})})
	s.checkEvery, s.restored = time.Hour, true
	s.check(t.Context())
	if wait := time.Until(s.checkAt); s.revision == 0 || wait > time.Second {
		t.Errorf("revision %d, tried again in %s", s.revision, wait)
	}
	for range untoldChecks {
		s.check(t.Context())
	}
	if wait := time.Until(s.checkAt); wait < time.Minute {
		t.Errorf("after many times in vain it is tried again in %s", wait)
	}
	makeConfig(t, js)
	s.check(t.Context())
	if r, err := roster.Read(t.Context(), js); err != nil || r.Revision != 1 {
		t.Errorf("told %+v, %v", r, err)
	}
	if wait := time.Until(s.checkAt); wait < time.Minute {
		t.Errorf("all was told, and is looked after in %s", wait)
	}
}

func TestARosterThatIsDamagedIsPublishedAnew(t *testing.T) {
	js := withBuckets(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketConfig)
	if err != nil {
		t.Fatal(err)
	}
	run(t, js, Options{Defined: definable(t, js, &upstream{name: "one"})})
	told := func() bool {
		r, err := roster.Read(t.Context(), js)
		return err == nil && r.Revision == 1
	}
	eventually(t, "told", told)
	if _, err := kv.PutString(t.Context(), "providers", "{"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "told again", told)
}
