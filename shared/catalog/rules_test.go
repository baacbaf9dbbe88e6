package catalog

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// house is a catalog with rules of every kind.
func house() Snapshot {
	synced := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return Snapshot{
		Providers: []Provider{
			{Name: "openai", Dialect: "openai", BaseURL: "https://api.example.com", SyncedAt: synced},
			{Name: "gpu1", Dialect: "ollama", BaseURL: "http://gpu1", SyncedAt: synced},
			{Name: "gpu2", Dialect: "ollama", BaseURL: "http://gpu2", SyncedAt: synced},
			{Name: "silent", Dialect: "openai", BaseURL: "https://silent.example.com", SyncedAt: synced},
			{Name: "router", Dialect: "openai", BaseURL: "https://router.example.com", SyncedAt: synced},
		},
		Models: []Model{
			{Provider: "openai", ID: "gpt-5"},
			{Provider: "openai", ID: "gpt-5-mini"},
			{Provider: "openai", ID: "gpt-5-realtime"},
			{Provider: "openai", ID: "o3-mini"},
			{Provider: "openai", ID: "sora"},
			{Provider: "gpu1", ID: "llama3.2:latest"},
			{Provider: "gpu1", ID: "phi:latest"},
			{Provider: "gpu1", ID: "mini:latest"},
			{Provider: "gpu2", ID: "llama3.2:latest"},
			{Provider: "gpu2", ID: "old:latest"},
			{Provider: "router", ID: "openai/gpt-5"},
			{Provider: "router", ID: "openai/x-preview"},
		},
		Rules: &Rules{
			Aliases: []Alias{
				{Name: "fast", Targets: []AliasTarget{{Model: "openai/gpt-5-mini"}}},
				{Name: "Smart", Targets: []AliasTarget{{Model: "openai/gpt-gone"}, {Model: "openai/gpt-5"}, {Model: "phi"}}},
				{Name: "shared", Targets: []AliasTarget{{"gpu1/llama3.2", 3}, {"gpu2/llama3.2", 1}, {Model: "openai/gpt-5"}}},
				{Name: "mini", Targets: []AliasTarget{{Model: "openai/gpt-5-mini"}}},
				{Name: "search:big", Targets: []AliasTarget{{Model: "silent/sonar"}, {Model: "openai/gpt-5"}}},
				{Name: "lost", Targets: []AliasTarget{{Model: "nobody/x"}}},
				{Name: "denied", Targets: []AliasTarget{{Model: "openai/sora"}, {Model: "openai/gpt-5-realtime"}}},
				{Name: "hope", Targets: []AliasTarget{{Model: "openai/unlisted"}}},
			},
			Disabled:  []string{"gpu2/OLD", "*-preview"},
			Providers: map[string]Filter{"openai": {Allow: []string{"gpt-*", "o?-*", "un*"}, Deny: []string{"*-realtime*"}}},
		},
	}
}

func path(t Target) string { return t.Provider.Name + "/" + t.Upstream }

func TestCallsOfAnAliasGoToItsTargets(t *testing.T) {
	x := NewIndex(house())
	for name, want := range map[string]string{
		"fast": "openai/gpt-5-mini", "FAST": "openai/gpt-5-mini", "fast:latest": "openai/gpt-5-mini", "Fast:Latest": "openai/gpt-5-mini",
		"smart":      "openai/gpt-5 gpu1/phi openai/gpt-gone", // what no list has comes last
		"mini":       "openai/gpt-5-mini",                     // also where a model has that name
		"gpu1/mini":  "gpu1/mini",
		"search:big": "silent/sonar openai/gpt-5", // that provider lists nothing at all
		"hope":       "openai/unlisted",
		"lost":       "", "denied": "", "fast:8b": "", "search": "", "": "", "allama/fast": "",
		"openai/gpt-5": "openai/gpt-5", "phi": "gpu1/phi",
	} {
		got := []string{}
		if r, ok := x.Reach(name); ok {
			got = append(got, path(r.Target))
			for _, other := range r.Others {
				got = append(got, path(other))
			}
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("a call of %q goes to %q, want %q", name, got, want)
		}
	}
	if r, _ := x.Reach("SMART:latest"); r.Alias != "Smart" {
		t.Errorf("alias: got %q, want Smart", r.Alias)
	}
	if r, _ := x.Reach("gpt-5"); r.Alias != "" || r.Others != nil {
		t.Errorf("a model's own name: got %+v", r)
	}
}

func TestWeightsAreOfTheTargetsThatShareCalls(t *testing.T) {
	weighted := []AliasTarget{{"gpu1/llama3.2", 3}, {"gpu2/llama3.2", 1}, {Model: "openai/gpt-5"}}
	plain := []AliasTarget{{Model: "gpu1/llama3.2"}, {Model: "openai/gpt-gone"}, {Model: "openai/gpt-5"}}
	for _, tt := range []struct {
		name    string
		targets []AliasTarget
		balance string
		want    []int
	}{
		{"neighbours with weights", weighted, "", []int{3, 1}},
		{"the same, balanced otherwise", weighted, "least-busy", []int{3, 1}},
		{"the same, in order", weighted, InOrder, nil},
		{"targets without weights", plain, "", []int{1}},
		{"the same, balanced, but for what is not there", plain, "fastest", []int{1, 1}},
		{"the same, in order", plain, InOrder, nil},
	} {
		s := house()
		s.Rules = &Rules{Aliases: []Alias{{Name: "a", Targets: tt.targets, Way: Way{Balance: tt.balance, Stay: true}}}}
		r, ok := NewIndex(s).Reach("a")
		if !ok || !slices.Equal(r.Weights, tt.want) || len(r.Others) != 2 || r.Way.Balance != tt.balance || !r.Way.Stay {
			t.Errorf("%s: got %+v, want the weights %v", tt.name, r, tt.want)
		}
	}
}

func TestWeightsOfWhatIsNotThereDoNotCount(t *testing.T) {
	s := house()
	s.Models = slices.DeleteFunc(s.Models, func(m Model) bool { return m.Provider == "gpu1" && m.ID == "llama3.2:latest" })
	r, ok := NewIndex(s).Reach("shared")
	if !ok || path(r.Target) != "gpu2/llama3.2" || len(r.Others) != 2 || path(r.Others[1]) != "gpu1/llama3.2" || len(r.Weights) != 1 {
		t.Errorf("got %+v", r)
	}
}

func TestKeptModelsAreNowhere(t *testing.T) {
	x := NewIndex(house())
	for _, name := range []string{
		"sora", "openai/sora", "openai/SORA", "openai/sora:latest", "gpt-5-realtime", "openai/gpt-5-realtime",
		"old", "old:latest", "gpu2/old", "GPU2/OLD:LATEST", "gpu2/Old",
		"gpu2/library/old", "gpu2/registry.ollama.ai/library/OLD:latest", "gpu2/https://Registry.Ollama.ai/Library/old", "gpu2/old@sha256:0",
		"router/openai/x-preview", "openai/x-preview", "gpu1/x-preview", "gpu1/new-preview:latest", "openai/gpt-9-realtime-2",
	} {
		if got, ok := x.Resolve(name); ok {
			t.Errorf("Resolve(%q) = %s", name, path(got))
		}
		if got, ok := x.Reach(name); ok {
			t.Errorf("Reach(%q) = %s", name, path(got.Target))
		}
	}
	for _, name := range []string{"o3-mini", "openai/gpt-9", "router/openai/gpt-5", "gpu1/old", "router/sora", "gpu2/library/older", "gpu2/other/old"} {
		if _, ok := x.Reach(name); !ok {
			t.Errorf("Reach(%q) finds nothing", name)
		}
	}
	for _, name := range []string{"sor", "old", "x-previe", "gpt-5-realtim"} {
		for _, near := range x.Nearest(name, 9) {
			if near == "sora" || near == "old:latest" || strings.HasSuffix(near, "-preview") || near == "gpt-5-realtime" {
				t.Errorf("near %s is %s", name, near)
			}
		}
	}
}

func TestListsHaveAliases(t *testing.T) {
	x := NewIndex(house())
	var got []string
	for _, l := range x.Models() {
		got = append(got, l.Name)
		if found, ok := x.Resolve(l.Name); !ok || found != l.Target {
			t.Errorf("%s is found as %+v", l.Name, found)
		}
	}
	want := []string{
		"Smart", "fast", "gpt-5", "gpt-5-mini", "gpu1/mini:latest", "gpu2/llama3.2:latest", "hope", "llama3.2:latest",
		"mini", "o3-mini", "openai/gpt-5", "phi:latest", "router/openai/gpt-5", "search:big", "shared",
	}
	want = slices.DeleteFunc(want, func(name string) bool { return name == "openai/gpt-5" }) // router's is behind openai's
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := x.Nearest("smrt", 3); !slices.Contains(got, "Smart") {
		t.Errorf("near smrt is %q", got)
	}
}

// An alias that has even the full name of a model leaves it no name.
func TestAnAliasCanHideAModel(t *testing.T) {
	s := Snapshot{
		Providers: []Provider{{Name: "a", Dialect: "openai", BaseURL: "u"}},
		Models:    []Model{{Provider: "a", ID: "m"}, {Provider: "a", ID: "n"}},
		Rules:     &Rules{Aliases: []Alias{{Name: "m", Targets: []AliasTarget{{Model: "n"}}}, {Name: "a/m", Targets: []AliasTarget{{Model: "n"}}}}},
	}
	for _, l := range NewIndex(s).Models() {
		if l.Provider.Name == "a" && l.Model.ID == "m" {
			t.Errorf("m is listed as %s", l.Name)
		}
	}
}

func TestAnAliasIsDescribedByWhatItsTargetsShare(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	a := Model{Provider: "a", ID: "m", Capabilities: []string{"completion", "tools", "vision"}, ContextLength: 9, Created: day(1),
		Details: Details{Size: 7, Format: "gguf", Family: "x", ParameterSize: "8B"}}
	b := Model{Provider: "a", ID: "n", Capabilities: []string{"completion", "vision"}, ContextLength: 5, Created: day(2),
		Details: Details{Size: 9, Format: "gguf", Family: "y"}}
	c := Model{Provider: "a", ID: "o", Capabilities: []string{"vision", "completion"}}
	a.MaxOutput, b.MaxOutput = 3, 4
	targets := []AliasTarget{{Model: "m"}, {Model: "n"}, {Model: "o"}, {Model: "a/unlisted"}}
	s := Snapshot{
		Providers: []Provider{{Name: "a", Dialect: "openai", BaseURL: "u"}}, Models: []Model{a, b, c},
		Rules: &Rules{Aliases: []Alias{{Name: "x", Targets: targets}}},
	}
	found, ok := NewIndex(s).Resolve("x:latest")
	m := found.Model
	if !ok || found.Provider.Name != "allama" || m.ID != "x" || m.ContextLength != 5 || m.MaxOutput != 3 || !m.Created.Equal(day(2)) ||
		!slices.Equal(m.Capabilities, []string{"completion", "vision"}) ||
		m.Size != 7 || m.Format != "alias" || m.Family != "allama" || m.ParameterSize != "unknown" || len(m.Digest) != 64 {
		t.Errorf("got %+v of %+v", m, found.Provider)
	}
	if len(a.Capabilities) != 3 || a.Capabilities[1] != "tools" {
		t.Errorf("the target has changed: %q", a.Capabilities)
	}
	again, _ := NewIndex(s).Resolve("x")
	s.Rules = &Rules{Aliases: []Alias{{Name: "x", Targets: targets[:1]}}}
	changed, _ := NewIndex(s).Resolve("x")
	if again.Model.Digest != m.Digest || changed.Model.Digest == m.Digest {
		t.Errorf("digests: %s, again %s, of other targets %s", m.Digest, again.Model.Digest, changed.Model.Digest)
	}
	if changed.Model.Family != "x" || changed.Model.Format != "gguf" || changed.Model.ParameterSize != "8B" {
		t.Errorf("of one target: %+v", changed.Model.Details)
	}
}

func TestReviewFindsDoubts(t *testing.T) {
	got := NewIndex(house()).Review()
	want := []string{
		"aliases.Smart: openai/gpt-gone is in no list; it is tried where nothing else is left",
		"aliases.mini: there is a model of this name, gpu1/mini:latest, which the alias hides",
		"aliases.lost: nobody/x is in no list",
		"aliases.denied: openai/sora is kept from clients by other rules, and so from the alias",
		"aliases.denied: openai/gpt-5-realtime is kept from clients by other rules, and so from the alias",
		"aliases.hope: openai/unlisted is in no list; it is tried where nothing else is left",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := NewIndex(shop).Review(); got != nil {
		t.Errorf("without rules: got %q", got)
	}
}

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"gpt-*", "gpt-5", true}, {"gpt-*", "GPT-5", true}, {"GPT-*", "gpt-5", true}, {"gpt-*", "xgpt-5", false},
		{"*", "", true}, {"*", "a/b/c", true}, {"a*c", "a/b/c", true}, {"a?c", "a/c", true}, {"a?c", "ac", false},
		{"o[13]-*", "o3-mini", true}, {"o[13]-*", "o4-mini", false}, {"o[^13]", "o4", true}, {"o[a-c]", "ob", true},
		{"a.b", "axb", false}, {"a.b", "a.b", true}, {"a+(b)|c", "a+(b)|c", true}, {`a\*b`, "a*b", true}, {`a\*b`, "axb", false},
		{"ünï*", "Ünïx", true}, {"*\n*", "a\nb", true},
	} {
		if err := CheckPattern(tt.pattern); err != nil {
			t.Errorf("pattern %q %v", tt.pattern, err)
		}
		if got := compile([]string{tt.pattern}, true).fit([]string{"p/" + tt.name}); got != tt.want {
			t.Errorf("pattern %q fits %q: got %t", tt.pattern, tt.name, got)
		}
	}
	for _, bad := range []string{"", "[", "a[b", "a[]", "a[^]", `a\`, "\xff", "[z-a]", "[[:alpha:]]", `[\d]`} {
		if CheckPattern(bad) == nil {
			t.Errorf("pattern %q is taken for valid", bad)
		}
	}
	if !compile([]string{"a[b"}, true).fit([]string{"p/a[b"}) {
		t.Error("a pattern that is not valid does not fit itself")
	}
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"gpt-*", "[a-c]?", `\[`, "[^x]", "ü", "(?i)", "\xff\xfe"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, pattern string) { compile([]string{pattern}, false) })
}

func BenchmarkReachAlias(b *testing.B) {
	x := NewIndex(house())
	for _, name := range []string{"fast", "gpt-5", "gpu1/PHI:latest", "smart:latest"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.Reach(name)
			}
		})
	}
}

func TestReachAllocatesNothing(t *testing.T) {
	x := NewIndex(house())
	for _, name := range []string{"gpt-5", "openai/gpt-5", "gpu1/PHI:latest", "fast", "Smart:latest"} {
		if n := testing.AllocsPerRun(100, func() { x.Reach(name) }); n != 0 {
			t.Errorf("Reach(%q) allocates %v times", name, n)
		}
	}
}
