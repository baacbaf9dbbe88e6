package main

import (
	"bufio"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

func TestProvidersAreActive(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  []string
		want []string
	}{
		{"Ollama when nothing is set", nil, []string{"ollama"}},
		{"none when it is switched off", []string{"IS_OLLAMA_ACTIVE=false"}, nil},
		{"with a key", []string{"OPENAI_API_KEY=k", "ANTHROPIC_API_KEY=k"}, []string{"openai", "anthropic", "ollama"}},
		{"not when told so in spite of a key", []string{"OPENAI_API_KEY=k", "IS_OPENAI_ACTIVE=false"}, []string{"ollama"}},
		{"when told so without a key", []string{"IS_OPENAI_ACTIVE=true"}, []string{"openai", "ollama"}},
		{"not with an empty key", []string{"OPENAI_API_KEY="}, []string{"ollama"}},
		{"the demo when told so", []string{"IS_DEMO_ACTIVE=true"}, []string{"ollama", "demo"}},
		{"named ones", []string{"ALLAMA_PROVIDERS= groq , ", "GROQ_KIND=openai", "GROQ_HOST=https://h/v1"}, []string{"ollama", "groq"}},
		{"a vendor with a key", []string{"GROQ_API_KEY=k", "MISTRAL_API_KEY=k"}, []string{"ollama", "groq", "mistral"}},
		{"not a vendor that is switched off", []string{"GROQ_API_KEY=k", "IS_GROQ_ACTIVE=false"}, []string{"ollama"}},
		{"a server of one's own with a host", []string{"VLLM_HOST=gpu:8000"}, []string{"ollama", "vllm"}},
		{"not Azure with a key that may be another program's", []string{"AZURE_API_KEY=k"}, []string{"ollama"}},
		{"Azure with its host", []string{"AZURE_API_KEY=k", "AZURE_HOST=https://x.openai.azure.com"}, []string{"ollama", "azure"}},
		{"a vendor that is named, once", []string{"ALLAMA_PROVIDERS=groq", "GROQ_API_KEY=k"}, []string{"ollama", "groq"}},
		{"a vendor as the kind", []string{"ALLAMA_PROVIDERS=fast", "FAST_KIND=groq", "FAST_API_KEY=k"}, []string{"ollama", "fast"}},
		{
			"not a named one that is switched off",
			[]string{"ALLAMA_PROVIDERS=gpu-1", "GPU_1_KIND=ollama", "GPU_1_HOST=h", "IS_GPU_1_ACTIVE=false"},
			[]string{"ollama"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := mustLoad(t, tt.env...)
			var got []string
			for _, p := range c.Providers {
				got = append(got, p.Name)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("active providers: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNamesThatMeanSomethingElseAreTaken(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"openai", "anthropic", "ollama", "demo", "nats", "allama", "allama-drain"} { // ALLAMA_DRAIN_TIMEOUT
		_, _, err := load(t.Context(), newEnvironment([]string{"ALLAMA_PROVIDERS=" + name}, nil))
		problems, _ := errors.AsType[configError](err)
		if len(problems) != 1 || !strings.Contains(problems[0], "is taken") {
			t.Errorf("a provider called %s: got %v, want that the name is taken", name, err)
		}
	}
}

func TestNamedProviderHasItsVariables(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "IS_OLLAMA_ACTIVE=false", "ALLAMA_PROVIDERS=gpu-1", "GPU_1_KIND=openai",
		"GPU_1_HOST=10.0.0.7:8000", "GPU_1_API_KEY=k", "GPU_1_MAX_CONCURRENCY=3", "GPU_1_TIMEOUT=90s")
	want := workers.ProviderConfig{Name: "gpu-1", Kind: "openai", Host: "10.0.0.7:8000", APIKey: "k", MaxConcurrency: 3, Timeout: 90e9}
	if len(c.Providers) != 1 || !reflect.DeepEqual(c.Providers[0], want) {
		t.Errorf("providers: got %+v, want only %+v", c.Providers, want)
	}
}

func TestVendorNeedsItsHostWhereThereIsNoneForEverybody(t *testing.T) {
	t.Parallel()
	for _, environ := range [][]string{{"IS_AZURE_ACTIVE=true"}, {"ALLAMA_PROVIDERS=azure"}, {"ALLAMA_PROVIDERS=a", "A_KIND=azure"}} {
		_, _, err := load(t.Context(), newEnvironment(environ, nil))
		problems, _ := errors.AsType[configError](err)
		if len(problems) != 1 || !strings.Contains(problems[0], "_HOST: is missing") {
			t.Errorf("%v: got %v, want that the host is missing", environ, err)
		}
	}
	c := mustLoad(t, "IS_OLLAMA_ACTIVE=false", "GROQ_API_KEY=k", "GROQ_HOST=https://proxy.example.com/v1", "GROQ_TIMEOUT=9s")
	want := workers.ProviderConfig{Name: "groq", Kind: "groq", Host: "https://proxy.example.com/v1", APIKey: "k", Timeout: 9e9}
	if len(c.Providers) != 1 || !reflect.DeepEqual(c.Providers[0], want) {
		t.Errorf("providers: got %+v, want only %+v", c.Providers, want)
	}
}

func TestSecretComesFromOnePlace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name        string
		env, dotenv []string
		want        string // empty: it is refused
	}{
		{"the environment", []string{"K=value"}, nil, "value"},
		{"a file, without the end of its line", []string{"K_FILE=" + path}, nil, "from-file"},
		{".env", nil, []string{"K=other"}, "other"},
		{"the environment before .env", []string{"K=value"}, []string{"K=other"}, "value"},
		{"a file in the environment before .env", []string{"K_FILE=" + path}, []string{"K=other"}, "from-file"},
		{"the environment before a file in .env", []string{"K=value"}, []string{"K_FILE=" + path}, "value"},
		{".env where the environment is empty", []string{"K="}, []string{"K=other"}, "other"},
		{"not two", []string{"K=value", "K_FILE=" + path}, nil, ""},
		{"not a file that is not there", []string{"K_FILE=" + path + "2"}, nil, ""},
		{"not a folder", []string{"K_FILE=" + filepath.Dir(path)}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := newEnvironment(tt.env, variables(tt.dotenv))
			got, _, err := env.secret("K", readSecret)
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("secret: got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestUnknownVariablesAreFound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, env string
		want      string // a part of the problem; empty: there is none
	}{
		{"a slip of the pen", "ALLAMA_LOG_LEVLE=info", "ALLAMA_LOG_LEVLE: is unknown; did you mean ALLAMA_LOG_LEVEL?"},
		{"one unlike all others", "ALLAMA_COLOUR_OF_THE_WALLS=red", `ALLAMA_COLOUR_OF_THE_WALLS: is unknown; "allama config"`},
		{"one that is set to nothing", "ALLAMA_COLOUR=", ""},
		{"another program's", "LLAMA_COLOUR=red", ""},
		{"the host of a service in Kubernetes", "ALLAMA_SERVICE_HOST=10.0.0.1", ""},
		{"the port of a service in Kubernetes", "ALLAMA_INGRESS_PORT=tcp://10.0.0.1:8080", ""},
		{"a detail of a service in Kubernetes", "ALLAMA_PORT_8080_TCP_ADDR=10.0.0.1", ""},
		{"a port of ours that has another name", "ALLAMA_PORT=8080", "ALLAMA_PORT: is unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := load(t.Context(), newEnvironment([]string{tt.env}, nil))
			problems, _ := errors.AsType[configError](err)
			if tt.want == "" && err != nil || tt.want != "" && (len(problems) != 1 || !strings.Contains(problems[0], tt.want)) {
				t.Errorf("load with %s: got %v, want %q", tt.env, err, tt.want)
			}
		})
	}
}

func TestListenerNeedsTokenWhereOthersReachIt(t *testing.T) {
	t.Parallel()
	for listen, ok := range map[string]bool{
		"127.0.0.1:4222": true, "localhost:0": true, "[::1]:4222": true,
		"0.0.0.0:4222": false, ":4222": false, "4222": false, "127.0.0.1:http": false,
	} {
		_, _, err := load(t.Context(), newEnvironment([]string{"ALLAMA_NATS_LISTEN=" + listen}, nil))
		if (err == nil) != ok {
			t.Errorf("ALLAMA_NATS_LISTEN=%s: got %v, want allowed: %v", listen, err, ok)
		}
	}
	mustLoad(t, "ALLAMA_NATS_LISTEN=0.0.0.0:4222", "ALLAMA_NATS_TOKEN=t")
}

func TestDemoIsOnWhereThereIsNothingElse(t *testing.T) {
	t.Parallel()
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"models":[]}`))
	}))
	t.Cleanup(there.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	tests := []struct {
		name string
		env  []string
		want bool
	}{
		{"no Ollama and no key", []string{"OLLAMA_HOST=" + gone.URL}, true},
		{"Ollama switched off", []string{"IS_OLLAMA_ACTIVE=false"}, true},
		{"an Ollama that answers", []string{"OLLAMA_HOST=" + there.URL}, false},
		{"a key", []string{"OLLAMA_HOST=" + gone.URL, "OPENAI_API_KEY=k"}, false},
		{"switched off", []string{"OLLAMA_HOST=" + gone.URL, "IS_DEMO_ACTIVE=false"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := mustLoad(t, tt.env...)
			c.decideDemo(t.Context())
			got := slices.ContainsFunc(c.Providers, func(p workers.ProviderConfig) bool { return p.Name == nameDemo })
			if got != tt.want {
				t.Errorf("demo is on: got %v, want %v", got, tt.want)
			}
		})
	}
}

// Whoever has defined a provider at run time has no use for canned answers at
// the next start.
func TestDemoIsOffWhereAProviderIsDefined(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "allama.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, tt := range []struct {
		roster roster.Roster
		want   bool
	}{
		{roster.Roster{}, true},
		{roster.Roster{Revision: 1}.With(roster.Definition{Name: "groq", Kind: "groq"}), false},
		{roster.Roster{Revision: 3}.With(roster.Definition{Name: "groq", Kind: "groq", Inactive: true}), true},
	} {
		if err := s.SaveRoster(t.Context(), tt.roster); err != nil {
			t.Fatal(err)
		}
		c := mustLoad(t, "IS_OLLAMA_ACTIVE=false", "DATABASE_PATH="+path)
		if got := c.decideDemo(t.Context()); got != tt.want {
			t.Errorf("with %+v: demo is on: got %v, want %v", tt.roster.Definitions, got, tt.want)
		}
	}
}

// What .env.example shows is what there is: no more, no less, and its defaults
// are the program's.
func TestEnvExampleIsComplete(t *testing.T) {
	t.Parallel()
	example := exampleVariables(t)
	l := loader{env: newEnvironment(nil, nil), known: map[string]bool{}}
	c := &config{}
	if err := errors.Join(l.fill(t.Context(), c, func(name string) string { return name }), l.providers(t.Context(), c)); err != nil {
		t.Fatal(err)
	}
	want := l.knownNames()
	got := slices.DeleteFunc(slices.Sorted(maps.Keys(example)), func(name string) bool {
		return slices.ContainsFunc([]string{"groq-2", "gpu-1"}, func(p string) bool { return isVariableOf(p, name) }) || // the providers that it makes up
			slices.ContainsFunc(workers.Vendors(), func(v workers.Vendor) bool { return isVariableOf(v.Name, name) })
	})
	for _, v := range workers.Vendors() {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(example)), func(name string) bool { return isVariableOf(v.Name, name) }) {
			t.Errorf(".env.example says nothing of the vendor %s", v.Name)
		}
		if host, ok := example[variable(v.Name, "HOST")]; ok && v.Host != "" && host != v.Host {
			t.Errorf("host of %s: got %s in .env.example, want %s", v.Name, host, v.Host)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("variables of .env.example:\ngot  %q\nwant %q", got, want)
	}

	var environ []string
	defaults := map[string]string{}
	for _, s := range l.settings {
		// Where a provider is, and whether, is shown as it was worked out.
		if s.Source == fromDefault && s.Value != "" && !strings.HasSuffix(s.Name, "_HOST") && !strings.HasPrefix(s.Name, "IS_") {
			defaults[s.Name] = s.Value
			environ = append(environ, s.Name+"="+example[s.Name])
		}
	}
	_, settings, err := load(t.Context(), newEnvironment(environ, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if want, ok := defaults[s.Name]; ok && s.Value != want {
			t.Errorf("default of %s: got %s in .env.example, want %s", s.Name, s.Value, want)
		}
	}
}

// isVariableOf reports whether a variable is one of a provider's.
func isVariableOf(provider, name string) bool {
	keys := []string{"HOST", "API_KEY", "API_KEY" + fileSuffix, "ACTIVE", "MAX_CONCURRENCY", "TIMEOUT", "KIND"}
	return slices.ContainsFunc(keys, func(key string) bool { return variable(provider, key) == name })
}

func TestEnvExampleCanBeUsedAsItIs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(".env.example")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, dotEnvFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	env, err := readEnvironment(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := load(t.Context(), env); err != nil {
		t.Error(err)
	}
}

func TestSettingsShowNoPassword(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"nats://u:p@h:4222":           "nats://[redacted]@h:4222",
		"nats://t@h,tls://u:p@i":      "nats://[redacted]@h,tls://[redacted]@i",
		"u:p@h:4222":                  "[redacted]@h:4222",
		"https://api.example.com/a@b": "https://api.example.com/a@b",
		"10.0.0.7:11434":              "10.0.0.7:11434",
	} {
		if got := busURL(text).String(); got != want {
			t.Errorf("busURL(%q) is shown as %q, want %q", text, got, want)
		}
	}
	if got := (providerEnv{APIKey: "canary"}).APIKey; got.String() == "canary" || got != logging.Secret("canary") {
		t.Errorf("a key is shown as %v", got)
	}
}

func mustLoad(t *testing.T, environ ...string) *config {
	t.Helper()
	c, _, err := load(t.Context(), newEnvironment(environ, nil))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// exampleVariables returns the variables of .env.example with what stands
// behind them.
func exampleVariables(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open(".env.example")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	variables := map[string]string{}
	line := regexp.MustCompile(`^# ([A-Z][A-Z0-9_]*)=(.*)$`)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if m := line.FindStringSubmatch(lines.Text()); m != nil {
			if _, twice := variables[m[1]]; twice {
				t.Errorf("%s is there twice", m[1])
			}
			variables[m[1]] = m[2]
		}
	}
	return variables
}

func TestListedVendorShowsWhereItIs(t *testing.T) {
	t.Parallel()
	_, settings, err := load(t.Context(), newEnvironment([]string{"ALLAMA_PROVIDERS=groq"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if s.Name == "GROQ_HOST" && s.Value != "https://api.groq.com/openai/v1" {
			t.Errorf("GROQ_HOST is shown as %q", s.Value)
		}
	}
}

func TestEveryProviderCanBeStrict(t *testing.T) {
	t.Parallel()
	environ := []string{"OPENAI_API_KEY=k", "ANTHROPIC_API_KEY=k", "GROQ_API_KEY=k", "IS_DEMO_ACTIVE=true",
		"ALLAMA_PROVIDERS=gpu-1", "GPU_1_KIND=ollama", "GPU_1_HOST=h"}
	for _, p := range mustLoad(t, environ...).Providers {
		if p.Strict {
			t.Errorf("%s is strict, and nobody has said so", p.Name)
		}
		for _, other := range mustLoad(t, append(environ, variable(p.Name, "STRICT")+"=true")...).Providers {
			if other.Strict != (other.Name == p.Name) {
				t.Errorf("%s=true: %s is strict: %t", variable(p.Name, "STRICT"), other.Name, other.Strict)
			}
		}
	}
	only := mustLoad(t, "IS_OLLAMA_ACTIVE=false", "DEMO_STRICT=true")
	if only.decideDemo(t.Context()); len(only.Providers) != 1 || !only.Providers[0].Strict {
		t.Errorf("with nothing else: got %+v, want a strict demo", only.Providers)
	}
	_, _, err := load(t.Context(), newEnvironment([]string{"OPENAI_STRICT=perhaps", "DEMO_STRICT=2"}, nil))
	problems, _ := errors.AsType[configError](err)
	want := configError{`DEMO_STRICT: "2" is not true or false`, `OPENAI_STRICT: "perhaps" is not true or false`}
	if !slices.Equal(problems, want) {
		t.Errorf("bad values: got %q want %q", problems, want)
	}
}
