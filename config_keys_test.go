package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/logging"
)

func TestAProviderCanHaveSeveralKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("k2\nk3\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		environ []string
		first   logging.Secret
		others  []logging.Secret
	}{
		{"a list", []string{"OPENAI_API_KEYS=k1, k2,k3"}, "k1", []logging.Secret{"k2", "k3"}},
		{"a list beside a key", []string{"OPENAI_API_KEY=k1", "OPENAI_API_KEYS=k2,k3"}, "k1", []logging.Secret{"k2", "k3"}},
		{"a file beside a key", []string{"OPENAI_API_KEY=k1", "OPENAI_API_KEYS_FILE=" + file}, "k1", []logging.Secret{"k2", "k3"}},
	} {
		c := mustLoad(t, append(tt.environ, "IS_OLLAMA_ACTIVE=false")...)
		if len(c.Providers) != 1 || c.Providers[0].APIKey != tt.first || !slices.Equal(c.Providers[0].APIKeys, tt.others) {
			t.Errorf("%s: got %d providers, want one with the keys", tt.name, len(c.Providers))
		}
	}
	if c := mustLoad(t, "IS_OLLAMA_ACTIVE=false", "GROQ_API_KEYS=k1,k2"); len(c.Providers) != 1 || c.Providers[0].Name != "groq" {
		t.Errorf("a vendor with a list of keys: got %+v, want that it is active", c.Providers)
	}
	if shown := keyList("k1,k2").String(); strings.Contains(shown, "k1") || shown == "" {
		t.Errorf("shown as %q", shown)
	}
}

func TestRatesOfAProvider(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "IS_OLLAMA_ACTIVE=false", "OPENAI_API_KEY=k", "OPENAI_RPM=60", "OPENAI_TPM=90000")
	if p := c.Providers[0]; p.RPM != 60 || p.TPM != 90_000 {
		t.Errorf("got %d and %d, want 60 and 90000", p.RPM, p.TPM)
	}
	_, _, err := load(t.Context(), newEnvironment([]string{"OPENAI_API_KEY=k", "OPENAI_RPM=0", "OPENAI_TPM=-1"}, nil))
	problems, _ := errors.AsType[configError](err)
	if len(problems) != 2 || !strings.Contains(strings.Join(problems, "\n"), "OPENAI_RPM: 0 is too small") {
		t.Errorf("got %v, want that both are too small", err)
	}
}
