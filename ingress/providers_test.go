package ingress

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/roster"
)

const jsonBody = "Content-Type: application/json"

// pairs cuts headers as they are written into names and values. What is said of
// the host is left to the caller.
func pairs(headers ...string) (list []string) {
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		list = append(list, name, value)
	}
	return list
}

// A clerk answers what is asked about providers, and remembers it.
type clerk struct {
	asked  []roster.Request
	answer roster.Answer
	err    error
}

func (c *clerk) ask(_ context.Context, r roster.Request) (roster.Answer, error) {
	c.asked = append(c.asked, r)
	if refusal := r.Problems.Refusal(); refusal != nil && c.err == nil {
		return roster.Answer{Error: refusal}, nil
	}
	return c.answer, c.err
}

// withClerk returns a rig with somebody who manages providers.
func withClerk(t *testing.T, cfg *Config) (*rig, *clerk) {
	t.Helper()
	g := newRig(t, cfg)
	sealer, err := roster.NewSealer("a secret of the deployment")
	if err != nil {
		t.Fatal(err)
	}
	c := &clerk{answer: roster.Answer{Providers: []roster.Provider{{
		Name: "oai", Kind: "openai", BaseURL: "https://api.example.com/v1", Source: roster.API, Active: true, HasKey: true, Timeout: time.Minute,
	}}, Tested: &roster.Tested{Models: 3, Took: 5 * time.Millisecond}}}
	g.server.providers = Providers{Ask: c.ask, Sealer: sealer}
	return g, c
}

func TestWhoMayManageProviders(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("boss:sk-boss [admin]\nclerk:sk-clerk\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	withKeys, loopback, open := &Config{KeysFile: keys}, &Config{}, &Config{Host: "0.0.0.0", Auth: "off"}
	const boss, other = "Authorization: Bearer sk-boss", "Authorization: Bearer sk-clerk"
	tests := []struct {
		name    string
		config  *Config
		headers []string
		status  int
		message string
	}{
		{"a key that may", withKeys, []string{boss, jsonBody}, 200, ""},
		{"a key that may not", withKeys, []string{other, jsonBody}, 403, "[admin]"},
		{"no key", withKeys, []string{jsonBody}, 401, "an API key is needed"},
		{"a wrong key", withKeys, []string{"Authorization: Bearer sk-guess", jsonBody}, 401, "not known"},
		{"this machine", loopback, []string{jsonBody}, 200, ""},
		{"any machine, without keys", open, []string{jsonBody}, 403, "only with a key"},
		{"somebody behind a proxy on this machine", loopback, []string{jsonBody, "X-Forwarded-For: 203.0.113.9"}, 403, "only with a key"},
		{"somebody behind a proxy, with the key", withKeys, []string{boss, jsonBody, "X-Forwarded-For: 203.0.113.9"}, 200, ""},
		{"a page of this server", loopback, []string{jsonBody, "Origin: HERE", "Sec-Fetch-Site: same-origin"}, 200, ""},
		{"a page of this machine", loopback, []string{jsonBody, "Origin: http://localhost:3000"}, 403, "another origin"},
		{"a page of a program", loopback, []string{jsonBody, "Origin: file://"}, 403, "another origin"},
		{"a page that has no name", loopback, []string{jsonBody, "Origin: null"}, 403, ""},
		{"a page of somebody", loopback, []string{jsonBody, "Origin: https://evil.example"}, 403, ""},
		{"a page of another site, without an origin", loopback, []string{jsonBody, "Sec-Fetch-Site: cross-site"}, 403, "another origin"},
		{"a page of another origin with the key", withKeys, []string{boss, jsonBody, "Origin: http://localhost:3000"}, 403, "another origin"},
		{"by the address of loopback", loopback, []string{jsonBody, "Host: [::1]:8080"}, 200, ""},
		{"by a name that is allowed for calls", &Config{AllowedHosts: []string{"gateway.example"}}, []string{jsonBody, "Host: gateway.example"}, 403, "only with a key"},
		{"another name of this machine", loopback, []string{jsonBody, "Host: evil.example"}, 403, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, c := withClerk(t, tt.config)
			for i := range tt.headers {
				tt.headers[i] = strings.Replace(tt.headers[i], "HERE", g.url, 1)
			}
			for _, r := range []*http.Request{
				g.request("GET", "/api/v1/providers", "", pairs(tt.headers...)...), g.request("GET", "/api/v1/providers/oai", "", pairs(tt.headers...)...),
				g.request("POST", "/api/v1/providers", `{"name":"x","kind":"openai"}`, pairs(tt.headers...)...),
				g.request("PATCH", "/api/v1/providers/oai", `{"active":false}`, pairs(tt.headers...)...),
				g.request("DELETE", "/api/v1/providers/oai", "", pairs(tt.headers...)...),
				g.request("POST", "/api/v1/providers/oai/test", "", pairs(tt.headers...)...),
			} {
				if host := r.Header.Get("Host"); host != "" {
					r.Host = host
				}
				got := g.do(r)
				want := tt.status
				if want == 200 && r.Method == "POST" && r.URL.Path == "/api/v1/providers" {
					want = 201
				}
				if got.status != want || !strings.Contains(got.body, tt.message) {
					t.Errorf("%s %s: got %d %s, want %d with %q", r.Method, r.URL.Path, got.status, got.body, want, tt.message)
				}
			}
			if refused := tt.status != 200; refused != (len(c.asked) == 0) {
				t.Errorf("asked %d times", len(c.asked))
			}
		})
	}
}

// The peer counts, not only the address that the server listens on: a socket can
// be handed on.
func TestWhoCallsFromThisMachine(t *testing.T) {
	for _, tt := range []struct {
		peer, host string
		want       bool
	}{
		{"127.0.0.1:9", "localhost:8080", true}, {"[::1]:9", "127.0.0.1", true}, {"[::ffff:127.0.0.1]:9", "LOCALHOST", true},
		{"10.0.0.1:9", "localhost", false}, {"", "localhost", false}, {"127.0.0.1:9", "localhost.evil.example", false}, {"127.0.0.1:9", "", false},
	} {
		if got := isLocal(&http.Request{RemoteAddr: tt.peer, Host: tt.host}); got != tt.want {
			t.Errorf("from %q to %q: got %t", tt.peer, tt.host, got)
		}
	}
}

// What is no name gets nowhere, least of all into the log.
func TestWhatIsNoNameOfAProvider(t *testing.T) {
	g, c := withClerk(t, nil)
	for _, name := range []string{"A", strings.Repeat("a", 20_000), "x%0Alevel=ERROR", "..."} {
		got := g.do(g.request("DELETE", "/api/v1/providers/"+name, "", pairs(jsonBody)...))
		if got.status != 404 || len(got.body) > 300 {
			t.Errorf("%.20s: got %d %.200s", name, got.status, got.body)
		}
	}
	if got := g.post("/api/v1/providers", `{"name":"`+strings.Repeat("a", 60_000)+`","kind":"openai"}`, pairs(jsonBody)...); got.status != 400 || len(got.body) > 300 {
		t.Errorf("added: got %d %.200s", got.status, got.body)
	}
	if len(c.asked) != 1 || c.asked[0].Name != "" || len(c.asked[0].Problems) != 1 {
		t.Errorf("asked for %d things, want one without a name, to hear what else is wrong", len(c.asked))
	}
}

func TestChangesOfProvidersAreJSON(t *testing.T) {
	g, c := withClerk(t, nil)
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		for method, path := range map[string]string{"POST": "", "PATCH": "/oai", "DELETE": "/oai"} {
			if got := g.do(g.request(method, "/api/v1/providers"+path, `{}`, "Content-Type", kind)); got.status != http.StatusUnsupportedMediaType {
				t.Errorf("%s with %q: got %d %s, want 415", method, kind, got.status, got.body)
			}
		}
	}
	if len(c.asked) > 0 {
		t.Errorf("asked for %+v", c.asked)
	}
}

func TestAProvidersKeyLeavesTheIngressSealed(t *testing.T) {
	const canary = "sk-canary"
	g, c := withClerk(t, nil)
	got := g.post("/api/v1/providers", `{"name":"x","kind":"openai","host":"h","api_key":"`+canary+`","active":false,"max_concurrency":3,"timeout":"2m","strict":true,"forward_beta":false}`, pairs(jsonBody)...)
	if got.status != 201 || len(c.asked) != 1 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	set := c.asked[0].Set
	if key, err := g.server.providers.Sealer.Open("x", *set.Key); key.Reveal() != canary || err != nil {
		t.Errorf("the key was sealed to %v, %v", key, err)
	}
	if *set.Host != "h" || *set.Active || *set.MaxConcurrency != 3 || *set.Timeout != 2*time.Minute || !*set.Strict || *set.Beta || set.Kind != "openai" {
		t.Errorf("asked for %+v", set)
	}
	g.do(g.request("PATCH", "/api/v1/providers/x", `{"api_key":""}`, pairs(jsonBody)...))
	if key := c.asked[1].Set.Key; key == nil || len(*key) != 0 {
		t.Errorf("a key that is to be dropped: got %v", key)
	}
	g.server.providers.Sealer = nil
	if got := g.do(g.request("PATCH", "/api/v1/providers/x", `{"api_key":"`+canary+`"}`, pairs(jsonBody)...)); got.status != 400 || !strings.Contains(got.body, "ALLAMA_SECRET_KEY is not set") {
		t.Errorf("without a secret: got %d %s", got.status, got.body)
	}
	if got := g.do(g.request("PATCH", "/api/v1/providers/x", `{"host":"h2"}`, pairs(jsonBody)...)); got.status != 200 {
		t.Errorf("without a secret and a key: got %d %s", got.status, got.body)
	}
	for _, bad := range []string{`{"api_key":["` + canary + `"]}`, `{"max_concurrency":"` + canary + `"}`, `{"` + canary + `":1}`, `["` + canary, `{"api_key":"a b` + canary + `"}`, `{"host":"http://u:` + canary + `@h"}`, `{} {"api_key":"` + canary + `"}`} {
		if got := g.do(g.request("PATCH", "/api/v1/providers/x", bad, pairs(jsonBody)...)); got.status != 400 || strings.Contains(got.body, canary) {
			t.Errorf("%s: got %d %s, want 400 without the key", bad, got.status, got.body)
		}
	}
	for _, asked := range c.asked[len(c.asked)-5:] {
		if data, err := json.Marshal(asked); len(asked.Problems) == 0 || strings.Contains(string(data), canary) || err != nil {
			t.Errorf("asked for %s, %v, want that there are problems and no key", data, err)
		}
	}
}

func TestAllSettingsOfAProviderAreRead(t *testing.T) {
	g, c := withClerk(t, nil)
	second := 1500 * time.Millisecond
	for _, tt := range []struct {
		body string
		want roster.Patch
	}{
		{`{"max_concurrency":4,"rpm":60,"tpm":90000}`, roster.Patch{MaxConcurrency: new(4), RPM: new(60), TPM: new(90_000)}},
		{`{"max_concurrency":null,"rpm":0,"timeout":null}`, roster.Patch{MaxConcurrency: new(0), RPM: new(0), Timeout: new(time.Duration)}},
		{`{"parallel":8,"max_loaded":2,"switch_after":"1500ms","model_concurrency":6,"num_ctx":"8192, fixed"}`, roster.Patch{Pool: roster.PoolPatch{
			Parallel: new(8), MaxLoaded: new(2), SwitchAfter: &second, PerModel: new(6), Context: &roster.Context{Tokens: 8192, Fixed: true},
		}}},
		{`{"num_ctx":4096}`, roster.Patch{Pool: roster.PoolPatch{Context: &roster.Context{Tokens: 4096}}}},
		{`{"num_ctx":null,"switch_after":"","max_loaded":null}`, roster.Patch{Pool: roster.PoolPatch{Context: &roster.Context{}, SwitchAfter: new(time.Duration), MaxLoaded: new(0)}}},
		{`{"api_keys":[]}`, roster.Patch{Key: &roster.Sealed{}}},
	} {
		if got := g.do(g.request("PATCH", "/api/v1/providers/x", tt.body, pairs(jsonBody)...)); got.status != 200 {
			t.Fatalf("%s: got %d %s", tt.body, got.status, got.body)
		}
		if got := c.asked[len(c.asked)-1].Set; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: asked for %+v want %+v", tt.body, got, tt.want)
		}
	}
	g.do(g.request("PATCH", "/api/v1/providers/x", `{"api_keys":["k1","k2","k1","k3"]}`, pairs(jsonBody)...))
	set := c.asked[len(c.asked)-1].Set
	opened := ""
	for _, sealed := range append([]roster.Sealed{*set.Key}, set.Keys...) {
		key, err := g.server.providers.Sealer.Open("x", sealed)
		if err != nil {
			t.Fatal(err)
		}
		opened += key.Reveal() + " "
	}
	if opened != "k1 k2 k3 " {
		t.Errorf("sealed %q, want each key once", opened)
	}
}

// All that is wrong is told at once, in the order in which it was said, and in
// the client's own form.
func TestAllProblemsOfAChangeAreToldAtOnce(t *testing.T) {
	g, c := withClerk(t, nil)
	g.server.providers.Sealer = nil
	body := `{"kind":7,"rpm":"60","timeout":"9","num_ctx":"8k","surprise":1,"host":"u:p@h","api_keys":["k"]}`
	const want = `kind: is not of the right type: it must be a text; rpm: is not of the right type: it must be a whole number; ` +
		`timeout: must be a duration such as 30s or 5m; num_ctx: want a number of tokens such as 8192, or 8192,fixed where clients cannot choose; ` +
		`host: must have no user and no password in it; there is a field that is not known; known are `
	for _, err := range []error{nil, bus.ErrNoSync} { // with nobody to ask, what is known is told
		c.err = err
		got := g.post("/api/v1/providers", body, pairs(jsonBody)...)
		var answer struct {
			Error struct{ Message, Param string }
		}
		if json.Unmarshal([]byte(got.body), &answer) != nil || got.status != 400 || answer.Error.Param != "kind" ||
			!strings.HasPrefix(answer.Error.Message, want) || !strings.Contains(answer.Error.Message, "; api_keys: no key can be kept here") {
			t.Errorf("got %d %s\nwant 400 with %s", got.status, got.body, want)
		}
	}
	if got := g.do(g.request("PATCH", "/api/v1/providers/x", `{"rpm":"60"}`, pairs(jsonBody, "Anthropic-Version: 2023-06-01")...)); got.status != 400 ||
		!strings.HasPrefix(got.body, `{"type":"error","error":{"type":"invalid_request_error","message":"rpm: is not of the right type`) {
		t.Errorf("to a client of Anthropic's: got %d %s", got.status, got.body)
	}
	for _, tt := range []struct{ path, body, want string }{
		{"/x", `{"name":"y","kind":"openai"}`, "name: cannot be changed"},
		{"/x", `{"api_key":"k","api_keys":["k"]}`, "api_keys: give these or api_key"},
		{"/x", `{"api_keys":["k",""]}`, "api_keys: must be printable"},
		{"/x", `{"active":null}`, "active: is not of the right type"},
		{"/x", `{"num_ctx":-1}`, "num_ctx: want a number of tokens"},
		{"/x", `{"rpm":1.5}`, "rpm: is not of the right type"},
	} {
		if got := g.do(g.request("PATCH", "/api/v1/providers"+tt.path, tt.body, pairs(jsonBody)...)); got.status != 400 || !strings.Contains(got.body, tt.want) {
			t.Errorf("%s: got %d %s want 400 with %q", tt.body, got.status, got.body, tt.want)
		}
	}
}

func TestSettingsAreShown(t *testing.T) {
	g, c := withClerk(t, nil)
	c.answer.Providers = []roster.Provider{{
		Name: "oai", Kind: "ollama", BaseURL: "http://a/api,http://b/api", Source: roster.Environment, Active: true, HasKey: true, Keys: 3,
		Limits: roster.Limits{MaxConcurrency: 4, RPM: 60, TPM: 9000, Configured: new(8)},
		Pool:   roster.Pool{Parallel: 2, MaxLoaded: 1, SwitchAfter: time.Second, PerModel: 5, Context: roster.Context{Tokens: 8192, Fixed: true}},
	}}
	const want = `"read_only":true,"active":true,"has_key":true,"keys":3,"max_concurrency":4,"rpm":60,"tpm":9000,"overridden":{"max_concurrency":8},` +
		`"strict":false,"parallel":2,"max_loaded":1,"switch_after":"1s","model_concurrency":5,"num_ctx":"8192,fixed",`
	if got := g.get("/api/v1/providers/oai"); !strings.Contains(got.body, want) {
		t.Errorf("got  %s\nwant %s", got.body, want)
	}
}

func TestProvidersAreShownWithWhatTheCatalogKnows(t *testing.T) {
	g, c := withClerk(t, nil)
	want := `{"name":"oai","object":"provider","kind":"openai","base_url":"https://api.example.com/v1","source":"api","read_only":false,` +
		`"active":true,"has_key":true,"timeout":"1m0s","strict":false,"models":2,"synced_at":null,"stale":false,"state":"open"}`
	if got := g.get("/api/v1/providers/oai"); got.body != want || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got  %s\nwant %s", got.body, want)
	}
	if got := g.get("/api/v1/providers"); got.body != `{"object":"list","data":[`+want+`]}` {
		t.Errorf("the list: got %s", got.body)
	}
	if got := g.post("/api/v1/providers/oai/test", "", pairs(jsonBody)...); got.body != `{"name":"oai","ok":true,"models":3,"ms":5}` {
		t.Errorf("the test: got %s", got.body)
	}
	c.answer = roster.Answer{Conflict: true, Error: &llm.Error{Code: llm.CodeInvalid, Message: "taken"}}
	if got := g.post("/api/v1/providers", `{"name":"x"}`, pairs(jsonBody)...); got.status != 409 || !strings.Contains(got.body, `{"error":{"message":"taken"`) {
		t.Errorf("a conflict: got %d %s", got.status, got.body)
	}
	c.err = bus.ErrNoSync
	if got := g.get("/api/v1/providers"); got.status != 503 || !strings.Contains(got.body, "no sync worker is running") {
		t.Errorf("without a sync worker: got %d %s", got.status, got.body)
	}
}

func TestTheCatalogIsListedWithProviders(t *testing.T) {
	g := newRig(t, nil)
	got := g.get("/api/v1/catalog?provider=claude")
	if got.status != 200 || !strings.Contains(got.body, `"data":[{"name":"claude-x","provider":"claude","id":"claude-x","display_name":"Claude X"`) || strings.Contains(got.body, "gpt-4o") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := g.get("/api/v1/catalog"); strings.Count(got.body, `"provider":`) != len(models()) {
		t.Errorf("all: got %s", got.body)
	}
}
