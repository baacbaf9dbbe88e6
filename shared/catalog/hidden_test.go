package catalog

import "testing"

func TestWhatTheRulesHide(t *testing.T) {
	x := NewIndex(house())
	for _, tt := range []struct {
		provider, id string
		want         bool
	}{
		{"openai", "sora", true},
		{"openai", "gpt-5", false},
		{"openai", "gpt-7-realtime:latest", true},
		{"gpu2", "OLD", true},
		{"gpu2", "library/old:latest", true},
		{"gpu1", "old", false},
		{"silent", "x-preview", true},
		{"nobody", "x-preview", false},
	} {
		if got := x.Hides(tt.provider, tt.id); got != tt.want {
			t.Errorf("Hides(%q, %q) = %t", tt.provider, tt.id, got)
		}
	}
	for name, want := range map[string]bool{
		"sora": true, "SORA:latest": true, "openai/sora": true, "openai/another": true, "old": true, "gpu2/old": true,
		"y-preview": true, "gpu1/y-preview:latest": true, "nobody/y-preview": true,
		"another": false, "gpu1/another": false, "nobody/another": false, "": false,
	} {
		if got := x.HidesName(name); got != want {
			t.Errorf("HidesName(%q) = %t", name, got)
		}
	}
	only := NewIndex(Snapshot{Providers: []Provider{{Name: "x"}}, Rules: &Rules{Providers: map[string]Filter{"x": {Allow: []string{"a*"}}}}})
	if only.HidesName("x/ab") || !only.HidesName("x/b") || only.HidesName("ab") || !only.HidesName("b") {
		t.Error("a name with the provider in front is not judged as that provider's")
	}
	if NewIndex(Snapshot{Rules: &Rules{Disabled: []string{"*"}}}).HidesName("x") {
		t.Error("a name is hidden though there is no provider")
	}
}

// An Ollama may also be spoken to as something else. Then its names are still
// the same with and without :latest.
func TestDenialsHoldForBothFormsOfAName(t *testing.T) {
	tests := []struct {
		name, deny, listed string
		denied, reached    []string
	}{
		{"the list has the tag, the pattern not", "llama3", "llama3:latest", []string{"x/llama3", "x/llama3:latest", "llama3"}, []string{"x/llama3:8b"}},
		{"the pattern has the tag", "llama3:latest", "llama3:latest", []string{"x/llama3", "x/llama3:latest", "llama3:latest"}, nil},
		{"nothing is listed yet", "llama3:latest", "other", []string{"x/llama3", "x/llama3:latest"}, nil},
		{"a list without tags", "*:*", "gpt-5", []string{"x/gpt-5:free"}, []string{"gpt-5", "x/gpt-5"}},
	}
	for _, tt := range tests {
		for _, rules := range []Rules{{Disabled: []string{tt.deny}}, {Providers: map[string]Filter{"x": {Deny: []string{tt.deny}}}}} {
			x := NewIndex(Snapshot{
				Providers: []Provider{{Name: "x", Dialect: "openai", BaseURL: "http://x"}},
				Models:    []Model{{Provider: "x", ID: tt.listed}}, Rules: &rules,
			})
			for _, name := range tt.denied {
				if r, ok := x.Reach(name); ok {
					t.Errorf("%s: %s reaches %s", tt.name, name, path(r.Target))
				}
			}
			for _, name := range tt.reached {
				if _, ok := x.Reach(name); !ok {
					t.Errorf("%s: %s reaches nothing", tt.name, name)
				}
			}
		}
	}
}
