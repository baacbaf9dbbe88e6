package catalogsync

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
)

func aliasTo(target string) catalog.Rules {
	return catalog.Rules{Aliases: []catalog.Alias{{Name: "fast", Targets: []catalog.AliasTarget{{Model: target}}}}}
}

func TestRulesAreInForceWithTheFirstSnapshot(t *testing.T) {
	js := withBucket(t)
	s := New(js, []Source{(&upstream{name: "a"}).source()}, Options{})
	s.SetRules(aliasTo("a/m"))
	s.publish(t.Context())
	v := catalog.NewView(js, nil)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go v.Run(ctx)
	<-v.Ready()
	if _, ok := v.Index().Resolve("fast"); ok {
		t.Error("an alias is there, and its target is not")
	}
	s.entries[0] = merge(s.entries[0], []catalog.Model{{ID: "m"}}, nil, time.Now())
	changed := v.Changed()
	s.publish(t.Context())
	<-changed
	if r, ok := v.Index().Reach("fast"); !ok || r.Model.ID != "m" {
		t.Errorf("got %+v, %t", r, ok)
	}
}

func TestOtherRulesArePublishedAtOnceAndReviewedOnce(t *testing.T) {
	var out syncBuffer
	js := withBucket(t)
	a := &upstream{name: "a"}
	a.answer(nil, "m", "n")
	s, stop := run(t, js, Options{Logger: slog.New(slog.NewTextHandler(&out, nil))}, a)
	wait := follow(t, js)
	wait("a/m", "a/n")
	s.SetRules(aliasTo("a/m"))
	wait("a/m", "a/n", "allama/fast")
	s.SetRules(aliasTo("a/typo"))
	wait("a/m", "a/n")
	s.Trigger()
	eventually(t, "list again", func() bool { return a.asked.Load() > 1 })
	s.SetRules(catalog.Rules{Disabled: []string{"a/m"}})
	wait("a/n")
	stop()
	if got := strings.Count(out.String(), "a/typo is in no list"); got != 1 {
		t.Errorf("logged the doubt %d times, want once:\n%s", got, out.String())
	}
}

func TestWhatCouldNotBePublishedIsPublishedLater(t *testing.T) {
	js := withBucket(t)
	s := New(js, []Source{(&upstream{name: "a"}).source()}, Options{})
	s.publish(t.Context())
	first := s.revision
	s.check(t.Context())
	if s.revision != first {
		t.Fatal("published again without need")
	}
	s.SetRules(aliasTo("a/m"))
	failing, cancel := context.WithCancel(t.Context())
	cancel()
	s.publish(failing)
	s.check(t.Context())
	if s.revision == first || s.unpublished {
		t.Errorf("revision %d after %d", s.revision, first)
	}
}
