package ingress

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHosts(t *testing.T) {
	loopback := newGuard(Config{AllowedHosts: []string{"allama", "Chat.Example.com"}})
	everywhere := newGuard(Config{Host: "0.0.0.0"})
	one := newGuard(Config{Host: "192.168.1.5"})
	for _, tt := range []struct {
		host                      string
		loopback, everywhere, one bool
	}{
		{"localhost", true, true, true},
		{"localhost:8080", true, true, true},
		{"LOCALHOST:8080", true, true, true},
		{"127.0.0.1:8080", true, true, true},
		{"127.8.9.1", true, true, true},
		{"[::1]:8080", true, true, true},
		{"[::1]", true, true, true},
		{"allama:8080", true, false, false},
		{"chat.example.COM", true, false, false},
		{"192.168.1.5:8080", false, true, true},
		{"192.168.1.6:8080", false, true, false},
		{"0.0.0.0:8080", false, true, false},
		{"", false, false, false},
		{"evil.com", false, false, false},
		{"evil.com:8080", false, false, false},
		{"127.0.0.1.nip.io", false, false, false},
		{"localhost.evil.com", false, false, false},
		{"evil.com/localhost", false, false, false},
		{"localhost?x", false, false, false},
		{"localhost#", false, false, false},
		{"localhost.", false, false, false},
		{"localhost:8080:9090", false, false, false},
		{"localhost@evil.com", false, false, false},
		{"127.1", false, false, false},
		{"2130706433", false, false, false},
	} {
		for name, g := range map[string]struct {
			guard
			want bool
		}{"loopback": {loopback, tt.loopback}, "everywhere": {everywhere, tt.everywhere}, "one": {one, tt.one}} {
			err := g.checkHost(tt.host)
			if (err == nil) != g.want {
				t.Errorf("%s, %q: got %v", name, tt.host, err)
			}
			if err != nil && !strings.Contains(err.Error(), "ALLAMA_ALLOWED_HOSTS") {
				t.Errorf("%q: %v does not say what to set", tt.host, err)
			}
		}
	}
}

func TestForeignHostIsRefusedEverywhere(t *testing.T) {
	g := newRig(t, nil)
	for _, path := range []string{"/", "/livez", "/health", "/v1/models", "/api/tags", "/nothing"} {
		r := g.request(http.MethodGet, path, "")
		r.Host = "evil.com"
		if got := g.do(r); got.status != 403 || !strings.Contains(got.body, "ALLAMA_ALLOWED_HOSTS") {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
	}
	r := g.request(http.MethodPost, "/v1/messages", ask("claude-x", false))
	r.Host = "evil.com"
	if kind, _ := wires()[1].errorOf(g.do(r).body); kind != "permission_error" {
		t.Errorf("the refusal is not in the dialect: %s", kind)
	}
	r = g.request(http.MethodPost, "/v1/chat/completions", ask("gpt-4o", false))
	r.Host = "evil.com"
	if got := g.do(r); !strings.Contains(got.body, `"type":"permission_error","param":null,"code":null`) {
		t.Errorf("the refusal is about a model: %s", got.body)
	}
}

func TestHostDoesNotMatterWithKeys(t *testing.T) {
	g := newRig(t, &Config{KeysFile: keysFile(t, "secret")})
	r := g.request(http.MethodGet, "/v1/models", "", "Authorization", "Bearer secret")
	r.Host = "allama.example.com"
	if got := g.do(r); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestOrigins(t *testing.T) {
	g := newRig(t, &Config{AllowedOrigins: []string{"https://chat.example.com"}})
	same := g.url
	for origin, want := range map[string]bool{
		"":                                 true,
		"http://localhost":                 true,
		"http://localhost:3000":            true,
		"https://localhost:3000":           true,
		"http://127.0.0.1:5173":            true,
		"http://0.0.0.0":                   true,
		"http://[::1]:3000":                true,
		"app://obsidian.md":                true,
		"file://":                          true,
		"tauri://localhost":                true,
		"vscode-webview://abc":             true,
		"vscode-file://vscode-app":         true,
		"https://chat.example.com":         true,
		same:                               true,
		"http://chat.example.com":          false,
		"https://chat.example.com:444":     false,
		"https://chat.example.com.evil":    false,
		"http://evil.com":                  false,
		"http://evil.com:8080":             false,
		"http://localhost.evil.com":        false,
		"http://localhost@evil.com":        false,
		"http://127.0.0.1.nip.io":          false,
		"http://evil.com#http://localhost": false,
		"ftp://localhost":                  false,
		"null":                             false,
		"chrome-extension://abc":           false,
	} {
		var headers []string
		if origin != "" {
			headers = []string{"Origin", origin}
		}
		got := g.get("/v1/models", headers...)
		if (got.status == 200) != want || !want && (got.status != 403 || !strings.Contains(got.body, "ALLAMA_ALLOWED_ORIGINS")) {
			t.Errorf("%q: got %d %s", origin, got.status, got.body)
		}
		allowed := got.header.Get("Access-Control-Allow-Origin")
		if want && allowed != origin || !want && allowed != "" {
			t.Errorf("%q: access-control-allow-origin is %q", origin, allowed)
		}
		if got.header.Get("Access-Control-Allow-Credentials") != "" || got.header.Get("Vary") != "Origin" {
			t.Errorf("%q: got the headers %v", origin, got.header)
		}
		if got := g.post("/v1/chat/completions", "{}", headers...); (got.status == 403) == want || (got.header.Get("Vary") == "Origin") != (origin != "") {
			t.Errorf("%q: the call got %d and the headers %v", origin, got.status, got.header)
		}
	}
	if got := g.get("/v1/models", "Origin", "http://localhost", "Origin", "http://evil.com"); got.status != 403 {
		t.Errorf("two origins: got %d", got.status)
	}
}

func TestPreflight(t *testing.T) {
	// A browser sends no key with a preflight.
	g := newRig(t, &Config{KeysFile: keysFile(t, "secret")})
	ask := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,x-stainless-os"}
	got := g.do(g.request(http.MethodOptions, "/v1/chat/completions", "", append(ask, "Origin", "http://localhost:3000")...))
	if got.status != 204 || got.body != "" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "http://localhost:3000", "Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE",
		"Access-Control-Allow-Headers": "authorization,x-stainless-os", "Access-Control-Max-Age": "43200",
	} {
		if v := got.header.Get(name); v != want {
			t.Errorf("the header %s is %q want %q", name, v, want)
		}
	}
	if got := g.do(g.request(http.MethodOptions, "/v1/chat/completions", "", append(ask, "Origin", "http://evil.com")...)); got.status != 403 {
		t.Errorf("a foreign page: got %d", got.status)
	}
	if got := g.do(g.request(http.MethodOptions, "/v1/chat/completions", "")); got.status != 401 {
		t.Errorf("no preflight: got %d", got.status)
	}
}

func keysFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
