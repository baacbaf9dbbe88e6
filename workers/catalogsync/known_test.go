package catalogsync

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/catalog"
)

func knownTable(t *testing.T) table {
	t.Helper()
	known, err := readTable(knownCSV)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func TestTheTableOfWellKnownModelsIsWellFormed(t *testing.T) {
	for _, line := range []string{`# As of: 20\d\d-\d\d\n`, `# Source: `} {
		if !regexp.MustCompile(line).MatchString(knownCSV) {
			t.Errorf("there is no line %q", line)
		}
	}
	words := []string{"completion", "tools", "insert", "vision", "embedding", "thinking", "image", "audio"}
	all := knownTable(t)
	if len(all) < 30 {
		t.Errorf("it has %d models", len(all))
	}
	for id, k := range all {
		if id != strings.ToLower(strings.TrimSpace(id)) || strings.ContainsAny(id, "/ ") || !strings.Contains(k.host, ".") {
			t.Errorf("%q of %q: the id or the host is none", id, k.host)
		}
		if k.context < 1000 || k.output < 0 || k.output > k.context {
			t.Errorf("%s: %d tokens of context, %d of output", id, k.context, k.output)
		}
		embeds := slices.Contains(k.capabilities, "embedding")
		for _, c := range k.capabilities {
			if !slices.Contains(words, c) {
				t.Errorf("%s: %q is no capability", id, c)
			}
		}
		if len(k.capabilities) == 0 || embeds == slices.Contains(k.capabilities, "completion") {
			t.Errorf("%s: capabilities %q", id, k.capabilities)
		}
		checkPrices(t, id, k.prices, embeds)
	}
}

// checkPrices holds prices to what they are everywhere: output is dearer than
// input, and input from a cache cheaper.
func checkPrices(t *testing.T, id string, p catalog.Prices, embeds bool) {
	t.Helper()
	if p == (catalog.Prices{}) {
		return
	}
	if p.Input == nil || *p.Input <= 0 || *p.Input > 100 || (p.Output == nil) != embeds {
		t.Errorf("%s: there are not all prices", id)
		return
	}
	if p.Output != nil && *p.Output < *p.Input || p.CachedInput != nil && *p.CachedInput >= *p.Input {
		t.Errorf("%s: the prices are in disorder", id)
	}
}

func TestReadTableRefuses(t *testing.T) {
	for _, text := range []string{
		"", "# nothing", "id,host\n", knownFields + "\na,b\n",
		knownFields + "\na,h,many,,,,,\n", knownFields + "\na,h,1,,cheap,,,\n", knownFields + "\na,h,1,,,,,\na,h,1,,,,,\n",
	} {
		if got, err := readTable(text); err == nil {
			t.Errorf("readTable(%q) = %v, want an error", text, got)
		}
	}
}

func TestTheTableFillsInWhatIsNotTold(t *testing.T) {
	openai := catalog.Provider{Name: "openai", Dialect: "openai", BaseURL: "https://api.openai.com/v1"}
	other := catalog.Provider{Name: "other", Dialect: "openai", BaseURL: "https://proxy.example/v1"}
	claude := catalog.Provider{Name: "claude", Dialect: "anthropic", BaseURL: "https://api.anthropic.com/v1"}
	gpu := catalog.Provider{Name: "gpu", Dialect: "ollama", BaseURL: "http://gpu:11434/api"}
	tests := []struct {
		name    string
		at      catalog.Provider
		model   catalog.Model
		want    catalog.Model
		assumed string
	}{
		{"at its maker", openai, catalog.Model{ID: "gpt-4o"}, catalog.Model{ContextLength: 128_000, Capabilities: []string{"completion", "tools", "vision"}, Prices: catalog.Prices{Input: new(2.5)}}, "capabilities context_length max_output prices"},
		{"a release", openai, catalog.Model{ID: "gpt-4o-2024-08-06"}, catalog.Model{ContextLength: 128_000, Prices: catalog.Prices{Input: new(2.5)}}, "capabilities context_length max_output prices"},
		{"a release of its own", openai, catalog.Model{ID: "gpt-4o-2024-05-13"}, catalog.Model{ContextLength: 128_000, Prices: catalog.Prices{Input: new(5.0)}}, "capabilities context_length max_output prices"},
		{"a free one", openai, catalog.Model{ID: "gpt-4o", Prices: catalog.Prices{Input: new(0.0)}}, catalog.Model{ContextLength: 128_000, Prices: catalog.Prices{Input: new(0.0)}}, "capabilities context_length max_output"},
		{"told by the provider", openai, catalog.Model{ID: "gpt-4o", ContextLength: 8, Capabilities: []string{"tools"}}, catalog.Model{ContextLength: 8, Capabilities: []string{"tools"}, Prices: catalog.Prices{Input: new(2.5)}}, "max_output prices"},
		{"at somebody else", other, catalog.Model{ID: "openai/gpt-4o"}, catalog.Model{ContextLength: 128_000}, "capabilities context_length max_output"},
		{"of Anthropic", claude, catalog.Model{ID: "claude-sonnet-4-5-20250929"}, catalog.Model{ContextLength: 200_000, Prices: catalog.Prices{Input: new(3.0)}}, "capabilities context_length prices"},
		{"another one", openai, catalog.Model{ID: "gpt-4o-realtime-preview"}, catalog.Model{}, ""},
		{"at an Ollama", gpu, catalog.Model{ID: "gpt-4o"}, catalog.Model{}, ""},
		{"without a name", openai, catalog.Model{}, catalog.Model{}, ""},
	}
	known := knownTable(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.model
			known.complete(&got, &tt.at)
			if strings.Join(got.Assumed, " ") != tt.assumed {
				t.Errorf("assumed %q, want %q", got.Assumed, tt.assumed)
			}
			if got.ContextLength != tt.want.ContextLength || tt.want.Capabilities != nil && !slices.Equal(got.Capabilities, tt.want.Capabilities) {
				t.Errorf("got %+v", got)
			}
			if (got.Prices.Input == nil) != (tt.want.Prices.Input == nil) || got.Prices.Input != nil && *got.Prices.Input != *tt.want.Prices.Input {
				t.Errorf("got the prices %+v", got.Prices)
			}
		})
	}
}

// What is assumed is published and not stored, so that a later version of the
// program assumes its own.
func TestWhatIsAssumedIsPublishedOnly(t *testing.T) {
	s := New(withBucket(t), []Source{{Provider: catalog.Provider{Name: "p", Dialect: "openai"}}}, Options{})
	s.entries[0] = merge(s.entries[0], models("gpt-4o"), nil, at(1))
	snap := s.snapshot(1, at(1))
	if m := snap.Models[0]; m.ContextLength != 128_000 || len(m.Assumed) == 0 {
		t.Errorf("published %+v", m)
	}
	if m := s.entries[0].Models[0]; m.ContextLength != 0 || len(m.Assumed) != 0 {
		t.Errorf("stored %+v", m)
	}
}
