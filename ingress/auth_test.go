package ingress

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
)

func TestKeys(t *testing.T) {
	g := newRig(t, &Config{KeysFile: keysFile(t, "# those who may call", "alice: sk-one", "", "sk-two")})
	for _, tt := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"none", nil, 401},
		{"a bearer", []string{"Authorization", "Bearer sk-one"}, 200},
		{"a bearer in another case", []string{"Authorization", "bearer  sk-two "}, 200},
		{"x-api-key", []string{"x-api-key", "sk-two"}, 200},
		{"api-key", []string{"api-key", "sk-one"}, 200},
		{"a wrong bearer", []string{"Authorization", "Bearer sk-three"}, 401},
		{"a wrong x-api-key", []string{"x-api-key", "sk-three"}, 401},
		{"a part of a key", []string{"x-api-key", "sk-on"}, 401},
		{"more than a key", []string{"x-api-key", "sk-one1"}, 401},
		{"the name", []string{"x-api-key", "alice"}, 401},
		{"the line", []string{"x-api-key", "alice: sk-one"}, 401},
		{"a comment", []string{"x-api-key", "# those who may call"}, 401},
		{"an empty key", []string{"x-api-key", ""}, 401},
		{"an empty bearer", []string{"Authorization", "Bearer"}, 401},
		{"a password", []string{"Authorization", "Basic c2stb25lOg=="}, 401},
		{"the same key twice", []string{"Authorization", "Bearer sk-one", "x-api-key", "sk-one"}, 200},
		{"two good keys", []string{"Authorization", "Bearer sk-one", "x-api-key", "sk-two"}, 400},
		{"a good and a bad one", []string{"api-key", "sk-three", "x-api-key", "sk-one"}, 400},
		{"two in one header", []string{"x-api-key", "sk-one", "x-api-key", "sk-two"}, 400},
	} {
		if got := g.get("/v1/models", tt.headers...); got.status != tt.want {
			t.Errorf("%s: got %d %s want %d", tt.name, got.status, got.body, tt.want)
		}
	}
	if got := g.get("/v1/models?key=sk-one&api-key=sk-one"); got.status != 401 {
		t.Errorf("a key in the query: got %d", got.status)
	}
	if bytes.Contains(g.log.text.Bytes(), []byte("sk-")) {
		t.Error("there are keys in the log")
	}
}

// On the bus, calls with different keys can be told apart, and no more.
func TestCallersOnTheBus(t *testing.T) {
	for _, keys := range []bool{true, false} {
		cfg := &Config{}
		if keys {
			cfg.KeysFile = keysFile(t, "alice: sk-one", "bob: sk-two")
		}
		g := newRig(t, cfg)
		var c recorder
		g.worker("oai", c.plays(says(bus.End{}, hello()...)))
		var callers []string
		for _, key := range []string{"sk-one", "sk-two", "sk-one"} {
			g.post("/v1/messages", `{"model":"gpt-4o","max_tokens":9,"messages":[{"role":"user","content":"x"}]}`, "x-api-key", key)
			callers = append(callers, c.last(t).Caller)
		}
		one, two := callers[0], callers[1]
		if callers[2] != one || keys == (one == two) || keys == (one == "") {
			t.Errorf("keys %t: the callers are %q", keys, callers)
		}
		if strings.Contains(one+two, "alice") || strings.Contains(one+two, "sk-") {
			t.Errorf("keys %t: the callers %q say who they are", keys, callers)
		}
	}
}

// TestEveryPathNeedsAKey walks over paths and methods, in spellings that one
// part of a server may take for another path than the next.
func TestEveryPathNeedsAKey(t *testing.T) {
	g := newRig(t, &Config{KeysFile: keysFile(t, "secret")})
	public := map[string]bool{"/": true, "/livez": true, "/readyz": true, "/health": true}
	paths := []string{
		"/", "/livez", "/readyz", "/health", "/v1/models", "/v1/models/gpt-4o", "/v1/chat/completions", "/v1/messages", "/api/chat",
		"/api/tags", "/api/show", "/api/version", "/api/status", "/api/v1/models", "/api/v1/chat/completions", "/nothing", "/metrics",
		"//v1/models", "/./v1/models", "/livez/../v1/models", "/health/", "/livez;x", "/v1/models;/livez", "/LIVEZ", "/%6civez/x",
		"/v1/models/%2e%2e/%2e%2e/livez", "/livez%2f..%2fv1/models", "/v1/models/", "/v1//models",
	}
	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			r := g.request(method, "", "")
			r.URL.Opaque = path
			got := g.do(r)
			open := public[path] && (method == "GET" || method == "HEAD")
			if open != (got.status != 401) || open && got.status != 200 {
				t.Errorf("%s %s: got %d %s", method, path, got.status, got.body)
			}
		}
	}
}

func TestHealthNamesNobodyToStrangers(t *testing.T) {
	g := newRig(t, &Config{KeysFile: keysFile(t, "secret")})
	if got := g.get("/health"); got.status != 200 || got.body != `{"status":"degraded"}` {
		t.Errorf("without a key: got %d %s", got.status, got.body)
	}
	if got := g.get("/health", "x-api-key", "secret"); !strings.Contains(got.body, `"name":"oai"`) {
		t.Errorf("with a key: got %s", got.body)
	}
}

func TestRefusedKeysAreToldInTheDialect(t *testing.T) {
	g := newRig(t, &Config{KeysFile: keysFile(t, "secret")})
	want := failure{openai: "401 invalid_api_key", anthropic: "401 authentication_error", ollama: 401}
	for _, w := range wires() {
		got := g.post(w.path, ask("gpt-4o", true), "x-api-key", "wrong")
		if outcome, _ := w.outcome(got); outcome != want.want(w.name) {
			t.Errorf("%s: got %d %s", w.name, got.status, got.body)
		}
		if strings.Contains(got.body, "signin_url") || got.header.Get("X-Should-Retry") != "false" || got.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: got %s %v", w.name, got.body, got.header)
		}
	}
}

func TestTheLogNamesTheKey(t *testing.T) {
	g := newRig(t, &Config{KeysFile: keysFile(t, "alice:secret")})
	g.worker("oai", frames(bus.Head{Whole: true}, bus.End{}, "{}"))
	g.post("/v1/chat/completions", ask("gpt-4o", false), "x-api-key", "secret")
	eventually(t, "a line in the log", func() bool { return len(g.log.lines("call")) == 1 })
	if line := g.log.lines("call")[0]; line["key"] != "alice" {
		t.Errorf("the log says %v", line)
	}
}

func TestKeysAreIgnoredWithoutAFile(t *testing.T) {
	g := newRig(t, nil)
	if got := g.get("/v1/models", "Authorization", "Bearer whatever"); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestFileOfKeys(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"empty":                       {"", "no key"},
		"comments":                    {"# nothing\n\n", "no key"},
		"no key":                      {"alice:", "line 1"},
		"no name":                     {"bob:x\n:key", "line 2"},
		"the same twice":              {"alice:x\nbob:x", "line 2"},
		"the same twice, once strict": {"alice:x\nbob:x [strict]", "line 2: the key is there already"},
		"an unknown option":           {"alice:x\n\nbob:canary [stric]", "line 3: want nothing behind the key but [admin], [flex], "},
		"an empty option":             {"alice:x []", "line 1"},
		"an option too many":          {"alice:x [strict,]", "line 1"},
		"a weight that is none":       {"alice:x [weight=0]", "line 1: want nothing behind the key but"},
		"a weight without a number":   {"alice:x [weight]", "line 1: want nothing behind the key but"},
		"a flag with a number":        {"alice:x [flex=1]", "line 1: want nothing behind the key but"},
		"options without a key":       {"alice: [strict]", "line 1"},
	} {
		if _, err := readKeys(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v want %q", name, err, tt.want)
		}
	}
	if _, err := New(Config{KeysFile: "/nowhere/keys"}, Parts{}); err == nil || !strings.Contains(err.Error(), "ALLAMA_KEYS_FILE") {
		t.Errorf("no file: got %v", err)
	}
}

func TestFileOfKeysThatOthersMayRead(t *testing.T) {
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o400: false, 0o644: true, 0o660: true, 0o666: true} {
		path := keysFile(t, "secret")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		if _, err := loadKeys(path, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "WARN"); got != warns {
			t.Errorf("mode %o: warns %v want %v: %s", mode, got, warns, log.String())
		}
		if strings.Contains(log.String(), "secret") {
			t.Error("the key is in the log")
		}
	}
}

func TestConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		want []string // in the error; none: there is no error
	}{
		"zero":                         {Config{}, nil},
		"localhost":                    {Config{Host: "localhost"}, nil},
		"IPv6 loopback":                {Config{Host: "::1"}, nil},
		"everywhere without keys":      {Config{Host: "0.0.0.0"}, []string{"HOST: 0.0.0.0", "ALLAMA_KEYS_FILE", "ALLAMA_AUTH=off"}},
		"IPv6 everywhere":              {Config{Host: "::"}, []string{"HOST"}},
		"a name":                       {Config{Host: "example.com"}, []string{"HOST"}},
		"everywhere, in as many words": {Config{Host: "0.0.0.0", Auth: "off"}, nil},
		"everywhere with keys":         {Config{Host: "0.0.0.0", KeysFile: "keys"}, nil},
		"off with keys":                {Config{Auth: "off", KeysFile: "keys"}, []string{"ALLAMA_AUTH", "ALLAMA_KEYS_FILE"}},
		"an odd word":                  {Config{Auth: "none"}, []string{`ALLAMA_AUTH: "none"`}},
		"good origins":                 {Config{AllowedOrigins: []string{"https://a.example", "http://b:3000"}}, nil},
		"bad origins":                  {Config{AllowedOrigins: []string{"*", "a.example", "https://a/b"}}, []string{`"*"`, `"a.example"`, `"https://a/b"`}},
		"all at once": {
			Config{Port: 70_000, MaxBodyBytes: -1, RequestTimeout: -1, DrainDelay: -1, DrainTimeout: -1, QueueDepth: -1, QueueTimeout: -1},
			[]string{"PORT", "ALLAMA_MAX_BODY_BYTES", "ALLAMA_REQUEST_TIMEOUT", "ALLAMA_DRAIN_DELAY", "ALLAMA_DRAIN_TIMEOUT", "ALLAMA_QUEUE_DEPTH", "ALLAMA_QUEUE_TIMEOUT"},
		},
	} {
		err := tt.cfg.Validate()
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%s: got %v", name, err)
		}
		for _, text := range tt.want {
			if err != nil && !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %q is missing in %v", name, text, err)
			}
		}
	}
	if _, err := New(Config{Port: -1}, Parts{}); err == nil {
		t.Error("New takes a configuration that is not valid")
	}
	if got := (Config{Port: 80}).address(); got != "127.0.0.1:80" {
		t.Errorf("an empty HOST means %s", got)
	}
}
