package catalogsync

import (
	"testing"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

func TestADeletedModelIsForgottenAtOnce(t *testing.T) {
	js := withBucket(t)
	wait := follow(t, js)
	a := &upstream{name: "a", models: []string{"m1", "m2"}}
	run(t, js, Options{}, a)
	wait("a/m1", "a/m2")
	refresh := refresher(t, js)
	for _, tt := range []struct {
		name, gone, want string
		listed           []string
	}{
		{"one that no list has", "m1", "a:1", []string{"m2"}},
		{"one that is missing besides is kept", "x", "a:1", nil},
		{"one that is there again", "m2", "a:1", []string{"m2"}},
		{"the last one", "m2", "a:0", nil},
	} {
		a.answer(nil, tt.listed...)
		if got := spell(refresh(catalog.RefreshRequest{Provider: "a", Gone: tt.gone})); got != tt.want && got != tt.want+" "+errEmpty.Error() {
			t.Errorf("%s: got %q want %q", tt.name, got, tt.want)
		}
	}
	wait()
}

func TestADeletedModelStaysForgottenWhenAnOlderListEnds(t *testing.T) {
	s := state{turns: make([]turn, 1)}
	s.entries = append(s.entries, merge(sqlite.Entry{Provider: catalog.Provider{Name: "a"}}, models("m1", "m2"), nil, at(1)))
	s.turns[0].running = true
	if s.forget(0, "m1", at(1)); !s.commitAt.Equal(at(1)) {
		t.Errorf("it is published at %v, want at once, though the list may never end", s.commitAt)
	}
	s.entries[0] = merge(s.entries[0], models("m1", "m2"), nil, at(2))
	s.forgetAgain(0)
	s.entries[0] = merge(s.entries[0], models("m2"), nil, at(3))
	s.forgetAgain(0)
	if got := s.entries[0].Models; len(got) != 1 || got[0].ID != "m2" {
		t.Errorf("got %v want m2 alone", got)
	}
}
