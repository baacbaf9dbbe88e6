package catalogsync

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/roster"
)

func steer(name string, state roster.State) roster.Request {
	return roster.Request{Action: roster.Steer, Name: name, State: state}
}

// published is the states of providers in the catalog, and whether they are
// shown.
func published(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	snap, err := catalog.Current(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, p := range snap.Providers {
		text += p.Name + " " + p.State + ", "
	}
	return text
}

func TestStatesOfProvidersAreKeptAndPublished(t *testing.T) {
	js := withBuckets(t)
	path := filepath.Join(t.TempDir(), "allama.db")
	fixed, one := &upstream{name: "fixed", models: []string{"m"}}, &upstream{name: "one", models: []string{"m1"}}
	o := Options{Database: path, Defined: definable(t, js, one)}
	s, stop := run(t, js, o, fixed)
	<-s.Ready()
	eventually(t, "add", func() bool { return ask(t, js, add("late", "one")) == "late http://one" })
	wantAsked(t, js,
		step{steer("fixed", roster.Paused), "fixed"},
		step{steer("late", roster.Draining), "late http://one"},
		step{steer("nobody", roster.Paused), "there is no provider nobody"},
		step{steer("fixed", "closed"), "there is none called so"},
	)
	if got, want := published(t, js), "fixed paused, late draining, "; got != want {
		t.Errorf("at once, the catalog says %q, want %q", got, want)
	}
	a, err := roster.Ask(t.Context(), js.Conn(), roster.Request{Action: roster.List, Name: "fixed"})
	if err != nil || a.Providers[0].State != roster.Paused {
		t.Errorf("it is shown as %+v, %v", a, err)
	}

	stop()
	if err := os.Remove(path); err != nil { // the bus knows it, too
		t.Fatal(err)
	}
	_, stop = run(t, js, o, fixed)
	eventually(t, "the states of the bus", func() bool { return published(t, js) == "fixed paused, late draining, " })
	eventually(t, "a change", func() bool { return ask(t, js, steer("fixed", roster.Open)) == "fixed " })
	stop()

	run(t, js, o, fixed)
	eventually(t, "the states of the file", func() bool { return published(t, js) == "fixed , late draining, " })
	eventually(t, "the removal", func() bool { return ask(t, js, roster.Request{Action: roster.Remove, Name: "late"}) == "" })
	wantAsked(t, js, step{add("late", "one"), "late http://one"})
	if got, want := published(t, js), "fixed , late , "; got != want {
		t.Errorf("added anew, the catalog says %q, want %q", got, want)
	}
}
