package catalog

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

// shop is a catalog with all the clashes that names can have.
var shop = Snapshot{
	Providers: []Provider{
		{Name: "openai", Dialect: "openai"},
		{Name: "gpu1", Dialect: "ollama"},
		{Name: "gpu2", Dialect: "ollama"},
		{Name: "router", Dialect: "openai"},
	},
	Models: []Model{
		{Provider: "router", ID: "openai/gpt-4o"},
		{Provider: "router", ID: "meta/llama-3"},
		{Provider: "router", ID: "qwen3"},
		{Provider: "router", ID: "odd:latest"},
		{Provider: "openai", ID: "gpt-4o"},
		{Provider: "openai", ID: "gpt-4o-mini"},
		{Provider: "openai", ID: "ft:gpt-4o:org::id"},
		{Provider: "openai", ID: "odd"},
		{Provider: "gpu2", ID: "llama3:8b"},
		{Provider: "gpu2", ID: "Phi:latest"},
		{Provider: "gpu1", ID: "llama3:8b"},
		{Provider: "gpu1", ID: "llama3:latest"},
		{Provider: "gpu1", ID: "qwen3:latest"},
		{Provider: "gpu1", ID: "hf.co:443/org/model"},
		{Provider: "gpu1", ID: "llama3:8b"}, // again
		{Provider: "gone", ID: "x"},         // of nobody
		{Provider: "gpu1"},                  // no id
	},
}

func TestATargetHasTheFactsOfItsModel(t *testing.T) {
	for _, f := range []llm.Facts{{MaxOutput: 1}, {Schemas: new(false)}, {Thinking: []string{"a"}}, {Efforts: []string{"a"}}} {
		m := &Model{Facts: f}
		if got := (Target{Model: m}).Facts(); got != &m.Facts {
			t.Errorf("got %+v, want %+v", got, f)
		}
	}
	if got := (Target{Model: &Model{ID: "m"}}).Facts(); got != nil {
		t.Errorf("got %+v, want none where nothing is known", got)
	}
}

func TestResolve(t *testing.T) {
	tests := []struct{ name, want string }{
		{"openai/gpt-4o", "openai gpt-4o"}, // a full name comes before a bare one
		{"router/openai/gpt-4o", "router openai/gpt-4o"},
		{"gpt-4o", "openai gpt-4o"},
		{"meta/llama-3", "router meta/llama-3"},
		{"router/meta/llama-3", "router meta/llama-3"},
		{"ft:gpt-4o:org::id", "openai ft:gpt-4o:org::id"},
		{"openai/ft:gpt-4o:org::id", "openai ft:gpt-4o:org::id"},

		// Several have it: the order of providers decides.
		{"llama3:8b", "gpu1 llama3:8b"},
		{"gpu2/llama3:8b", "gpu2 llama3:8b"},
		{"qwen3", "gpu1 qwen3:latest"},
		{"router/qwen3", "router qwen3"},

		// Tags and case of Ollama.
		{"llama3", "gpu1 llama3:latest"},
		{"llama3:latest", "gpu1 llama3:latest"},
		{"LLAMA3", "gpu1 llama3:latest"},
		{"Llama3:Latest", "gpu1 llama3:latest"},
		{"gpu1/LLAMA3:8B", "gpu1 llama3:8b"},
		{"phi", "gpu2 Phi:latest"},
		{"gpu2/phi:latest", "gpu2 Phi:latest"},
		{"hf.co:443/org/model:latest", "gpu1 hf.co:443/org/model"},

		// What is written just so comes before what is added or cut.
		{"odd", "openai odd"},
		{"odd:latest", "router odd:latest"},

		// Clients of Ollama's dialect add the tag to any name.
		{"gpt-4o:latest", "openai gpt-4o"},
		{"openai/gpt-4o:latest", "openai gpt-4o"},
		{"router/openai/gpt-4o:LATEST", "router openai/gpt-4o"},

		{"GPT-4O", ""}, // only Ollama's names have no case
		{"gpt-4", ""},
		{"gpu1/gpt-4o", ""},
		{"llama3:70b", ""},
		{"gone/x", ""},
		{"x", ""},
		{"", ""},
		{":latest", ""},
		{"gpu1/", ""},
		{"/", ""},
	}
	x := NewIndex(shop)
	for _, tt := range tests {
		got := ""
		if target, ok := x.Resolve(tt.name); ok {
			got = target.Provider.Name + " " + target.Model.ID
		}
		if got != tt.want {
			t.Errorf("Resolve(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestResolveSaysHowToCallTheModel(t *testing.T) {
	x := NewIndex(shop)
	for name, want := range map[string]string{
		// An Ollama knows its models by all of these, and says them again.
		"llama3": "llama3", "llama3:latest": "llama3:latest", "LLAMA3": "LLAMA3", "gpu1/LLAMA3:8B": "LLAMA3:8B",
		"gpu1/llama3": "llama3", "GPU2/phi": "phi", "Phi:latest": "Phi:latest", "hf.co:443/org/model:latest": "hf.co:443/org/model:latest",
		"gpu1/hf.co:443/org/model": "hf.co:443/org/model", "gpu1/L\u0130AMA": "", "ph\u0130": "Phi:latest",
		// The others are called by their ids only.
		"gpt-4o:latest": "gpt-4o", "openai/gpt-4o": "gpt-4o", "router/openai/gpt-4o:LATEST": "openai/gpt-4o", "odd:latest": "odd:latest",
	} {
		if got, _ := x.Resolve(name); got.Upstream != want {
			t.Errorf("Resolve(%q) says %q, want %q", name, got.Upstream, want)
		}
	}
	for _, l := range x.Models() {
		if l.Upstream != l.Model.ID {
			t.Errorf("%s is listed to be called %q", l.Name, l.Upstream)
		}
	}
}

func TestModelsListsEachOnceUnderANameThatFindsIt(t *testing.T) {
	x := NewIndex(shop)
	var got []string
	for _, l := range x.Models() {
		got = append(got, l.Name)
		if target, ok := x.Resolve(l.Name); !ok || target.Model != l.Target.Model {
			t.Errorf("Resolve(%q) = %+v, %v, want the model listed so", l.Name, target, ok)
		}
		if target, ok := x.Resolve(l.Name + ":latest"); l.Name != "odd" && (!ok || target.Model != l.Target.Model) {
			t.Errorf("Resolve(%q) = %+v, %v, want the model listed without the tag", l.Name+":latest", target, ok)
		}
	}
	want := []string{
		"Phi:latest", "ft:gpt-4o:org::id", "gpt-4o", "gpt-4o-mini", "gpu2/llama3:8b", "hf.co:443/org/model",
		"llama3:8b", "llama3:latest", "meta/llama-3", "odd", "odd:latest", "qwen3:latest", "router/openai/gpt-4o", "router/qwen3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("Models:\n got %q\nwant %q", got, want)
	}
}

func TestNearest(t *testing.T) {
	tests := []struct {
		name string
		n    int
		want []string
	}{
		{"gpt-4", 2, []string{"gpt-4o", "gpt-4o-mini"}},
		{"gtp-4o", 1, []string{"gpt-4o"}},
		{"GPT-4O", 1, []string{"gpt-4o"}},
		{"gpt4o:latest", 1, []string{"gpt-4o"}},
		{"openai/gpt-4o-mimi", 1, []string{"gpt-4o-mini"}},
		{"llama3:9b", 2, []string{"gpu2/llama3:8b", "llama3:8b"}},
		{"something-else-altogether", 3, []string{}},
		{"gpt-4", 0, nil},
		{"", 3, nil},
	}
	x := NewIndex(shop)
	for _, tt := range tests {
		if got := x.Nearest(tt.name, tt.n); !slices.Equal(got, tt.want) {
			t.Errorf("Nearest(%q, %d) = %q, want %q", tt.name, tt.n, got, tt.want)
		}
	}
}

// edits is the distance by the book.
func edits(a, b string) int {
	if strings.HasPrefix(b, a) {
		return min(1, len(b)-len(a))
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j-1], rows[i-1][j], rows[i][j-1])
			}
		}
	}
	return rows[len(a)][len(b)]
}

// All short cuts lead to what comparing each name with each would find.
func TestNearestFindsWhatIsNearest(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		letters := make([]byte, 1+dice.IntN(12))
		for i := range letters {
			letters[i] = "abAB-1"[dice.IntN(6)]
		}
		return string(letters)
	}
	for range 300 {
		s := Snapshot{Providers: []Provider{{Name: "a", Dialect: "openai"}, {Name: "b1", Dialect: "ollama"}}}
		for range 1 + dice.IntN(30) {
			s.Models = append(s.Models, Model{Provider: []string{"a", "b1"}[dice.IntN(2)], ID: word() + []string{"", "", ":latest"}[dice.IntN(3)]})
		}
		x := NewIndex(s)
		name := []string{"", "a/", "b1/"}[dice.IntN(3)] + word()
		typed := strings.ToLower(name)
		var want []found
		for _, l := range x.Models() {
			id := strings.TrimSuffix(strings.ToLower(l.Model.ID), ":latest")
			if d := min(edits(typed, id), edits(typed, l.Provider.Name+"/"+id)); d <= max(2, len(name)/3) {
				want = append(want, found{l.Name, d})
			}
		}
		slices.SortFunc(want, func(a, b found) int { return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name)) })
		names := []string{}
		for _, f := range want[:min(3, len(want))] {
			names = append(names, f.name)
		}
		if got := x.Nearest(name, 3); !slices.Equal(got, names) {
			t.Fatalf("Nearest(%q) among %v: got %q want %q", name, x.Models(), got, names)
		}
	}
}

func TestResolveDoesNotAllocate(t *testing.T) {
	x := NewIndex(shop)
	for _, name := range []string{"gpt-4o", "openai/gpt-4o", "llama3", "llama3:latest", "gpt-4o:latest", "gpu1/llama3", "gpu2/llama3:8b", "LLAMA3", "GPU1/Llama3:8B", "nothing"} {
		if got := testing.AllocsPerRun(100, func() { x.Resolve(name) }); got != 0 {
			t.Errorf("Resolve(%q) allocates %v times, want none", name, got)
		}
	}
}

// market is a catalog of 10,000 models.
func market() *Index {
	var s Snapshot
	for p := range 10 {
		s.Providers = append(s.Providers, Provider{Name: fmt.Sprintf("p%d", p), Dialect: "ollama"})
		for m := range 1000 {
			s.Models = append(s.Models, Model{Provider: fmt.Sprintf("p%d", p), ID: fmt.Sprintf("vendor/some-model-%d:latest", p*1000+m)})
		}
	}
	return NewIndex(s)
}

func BenchmarkResolve(b *testing.B) {
	x := market()
	for _, bm := range []struct{ name, model string }{
		{"bare", "vendor/some-model-4321:latest"},
		{"full", "p4/vendor/some-model-4321"},
		{"other case", "Vendor/Some-Model-4321"},
		{"unknown", "vendor/another-model"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.Resolve(bm.model)
			}
		})
	}
}

func BenchmarkNearest(b *testing.B) {
	x := market()
	b.ReportAllocs()
	for b.Loop() {
		x.Nearest("vendor/sme-model-4321", 3)
	}
}

func TestReachGoesBeyondTheLists(t *testing.T) {
	x := NewIndex(Snapshot{
		Providers: []Provider{
			{Name: "a", Dialect: "openai", BaseURL: "https://a.example/v1"},
			{Name: "b", Dialect: "ollama", BaseURL: "http://b.example/api"},
			{Name: "builtin"},
		},
		Models: []Model{{Provider: "a", ID: "listed"}},
	})
	tests := []struct{ name, wantProvider, wantModel string }{
		{"listed", "a", "listed"},
		{"a/listed", "a", "listed"},
		{"a/unlisted", "a", "unlisted"},
		{"a/some/path", "a", "some/path"},
		{"a/unlisted:latest", "a", "unlisted"},
		{"b/unlisted:latest", "b", "unlisted:latest"},
		{"unlisted", "", ""},
		{"a/", "", ""},
		{"c/unlisted", "", ""},
		{"builtin/unlisted", "", ""},
	}
	for _, tt := range tests {
		got, ok := x.Reach(tt.name)
		switch {
		case ok != (tt.wantProvider != ""):
			t.Errorf("Reach(%q) = %v", tt.name, ok)
		case ok && (got.Provider.Name != tt.wantProvider || got.Model.ID != tt.wantModel || got.Upstream != tt.wantModel):
			t.Errorf("Reach(%q) = %s, %s, called %s", tt.name, got.Provider.Name, got.Model.ID, got.Upstream)
		}
	}
	if _, ok := x.Resolve("a/unlisted"); ok {
		t.Error("Resolve finds what is not listed")
	}
}
