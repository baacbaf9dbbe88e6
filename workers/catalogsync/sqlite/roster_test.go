package sqlite

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/roster"
)

func TestARosterComesBackAsItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "allama.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.LoadRoster(t.Context()); !reflect.DeepEqual(got, roster.Roster{}) || err != nil {
		t.Errorf("a new file: got %+v, %v", got, err)
	}
	full := roster.Definition{Name: "b", Kind: "groq", Host: "h", Key: roster.Sealed{0, 1, 255}, Inactive: true, MaxConcurrency: 3, Timeout: time.Minute, Strict: true, Beta: new(false),
		Keys: []roster.Sealed{{1}, {0, 2}}, RPM: 60, TPM: 90_000, Pool: roster.Pool{Parallel: 8, SwitchAfter: time.Second, Context: roster.Context{Tokens: 8192, Fixed: true}}}
	for _, want := range []roster.Roster{
		roster.Roster{}.With(full).With(roster.Definition{Name: "a", Kind: "ollama"}),
		roster.Roster{Revision: 5}.With(full),
		roster.Roster{Revision: 6}.With(full).WithState("b", roster.Paused).WithState("openai", roster.Draining),
		{Revision: 7, Caps: map[string]int{"openai": 4, "ollama": 1}},
		{Revision: 8},
	} {
		if err := s.SaveRoster(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got, err := s.LoadRoster(t.Context()); !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if got, err := PeekRoster(t.Context(), path); !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("PeekRoster: got %+v, %v, want %+v", got, err, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
