package roster

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAPatchSetsWhatItSays(t *testing.T) {
	full := Definition{
		Name: "a", Kind: "ollama", Host: "h", Key: Sealed{1}, Keys: []Sealed{{2}}, Inactive: true, MaxConcurrency: 1, RPM: 2, TPM: 3,
		Timeout: time.Second, Strict: true, Beta: new(true),
		Pool: Pool{Parallel: 4, MaxLoaded: 5, SwitchAfter: time.Minute, PerModel: 6, Context: Context{Tokens: 7, Fixed: true}},
	}
	said := Patch{
		Host: new(" h "), Key: &Sealed{1}, Keys: []Sealed{{2}}, Active: new(false), MaxConcurrency: new(1), RPM: new(2), TPM: new(3),
		Timeout: new(time.Second), Strict: new(true), Beta: new(true),
		Pool: PoolPatch{Parallel: new(4), MaxLoaded: new(5), SwitchAfter: new(time.Minute), PerModel: new(6), Context: &Context{Tokens: 7, Fixed: true}},
	}
	none := Definition{Name: "a", Kind: "ollama"}
	back := Patch{
		Host: new(""), Key: &Sealed{}, Active: new(true), MaxConcurrency: new(0), RPM: new(0), TPM: new(0), Timeout: new(time.Duration), Strict: new(false),
		Pool: PoolPatch{Parallel: new(0), MaxLoaded: new(0), SwitchAfter: new(time.Duration), PerModel: new(0), Context: &Context{}},
	}
	defaults := none
	defaults.Beta = full.Beta
	onlyKey := full
	onlyKey.Key, onlyKey.Keys = Sealed{9}, nil
	for _, tt := range []struct {
		name   string
		before Definition
		patch  Patch
		want   Definition
	}{
		{"everything", none, said, full},
		{"nothing", full, Patch{}, full},
		{"the defaults again", full, back, defaults},
		{"one key in place of two", full, Patch{Key: &Sealed{9}}, onlyKey},
	} {
		data, err := json.Marshal(tt.patch) // as it travels
		if err != nil {
			t.Fatal(err)
		}
		var travelled Patch
		if err := json.Unmarshal(data, &travelled); err != nil {
			t.Fatal(err)
		}
		if got, err := tt.before.Patched(travelled); !reflect.DeepEqual(got, tt.want) || err != nil {
			t.Errorf("%s: got %+v, %v want %+v", tt.name, got, err, tt.want)
		}
	}
	if full.KeyCount() != 2 || onlyKey.KeyCount() != 1 || none.KeyCount() != 0 {
		t.Error("keys are counted wrongly")
	}
}

func TestAllThatIsWrongWithAPatchIsTold(t *testing.T) {
	_, err := Definition{}.Patched(Patch{
		Host: new("u:p@h"), MaxConcurrency: new(-1), RPM: new(-2), TPM: new(maxNumber + 1), Timeout: new(-time.Second),
		Key: &Sealed{1}, Keys: make([]Sealed, maxKeys),
		Pool: PoolPatch{Parallel: new(-1), MaxLoaded: new(-1), SwitchAfter: new(-time.Second), PerModel: new(-1)},
	})
	problems, ok := errors.AsType[Problems](err)
	var fields []string
	for _, p := range problems {
		fields = append(fields, p.Field)
	}
	want := "host api_keys max_concurrency rpm tpm parallel max_loaded model_concurrency timeout switch_after"
	if got := strings.Join(fields, " "); !ok || got != want {
		t.Errorf("got %v want problems with %s", err, want)
	}
	if _, err := (Definition{}).Patched(Patch{Host: new(strings.Repeat("h", maxHost+1))}); err == nil || err.Error() != "host: is too long" {
		t.Errorf("got %v", err)
	}
}

func TestProblems(t *testing.T) {
	var none Problems
	if none.Refusal() != nil || len(none.With(nil)) != 0 || len(none.With(none)) != 0 {
		t.Error("no problem is one")
	}
	p := none.With(Problems{{"host", "is missing"}}).With(errors.New("the key cannot be opened")).With(Problems{{"host", "is odd"}, {"rpm", "is odd"}})
	if got, want := p.Error(), "host: is missing; the key cannot be opened; rpm: is odd"; got != want {
		t.Errorf("got %q want %q", got, want)
	}
	if e := p.Refusal(); e.Message != p.Error() || e.Param != "host" || e.Code != "invalid_request" {
		t.Errorf("got %+v", e)
	}
}

func TestContexts(t *testing.T) {
	for text, want := range map[string]Context{
		"": {}, "8192": {Tokens: 8192}, "8192,fixed": {8192, true}, " 8192 , fixed ": {8192, true},
	} {
		var got Context
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %+v, %v want %+v", text, got, err, want)
		}
		var again Context
		if written, err := got.MarshalText(); err != nil || again.UnmarshalText(written) != nil || again != got {
			t.Errorf("%q is written as %q", text, written)
		}
	}
	for _, text := range []string{"0", "-1", "8k", "8192,max", "8192,", "1.5", "99999999999", ",fixed"} {
		if err := new(Context).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestFieldsOfAPool(t *testing.T) {
	full := Pool{1, 1, 1, 1, Context{Tokens: 1}}
	if got := strings.Join(full.Fields(), " "); got != "parallel max_loaded switch_after model_concurrency num_ctx" || len((Pool{}).Fields()) != 0 {
		t.Errorf("got %s", got)
	}
}

func TestCapsOfConfiguredProviders(t *testing.T) {
	r, err := Roster{}.With(Definition{Name: "a"}).WithCap("openai", 4)
	if err != nil || r.Revision != 2 || r.Cap("openai", 8) != 4 || r.Cap("other", 8) != 8 || r.Cap("other", 0) != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	for name, kept := range map[string]Roster{"a definition": r.With(Definition{Name: "b"}), "a state": r.WithState("openai", Paused), "a removal": r.Without("a")} {
		if kept.Cap("openai", 8) != 4 {
			t.Errorf("after %s the cap is gone", name)
		}
	}
	if r.Without("openai").Caps != nil {
		t.Error("what was removed has left a cap behind, for whatever is called so next")
	}
	back, err := r.WithCap("openai", 0)
	if err != nil || back.Caps != nil || back.Cap("openai", 8) != 8 || r.Cap("openai", 8) != 4 {
		t.Errorf("taken back: got %+v, %v, and before %+v", back, err, r)
	}
	if _, err := r.WithCap("openai", -1); err == nil || !strings.HasPrefix(err.Error(), "max_concurrency: must be 1") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsAboutTheCapAlone(t *testing.T) {
	wrong := Problems{{"max_concurrency", "is odd"}}
	for _, tt := range []struct {
		name    string
		request Request
		want    bool
	}{
		{"the cap", Request{Set: Patch{MaxConcurrency: new(4)}}, true},
		{"the cap, badly said", Request{Problems: wrong}, true},
		{"nothing", Request{}, false},
		{"something else", Request{Set: Patch{Active: new(false)}}, false},
		{"something besides", Request{Set: Patch{MaxConcurrency: new(4), Pool: PoolPatch{Parallel: new(1)}}}, false},
		{"something besides, badly said", Request{Set: Patch{MaxConcurrency: new(4)}, Problems: append(wrong, Problem{"rpm", "is odd"})}, false},
	} {
		if got := tt.request.OnlyCap(); got != tt.want {
			t.Errorf("%s: got %v want %v", tt.name, got, tt.want)
		}
	}
}
