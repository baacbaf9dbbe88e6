package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A person is somebody at a terminal.
type person struct {
	t   *testing.T
	env []string
}

// runs runs a command, with something on its standard input.
func (p person) runs(stdin string, args ...string) (code int, out string) {
	p.t.Helper()
	var text bytes.Buffer
	code = run(p.t.Context(), program{
		dir: p.t.TempDir(), environ: p.env, stdin: strings.NewReader(stdin), stdout: &text, stderr: &text,
	}, append([]string{"allama"}, args...)...)
	return code, text.String()
}

// wants runs a command and compares what it says, with runs of space as one.
func (p person) wants(code int, want, stdin string, args ...string) {
	p.t.Helper()
	got, out := p.runs(stdin, args...)
	if plain := strings.Join(strings.Fields(out), " "); got != code || !strings.Contains(plain, want) {
		p.t.Errorf("%v: got %d and\n%s\nwant %d and %q", args, got, out, code, want)
	}
	if strings.Contains(out, canaryKey) {
		p.t.Errorf("%v shows a key:\n%s", args, out)
	}
}

func TestProvidersAreManagedFromTheCommandLine(t *testing.T) {
	t.Parallel()
	upstream := &aList{}
	upstream.models.Store([]string{"m1", "gpt-4o"})
	address, _ := upstream.serve(t, "127.0.0.1:0")
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("boss:sk-boss [admin]\nother:sk-other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base, stop := serving(t, []string{"PORT=0", secretKey, "ALLAMA_PROVIDERS=fixed", "FIXED_KIND=openai", "FIXED_HOST=127.0.0.1:1/v1", "FIXED_MAX_CONCURRENCY=8", "ALLAMA_KEYS_FILE=" + keys, "DATABASE_PATH=" + t.TempDir() + "/allama.db"})
	defer stop()
	host, port, err := net.SplitHostPort(strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	p := person{t, []string{"HOST=" + host, "PORT=" + port, "ALLAMA_API_KEY=sk-boss"}}
	p.wants(exitOK, "provider late, at http://"+address+"/v1, is on", canaryKey+"\n", "providers", "add", "late", "--kind", "openai", "--host", address+"/v1", "--key-stdin")
	p.wants(exitOK, "provider late lists 2 models; that took", "", "providers", "test", "late")
	p.wants(exitError, "there is a provider late already", "", "providers", "add", "--kind", "openai", "--host", address, "late")
	for deadline := time.Now().Add(definedDue); ; { // it was added a moment ago
		if _, listed := p.runs("", "models", "--provider", "late"); strings.Contains(listed, "m1") || time.Now().After(deadline) {
			break
		}
	}
	p.wants(exitOK, "NAME PROVIDER CONTEXT CAPABILITIES STATE gpt-4o late 128000 ", "", "models", "--provider", "late")
	p.wants(exitOK, `"name": "m1", "provider": "late"`, "", "models", "--json")
	p.wants(exitOK, "late openai http://"+address+"/v1 api 1 - 2 ok", "", "providers")
	p.wants(exitOK, `"source": "api", "read_only": false, "active": true, "has_key": true, "keys": 1,`, "", "providers", "list", "--json")
	p.wants(exitOK, "is off", "", "providers", "disable", "late")
	p.wants(exitOK, "late openai http://"+address+"/v1 api 1 - 0 off", "", "providers")
	p.wants(exitOK, `"timeout": "9s"`, "", "providers", "set", "late", "--timeout", "9s", "--max-concurrency", "3", "--json")
	p.wants(exitOK, "is on", "", "providers", "enable", "late")
	p.wants(exitError, "the name ollama is taken by a provider of the environment", "", "providers", "add", "ollama", "--kind", "ollama")

	p.wants(exitOK, `"keys": 2, "max_concurrency": 3, "rpm": 60, "tpm": 90000,`, canaryKey+"\n\n"+canaryKey+"-2\n", "providers", "set", "late", "--key-stdin", "--rpm", "60", "--tpm", "90000", "--json")
	p.wants(exitOK, "/v1 api 2 3 2 ok", "", "providers")
	p.wants(exitError, "parallel: only providers of the kind ollama have that; num_ctx: only providers", "", "providers", "set", "late", "--parallel", "2", "--num-ctx", "8192")
	p.wants(exitOK, "pool, at http://127.0.0.1:1/api,http://127.0.0.1:2/api, is on", "", "providers", "add", "pool", "--kind", "ollama", "--host", "127.0.0.1:1,127.0.0.1:2",
		"--parallel", "2", "--max-loaded", "1", "--switch-after", "10s", "--model-concurrency", "3", "--num-ctx", "8192,fixed")
	p.wants(exitOK, `"parallel": 2, "max_loaded": 1, "switch_after": "10s", "model_concurrency": 3, "num_ctx": "8192,fixed",`, "", "providers", "list", "--json")
	p.wants(exitOK, `"strict": false, "model_concurrency": 3, "models"`, "", "providers", "set", "pool", "--parallel", "0", "--max-loaded", "0", "--switch-after", "", "--num-ctx", "", "--json")
	p.wants(exitOK, "is on, calls at once: 4 (configured: 8)", "", "providers", "set", "fixed", "--max-concurrency", "4")
	p.wants(exitOK, "environment 0 4 (configured: 8) ", "", "providers")
	p.wants(exitError, "defined in the environment, which wins", "", "providers", "set", "fixed", "--max-concurrency", "4", "--rpm", "5")
	p.wants(exitOK, `"max_concurrency": 8, "strict": false`, "", "providers", "set", "fixed", "--max-concurrency", "0", "--json")

	p.wants(exitError, "the standard input is empty", "", "providers", "set", "late", "--key-stdin")
	p.wants(exitError, "the standard input is over the limit", canaryKey+strings.Repeat("\n", maxSecretFile)+canaryKey+"-2", "providers", "set", "late", "--key-stdin")
	p.wants(exitOK, `"has_key": true`, "", "providers", "list", "--json")
	p.wants(exitOK, `"has_key": false`, "\n", "providers", "set", "late", "--key-stdin", "--json")

	p.wants(exitOK, "beta, at http://127.0.0.1:1/v1, is on", "", "providers", "add", "beta", "--kind", "anthropic", "--host", "127.0.0.1:1")
	p.wants(exitOK, `"forward_beta": true`, "", "providers", "set", "beta", "--forward-beta", "--json")
	p.wants(exitOK, "dead, at http://127.0.0.1:1/v1, is on", "", "providers", "add", "dead", "--kind", "openai", "--host", "127.0.0.1:1")
	p.wants(exitError, "provider dead does not list its models: ", "", "providers", "test", "dead")
	p.wants(exitOK, "provider dead is removed", "", "providers", "remove", "dead")
	p.wants(exitError, "there is no provider dead", "", "providers", "remove", "dead")

	p.wants(exitError, "this key may not manage providers", "", "providers", "--key", "sk-other")
	p.wants(exitOK, "m1", "", "models", "--key", "sk-other")
	p.env = p.env[:2]
	p.wants(exitError, "an API key is needed: send it as Authorization: Bearer, or as x-api-key (give one by --key or ALLAMA_API_KEY)", "", "models")
	p.env = nil
	p.wants(exitOK, "m1", "", "models", "--url", base+"/", "--key", "sk-boss")
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	p.wants(exitError, "is that allama", "", "models", "--url", other.URL)
}
