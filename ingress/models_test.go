package ingress

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/catalog"
)

func decode[T any](t *testing.T, r reply) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.body), &v); err != nil || r.status != 200 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	return v
}

func ids(list []modelObject) (names []string) {
	for _, m := range list {
		names = append(names, m.ID)
	}
	return names
}

var allModels = []string{"acme/text-embed", "claude-x", "gpt-4o", "nobody-has-me", "tiny:latest"}

func TestListOfModelsForOpenAI(t *testing.T) {
	g := newRig(t, nil)
	for _, path := range []string{"/v1/models", "/api/v1/models"} {
		got := g.get(path, "Authorization", "Bearer x", "X-Api-Key", "x")
		list := decode[modelList](t, got)
		if list.Object != "list" || !slices.Equal(ids(list.Data), allModels) || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %s", path, got.body)
		}
		if strings.Contains(got.body, "has_more") {
			t.Errorf("%s: the envelope is another's: %s", path, got.body)
		}
	}
	want := `{"id":"gpt-4o","object":"model","created":1767323045,"owned_by":"system","type":"model","display_name":"gpt-4o",` +
		`"created_at":"2026-01-02T03:04:05Z","max_input_tokens":128000,"max_tokens":16384}`
	if got := g.get("/v1/models/gpt-4o"); got.body != want {
		t.Errorf("got  %s\nwant %s", got.body, want)
	}
	if got := g.get("/v1/models/nobody-has-me"); !strings.Contains(got.body, `"created_at":"1970-01-01T00:00:00Z"`) || !strings.Contains(got.body, `"owned_by":"void"`) {
		t.Errorf("a model of which nothing is known: %s", got.body)
	}
}

func TestModelByAnyName(t *testing.T) {
	g := newRig(t, nil)
	for path, id := range map[string]string{
		"/v1/models/acme/text-embed":         "acme/text-embed",
		"/v1/models/acme%2Ftext-embed":       "acme/text-embed",
		"/v1/models/oai/acme/text-embed":     "oai/acme/text-embed",
		"/v1/models/oai%2Facme%2Ftext-embed": "oai/acme/text-embed",
		"/api/v1/models/oai%2Fgpt-4o":        "oai/gpt-4o",
		"/v1/models/tiny:latest":             "tiny:latest",
		"/v1/models/tiny%3Alatest":           "tiny:latest",
		"/v1/models/tiny":                    "tiny",
	} {
		if got := decode[modelObject](t, g.get(path)); got.ID != id || got.Object != "model" || got.Type != "model" {
			t.Errorf("%s: got %+v", path, got)
		}
	}
	got := g.get("/v1/models/gpt-4")
	if got.status != 404 || !strings.Contains(got.body, "The model 'gpt-4' does not exist") || !strings.Contains(got.body, `"code":"model_not_found"`) {
		t.Errorf("unknown: got %d %s", got.status, got.body)
	}
	got = g.get("/v1/models/gpt-4", "Anthropic-Version", "2023-06-01")
	if got.status != 404 || !strings.Contains(got.body, `"type":"not_found_error"`) || got.header.Get("Request-Id") == "" {
		t.Errorf("unknown, to the other API: got %d %s", got.status, got.body)
	}
}

func TestListOfModelsForAnthropic(t *testing.T) {
	g := newRig(t, nil)
	version := []string{"Anthropic-Version", "2023-06-01"}
	for _, tt := range []struct {
		query string
		want  []string
		more  bool
	}{
		{"", allModels, false},
		{"?limit=2", allModels[:2], true},
		{"?limit=5", allModels, false},
		{"?limit=2&after_id=claude-x", allModels[2:4], true},
		{"?limit=2&after_id=gpt-4o", allModels[3:], false},
		{"?after_id=d-is-gone", allModels[2:], false},
		{"?after_id=zzz", nil, false},
		{"?limit=2&before_id=tiny:latest", allModels[2:4], true},
		{"?limit=2&before_id=gpt-4o", allModels[:2], false},
		{"?before_id=a", nil, false},
	} {
		got := g.get("/v1/models"+tt.query, version...)
		page := decode[modelPage](t, got)
		if !slices.Equal(ids(page.Data), tt.want) || page.HasMore != tt.more {
			t.Errorf("%q: got %s", tt.query, got.body)
		}
		if n := len(tt.want); n == 0 && (page.FirstID != nil || page.LastID != nil || !strings.Contains(got.body, `"data":[]`)) ||
			n > 0 && (*page.FirstID != tt.want[0] || *page.LastID != tt.want[n-1]) {
			t.Errorf("%q: the ends are wrong: %s", tt.query, got.body)
		}
		if strings.Contains(got.body, `"object":"list"`) {
			t.Errorf("%q: the envelope is another's: %s", tt.query, got.body)
		}
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?limit=x", "?after_id=a&before_id=b"} {
		if got := g.get("/v1/models"+query, version...); got.status != 400 || !strings.Contains(got.body, "invalid_request_error") {
			t.Errorf("%q: got %d %s", query, got.status, got.body)
		}
	}
	if got := g.get("/v1/models", "X-Api-Key", "x"); !strings.Contains(got.body, "has_more") {
		t.Errorf("with a key of its own: got %s", got.body)
	}
	if page := decode[modelPage](t, g.get("/v1/models?limit=1&after_id=acme/text-embed", version...)); page.Data[0].DisplayName != "Claude X" {
		t.Errorf("got %+v", page)
	}
}

func TestListOfTags(t *testing.T) {
	g := newRig(t, nil)
	got := g.get("/api/tags")
	if got.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("got the headers %v", got.header)
	}
	list := decode[struct{ Models []tagEntry }](t, got).Models
	var names []string
	for _, e := range list {
		names = append(names, e.Name)
		if e.Model != e.Name || e.Size <= 0 || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(e.Digest) {
			t.Errorf("got %+v", e)
		}
		if d := e.Details; d.Format == "" || d.Family == "" || d.ParameterSize == "" || d.QuantizationLevel == "" {
			t.Errorf("got %+v", e)
		}
	}
	want := []string{"tiny:latest", "acme/text-embed:latest", "claude-x:latest", "gpt-4o:latest", "nobody-has-me:latest"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v want %v", names, want)
	}
	for _, text := range []string{
		`"remote_model":"gpt-4o","remote_host":"https://api.example.com/v1"`, `"capabilities":["completion","tools"]`,
		`"capabilities":["embedding"]`, `"families":null`, `"parent_model":""`, `"context_length":4096`,
	} {
		if !strings.Contains(got.body, text) {
			t.Errorf("%s is missing in %s", text, got.body)
		}
	}
	if list[0].RemoteModel != "" || list[0].Size != 77 || list[0].ModifiedAt != time.Date(2026, 1, 5, 3, 4, 5, 0, time.UTC) {
		t.Errorf("the local model is %+v", list[0])
	}
	if again := g.get("/api/tags"); again.body != got.body {
		t.Error("the list is another one the next time")
	}
	if head := g.do(g.request(http.MethodHead, "/api/tags", "")); head.status != 200 || head.body != "" {
		t.Errorf("HEAD: got %d %q", head.status, head.body)
	}
}

func TestShow(t *testing.T) {
	g := newRig(t, nil)
	for _, body := range []string{
		`{"model":"gpt-4o"}`, `{"name":"gpt-4o:latest"}`, `{"model":"oai/gpt-4o","name":"tiny"}`, `{"model":"gpt-4o","verbose":true,"options":{}}`,
	} {
		got := g.post("/api/show", body)
		for _, text := range []string{
			`"general.architecture":"oai"`, `"oai.context_length":128000`, `"capabilities":["completion"]`, `"modified_at":"2026-01-02T03:04:05Z"`,
			`"remote_model":"gpt-4o"`, `"format":"remote"`,
		} {
			if got.status != 200 || !strings.Contains(got.body, text) {
				t.Errorf("%s: %s is missing in %d %s", body, text, got.status, got.body)
			}
		}
	}
	if got := g.post("/api/show", `{"model":"nobody-has-me"}`); !strings.Contains(got.body, `"model_info":{"general.architecture":"void"}`) {
		t.Errorf("got %s", got.body)
	}
	if got := g.post("/api/show", `{"model":"tiny"}`, "User-Agent", "GitHubCopilotChat/1.2"); !strings.Contains(got.body, `"general.basename":"tiny"`) {
		t.Errorf("got %s", got.body)
	}
	for body, want := range map[string]string{
		`{"model":"nope"}`: `404 {"error":"model 'nope' not found"}`,
		`{}`:               `400 {"error":"model is required"}`,
		``:                 `400 {"error":"missing request body"}`,
		`{"model":5}`:      `400 {"error":"model must be a string"}`,
	} {
		if got := g.post("/api/show", body); itoa(got.status)+" "+got.body != want {
			t.Errorf("%s: got %d %s want %s", body, got.status, got.body, want)
		}
	}
}

// TestTagsTellModelsApart is about two models whose names differ by the tag
// that is taken for granted.
func TestTagsTellModelsApart(t *testing.T) {
	g := newRig(t, nil)
	js, err := jetstream.New(g.connect())
	if err != nil {
		t.Fatal(err)
	}
	err = catalog.Publish(t.Context(), js, catalog.Snapshot{Revision: 2, Providers: providers(), Models: []catalog.Model{
		{Provider: "oai", ID: "tiny"}, {Provider: "llama", ID: "tiny:latest"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new catalog", func() bool { return len(g.server.catalog.Index().Models()) == 2 })
	body := g.get("/api/tags").body
	for _, name := range []string{`"oai/tiny:latest"`, `"tiny:latest"`} {
		if strings.Count(body, `"name":`+name) != 1 {
			t.Errorf("want %s once in %s", name, body)
		}
	}
}
