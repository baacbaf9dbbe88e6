package workers_test

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/workers"
)

// notKinds are the folders that are no kind of provider.
var notKinds = []string{"catalogsync", "providertest", "upstream"}

func TestEveryFolderIsAKindThatIsListed(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(notKinds, e.Name()) {
			folders = append(folders, e.Name())
		}
	}
	kinds := workers.Kinds()
	slices.Sort(kinds)
	if !slices.Equal(folders, kinds) {
		t.Errorf("folders are %v, kinds are %v", folders, kinds)
	}
}

func TestValidName(t *testing.T) {
	tests := map[string]bool{
		"openai": true, "gpu1": true, "1": true, "my-gpu_2": true, strings.Repeat("a", 63): true,
		"": false, "-a": false, "_a": false, "OpenAI": false, "a.b": false, "a/b": false, "a b": false,
		"é": false, strings.Repeat("a", 64): false, "a\n": false, "*": false, ">": false,
	}
	for name, want := range tests {
		if got := workers.ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %t want %t", name, got, want)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	tests := []struct {
		name   string
		config workers.ProviderConfig
		want   string
	}{
		{"no name", workers.ProviderConfig{Kind: "openai"}, "name"},
		{"no kind", workers.ProviderConfig{Name: "a"}, "unknown kind"},
		{"no address", workers.ProviderConfig{Name: "a", Kind: "openai", Host: "ftp://x"}, "provider a: host: the address has the scheme ftp"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := workers.Open(tt.config); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open: %v want %q", err, tt.want)
			}
			if _, err := workers.Describe(tt.config); err == nil {
				t.Error("Describe: no error")
			}
		})
	}
}

func TestVendorStandsForItsKind(t *testing.T) {
	entry, err := workers.Describe(workers.ProviderConfig{Name: "fast", Kind: "groq"})
	if err != nil {
		t.Fatal(err)
	}
	want := catalog.Provider{Name: "fast", Kind: "openai", Dialect: "openai", BaseURL: "https://api.groq.com/openai/v1", Native: []string{"openai/chat/completions", "openai/audio/transcriptions", "openai/audio/translations", "openai/audio/speech"}}
	if !reflect.DeepEqual(entry, want) {
		t.Errorf("entry is %+v want %+v", entry, want)
	}
	if got := workers.Dialect("groq"); got != "openai" {
		t.Errorf("the dialect is %q want openai", got)
	}
	for _, v := range workers.Vendors() {
		if slices.Contains(workers.Kinds(), v.Name) || !workers.ValidName(v.Name) {
			t.Errorf("the vendor %q cannot have that name", v.Name)
		}
	}
}

func TestDescriptionOfTheDemo(t *testing.T) {
	entry, err := workers.Describe(workers.ProviderConfig{Name: "d", Kind: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	if entry.Name != "d" || entry.Kind != "demo" || entry.Dialect != "" || entry.BaseURL != "" {
		t.Errorf("entry is %+v", entry)
	}
}
