package catalogsync

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/roster"
)

// definable has definitions whose host is the name of an upstream, and a worker
// for each.
func definable(t *testing.T, js jetstream.JetStream, upstreams ...*upstream) Defined {
	served := map[string]bool{}
	return Defined{
		Configured: []roster.Provider{{Name: "fixed", Source: roster.Environment, Active: true}, {Name: "off", Source: roster.Environment}},
		Check: func(name string) error {
			if name == "bad" {
				return errors.New("name: is bad")
			}
			return nil
		},
		Open: func(d roster.Definition) (catalog.Provider, error) {
			if !served[d.Name] {
				served[d.Name] = true
				serveDefined(t, js, d.Name, upstreams)
			}
			for _, u := range upstreams {
				if u.name == d.Host {
					return u.of(d), nil
				}
			}
			return catalog.Provider{}, errors.New("host: is unknown")
		},
	}
}

// withBuckets returns a bus with all buckets.
func withBuckets(t *testing.T) jetstream.JetStream {
	t.Helper()
	js := withBucket(t)
	makeConfig(t, js)
	return js
}

// makeConfig makes the bucket of the configuration.
func makeConfig(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bus.BucketConfig, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
}

// ask asks about providers, and returns the answer in a line.
func ask(t *testing.T, js jetstream.JetStream, r roster.Request) string {
	t.Helper()
	a, err := roster.Ask(t.Context(), js.Conn(), r)
	if err != nil {
		return err.Error()
	}
	if a.Error != nil {
		return string(a.Error.Code) + ": " + a.Error.Message
	}
	var list []string
	for _, p := range a.Providers {
		text := p.Name + " " + p.BaseURL
		if !p.Active {
			text += " off"
		}
		if p.Error != "" {
			text += " (" + p.Error + ")"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

func add(name, host string) roster.Request {
	return roster.Request{Action: roster.Add, Name: name, Set: roster.Patch{Kind: "openai", Host: &host}}
}

func setHost(name, host string) roster.Request {
	return roster.Request{Action: roster.Change, Name: name, Set: roster.Patch{Host: &host}}
}

// wantAsked asks for one thing after another.
func wantAsked(t *testing.T, js jetstream.JetStream, steps ...struct {
	roster.Request
	want string
}) {
	t.Helper()
	for _, step := range steps {
		if got := ask(t, js, step.Request); !strings.Contains(got, step.want) {
			t.Errorf("%s %s: got %q, want %q", step.Action, step.Name, got, step.want)
		}
	}
}

type step = struct {
	roster.Request
	want string
}

func TestDefinitionsBecomeSourcesBehindTheConfiguredOnes(t *testing.T) {
	js := withBuckets(t)
	wait := follow(t, js)
	path := filepath.Join(t.TempDir(), "allama.db")
	fixed := &upstream{name: "fixed", models: []string{"m"}}
	one, two := &upstream{name: "one", models: []string{"m1", "m2"}}, &upstream{name: "two", models: []string{"m2"}}
	o := Options{Database: path, Defined: definable(t, js, one, two)}
	_, stop := run(t, js, o, fixed)
	wait("fixed/m")
	wantAsked(t, js, step{add("z", "one"), "z http://one"}, step{add("a", "two"), "a http://two"})
	wait("a/m2", "fixed/m", "z/m1", "z/m2")
	providers := func() (list string) {
		v := catalog.NewView(js, nil)
		done, err := v.Refresh(t.Context(), catalog.RefreshRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return spell(done)
	}
	if got := providers(); got != "fixed:1, a:1, z:2" {
		t.Errorf("the order is %q", got)
	}
	off := roster.Request{Action: roster.Change, Name: "a", Set: roster.Patch{Active: new(false)}}
	wantAsked(t, js, step{setHost("z", "two"), "z http://two"}, step{off, "a http://two off"})
	wait("fixed/m", "z/m2") // at once, for the other models were another host's
	listed := fixed.asked.Load()

	stop()
	_, stop = run(t, js, o, fixed)
	wait("fixed/m", "z/m2")
	eventually(t, "the roster of the file", func() bool {
		return ask(t, js, roster.Request{Action: roster.List}) == "fixed , off  off, a http://two off, z http://two"
	})
	wantAsked(t, js, step{roster.Request{Action: roster.Remove, Name: "z"}, ""})
	wait("fixed/m")
	if listed == 0 {
		t.Error("nothing was listed")
	}

	// Without its file and with the bus it is known all the same; and the file
	// is whole again.
	stop()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, stop = run(t, js, o, fixed)
	eventually(t, "the roster of the bus", func() bool {
		return strings.Contains(ask(t, js, roster.Request{Action: roster.List}), "a http://two off")
	})
	on := roster.Request{Action: roster.Change, Name: "a", Set: roster.Patch{Active: new(true)}}
	eventually(t, "a change", func() bool { return ask(t, js, on) == "a http://two" })
	stop()
	if err := js.DeleteKeyValue(t.Context(), bus.BucketConfig); err != nil {
		t.Fatal(err)
	}
	run(t, js, o, fixed)
	eventually(t, "the roster of the file", func() bool { return strings.Contains(ask(t, js, roster.Request{Action: roster.List}), "a http://two") })
}

func TestChangesThatAreNotMade(t *testing.T) {
	js := withBuckets(t)
	path := filepath.Join(t.TempDir(), "allama.db")
	one, two := &upstream{name: "one"}, &upstream{name: "two"}
	s, _ := run(t, js, Options{Database: path, Defined: definable(t, js, one, two)}, &upstream{name: "fixed"})
	<-s.Ready()
	keyed := add("keyed", "one")
	keyed.Set.Key = &roster.Sealed{1, 2}
	fresh := setHost("keyed", "two")
	fresh.Set.Key = &roster.Sealed{3}
	eventually(t, "add", func() bool { return ask(t, js, add("a", "one")) == "a http://one" })
	wantAsked(t, js,
		step{keyed, "keyed http://one"},
		step{add("a", "one"), "there is a provider a already"},
		step{add("fixed", "one"), "taken by a provider of the environment"},
		step{add("off", "one"), "taken by a provider of the environment"},
		step{add("bad", "one"), "name: is bad"},
		step{add("b", "nowhere"), "host: is unknown"},
		step{add("b", "u:p@one"), "no password"},
		step{setHost("fixed", "one"), "defined in the environment, which wins"},
		step{setHost("nobody", "one"), "not_found: there is no provider nobody"},
		step{setHost("keyed", "two"), "give api_key again"},
		step{fresh, "keyed http://two"},
		step{roster.Request{Action: roster.Remove, Name: "nobody"}, "there is no provider nobody"},
		step{roster.Request{Action: roster.Test, Name: "off"}, "not active"},
	)
	bare := setHost("keyed", "one")
	bare.Set.Key = &roster.Sealed{}
	wantAsked(t, js, step{bare, "keyed http://one"})
	published, err := roster.Read(t.Context(), js)
	if err != nil || published.Revision != 5 || published.Definitions[1].Key != nil {
		t.Errorf("published: %+v, %v, want what four changes have made of the first", published, err)
	}
	kv, err := js.KeyValue(t.Context(), bus.BucketConfig)
	if err != nil {
		t.Fatal(err)
	}
	before, err := kv.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(4 * s.checkEvery); time.Now().Before(until); <-time.After(s.checkEvery) {
	}
	after, err := kv.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lastOf(after), lastOf(before); got != want {
		t.Errorf("the roster was published %d times more, though nothing has changed", got-want)
	}
}

// lastOf is how often the bucket was written to.
func lastOf(status jetstream.KeyValueStatus) uint64 {
	return status.(*jetstream.KeyValueBucketStatus).StreamInfo().State.LastSeq
}

func TestWhatCannotBeStoredIsNotChanged(t *testing.T) {
	js := withBuckets(t)
	path := filepath.Join(t.TempDir(), "allama.db")
	s, _ := run(t, js, Options{Database: path, Defined: definable(t, js, &upstream{name: "one"})})
	<-s.Ready()
	eventually(t, "add", func() bool { return ask(t, js, add("a", "one")) == "a http://one" })
	db, err := sql.Open("sqlite3", "file:"+path+"?_txlock=exclusive")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	wantAsked(t, js, step{add("b", "one"), "overloaded: " + errUnsaved.Error()}, step{roster.Request{Action: roster.List, Name: "b"}, "there is no provider b"})
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "add when it can be stored again", func() bool { return ask(t, js, add("b", "one")) == "b http://one" })
}

func TestADefinitionThatCannotBeUsedIsShownWithTheReason(t *testing.T) {
	js := withBuckets(t)
	wait := follow(t, js)
	u := &upstream{name: "one", models: []string{"m"}}
	works := true
	defined := definable(t, js, u)
	open := defined.Open
	defined.Open = func(d roster.Definition) (catalog.Provider, error) {
		p, err := open(d)
		if !works {
			err = errors.New("the key cannot be opened")
		}
		return p, err
	}
	o := Options{Database: filepath.Join(t.TempDir(), "allama.db"), Defined: defined}
	s, stop := run(t, js, o)
	<-s.Ready()
	eventually(t, "add", func() bool { return ask(t, js, add("a", "one")) == "a http://one" })
	wait("a/m")
	stop()

	works = false
	run(t, js, o)
	wait("a/m?")
	eventually(t, "the reason", func() bool {
		return ask(t, js, roster.Request{Action: roster.List, Name: "a"}) == "a http://one (the key cannot be opened)"
	})
	off := roster.Request{Action: roster.Change, Name: "a", Set: roster.Patch{Active: new(false)}}
	wantAsked(t, js, step{off, "a http://one off"})
	wait()
}
