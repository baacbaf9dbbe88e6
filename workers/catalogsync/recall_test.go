package catalogsync

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/offbeat-studio/allama/shared/catalog"
)

func TestAFreshFileDoesNotEmptyTheCatalog(t *testing.T) {
	connect := withConnections(t)
	wait := follow(t, connect())
	a := &upstream{name: "a", models: []string{"m1"}}
	first, stop := run(t, connect(), Options{Database: filepath.Join(t.TempDir(), "first.db")}, a)
	<-first.Ready()
	wait("a/m1")
	stop()

	a.answer(errors.New("gone for now"))
	second, _ := run(t, connect(), Options{Database: filepath.Join(t.TempDir(), "second.db")}, a)
	<-second.Ready()
	snap, err := catalog.Current(t.Context(), connect())
	if err != nil {
		t.Fatal(err)
	}
	if len(snap.Models) != 1 || snap.Models[0].ID != "m1" {
		t.Errorf("got the models %+v, want m1", snap.Models)
	}
}

func TestWhatWasAssumedIsNotRecalled(t *testing.T) {
	known, err := readTable(knownCSV)
	if err != nil {
		t.Fatal(err)
	}
	for id := range known {
		told := catalog.Model{Provider: "a", ID: id}
		p := catalog.Provider{Name: "a", Dialect: "openai", BaseURL: "https://" + known[id].host + "/v1"}
		published := told
		known.complete(&published, &p)
		if len(published.Assumed) == 0 {
			t.Errorf("%s: nothing was assumed", id)
		}
		got := entriesOf(catalog.Snapshot{Providers: []catalog.Provider{p}, Models: []catalog.Model{published}})[0].Models[0].Model
		if m := got; m.Capabilities != nil || m.ContextLength != 0 || m.MaxOutput != 0 || m.Prices != (catalog.Prices{}) || m.Assumed != nil {
			t.Errorf("%s: got %+v, want %+v", id, got, told)
		}
	}
}
