package catalogsync

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

// appears has a worker give a sign of life.
func appears(t *testing.T, js jetstream.JetStream, provider, worker string) {
	t.Helper()
	if err := js.Conn().Publish("allama.presence."+provider+"."+worker, []byte("{}")); err != nil {
		t.Fatal(err)
	}
}

// failures are the providers of the catalog, each with why it was not listed.
func failures(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	snapshot, err := catalog.Current(t.Context(), js)
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, p := range snapshot.Providers {
		list = append(list, p.Name+": "+p.Error)
	}
	return strings.Join(list, ", ")
}

func TestProvidersAreKnownFromTheirWorkers(t *testing.T) {
	js := withBuckets(t)
	wait := follow(t, js)
	b, a := &upstream{name: "b", models: []string{"m"}}, &upstream{name: "a", models: []string{"m"}}
	o := Options{Interval: time.Hour, Defined: definable(t, js)}
	o.Defined.Configured = []roster.Provider{{Name: "b", Source: roster.Environment}}
	s, _ := run(t, js, o)
	<-s.Ready()
	for _, u := range []*upstream{a, b} {
		stop := u.serve(t, js)
		defer stop()
		appears(t, js, u.name, "one")
	}
	wait("a/m", "b/m")
	if got := failures(t, js); got != "b: , a: " {
		t.Errorf("the providers are %q, want them in the order of the configuration, and then the others", got)
	}
	if got := ask(t, js, roster.Request{Action: roster.List}); got != "b , a " {
		t.Errorf("shown are %q, want both, active", got)
	}
	wantAsked(t, js,
		step{add("a", "one"), "taken by a provider of the environment"},
		step{setHost("a", "one"), "defined in the environment, which wins"},
	)
	appears(t, js, "c", "one") // and answers nothing
	appears(t, js, "A.b", "one")
	eventually(t, "list who answers nothing", func() bool { return ask(t, js, roster.Request{Action: roster.List, Name: "c"}) != "" })
	if got := failures(t, js); got != "b: , a: " {
		t.Errorf("the providers are %q, want only those of which more than the name is known", got)
	}
}

func TestAProviderWithoutAWorkerKeepsItsModels(t *testing.T) {
	js := withBuckets(t)
	wait := follow(t, js)
	a := &upstream{name: "a", models: []string{"m"}}
	s, _ := run(t, js, Options{Interval: time.Hour})
	<-s.Ready()
	leave := a.serve(t, js)
	appears(t, js, "a", "one")
	wait("a/m")
	leave()
	s.Trigger()
	wait("a/m?")
	if got := failures(t, js); got != "a: no worker of a runs" {
		t.Errorf("got %q", got)
	}
	a.answer(nil, "m", "n")
	leave = a.serve(t, js)
	defer leave()
	appears(t, js, "a", "two")
	wait("a/m", "a/n")
	asked := a.asked.Load()
	appears(t, js, "a", "three") // so soon that nothing can be new
	appears(t, js, "a", "four")
	last := &upstream{name: "z", models: []string{"m"}}
	defer last.serve(t, js)()
	appears(t, js, "z", "one")
	wait("a/m", "a/n", "z/m")
	if got := a.asked.Load(); got != asked {
		t.Errorf("listed %d times more, want not once", got-asked)
	}
	a.answer(errors.New("refused"))
	s.Trigger()
	wait("a/m?", "a/n?", "z/m")
	a.answer(nil, "m")
	appears(t, js, "a", "five") // after a failure it may be another one's turn
	wait("a/m", "a/n?", "z/m")
}

func TestWhatOnlyWorkersKnowOutlastsTheProcess(t *testing.T) {
	stored := func(age time.Duration) sqlite.Entry {
		return sqlite.Entry{
			Provider: catalog.Provider{Name: "a", Kind: "openai", Dialect: "openai", SyncedAt: time.Now().Add(-age).UTC().Truncate(time.Millisecond)},
			Models:   []sqlite.Record{{Model: catalog.Model{Provider: "a", ID: "m"}}},
		}
	}
	tests := []struct {
		name    string
		age     time.Duration
		options Options
		want    []string
	}{
		{"for a while", 23 * time.Hour, Options{Remember: true}, []string{"a/m?"}},
		{"not for ever", 25 * time.Hour, Options{Remember: true}, nil},
		{"not where workers are in the same process", time.Minute, Options{}, nil},
		{"not where it is switched off", time.Minute, Options{Remember: true, Ignored: []string{"a"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := tt.options
			o.Database = filepath.Join(t.TempDir(), "allama.db")
			store, err := sqlite.Open(t.Context(), o.Database)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(store.Save(t.Context(), []sqlite.Entry{stored(tt.age)}), store.Close()); err != nil {
				t.Fatal(err)
			}
			js := withBuckets(t)
			wait := follow(t, js)
			s, _ := run(t, js, o)
			<-s.Ready()
			wait(tt.want...)
		})
	}
}

func TestAProviderWithoutAWorkerIsForgotten(t *testing.T) {
	js := withBuckets(t)
	s := New(js, nil, Options{})
	s.hear(catalog.Provider{Name: "a", Kind: "openai"}, roster.Provider{Name: "a"})
	s.entries[0].Provider.SyncedAt = time.Now()
	for _, step := range []struct {
		after time.Duration
		err   error
		want  int
	}{
		{time.Hour, absent{"a"}, 1},
		{48 * time.Hour, errors.New("it has a worker"), 1},
		{48 * time.Hour, absent{"a"}, 0},
	} {
		s.take(listing{serial: s.turns[0].serial, err: step.err}, time.Now().Add(step.after))
		if got := len(s.sources); got != step.want {
			t.Errorf("after %v with %v: got %d providers, want %d", step.after, step.err, got, step.want)
		}
	}
}

func TestTheConfigurationOfAWorkerWinsOverADefinition(t *testing.T) {
	js := withBuckets(t)
	wait := follow(t, js)
	o := Options{Interval: time.Hour, Defined: definable(t, js, &upstream{name: "one", models: []string{"defined"}})}
	s, _ := run(t, js, o)
	<-s.Ready()
	wantAsked(t, js, step{add("a", "one"), "a http://one"})
	wait("a/defined")
	own := &upstream{name: "a", models: []string{"configured"}}
	leave := own.serve(t, js)
	s.Trigger()
	wait("a/configured")
	wantAsked(t, js, step{setHost("a", "one"), "defined in the environment, which wins"})
	leave()
	s.Trigger()
	wait("a/defined")
	wantAsked(t, js, step{setHost("a", "one"), "a http://one"})
}

// A provider that is switched off takes its models with it as soon as no worker
// has another one of its name in its configuration.
func TestADefinitionThatIsOffIsSeenOnceItCounts(t *testing.T) {
	js := withBuckets(t)
	wait := follow(t, js)
	o := Options{Interval: time.Hour, Defined: definable(t, js, &upstream{name: "one", models: []string{"defined"}})}
	s, _ := run(t, js, o)
	<-s.Ready()
	off := add("a", "one")
	off.Set.Active = new(false)
	wantAsked(t, js, step{off, "a http://one off"})
	own := &upstream{name: "a", models: []string{"configured"}}
	leave := own.serve(t, js)
	appears(t, js, "a", "one")
	wait("a/configured")
	leave()
	s.Trigger()
	wait()
}
