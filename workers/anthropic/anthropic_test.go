package anthropic

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/workers/upstream"
)

func TestHosts(t *testing.T) {
	tests := []struct{ host, want string }{
		{"", "https://api.anthropic.com/v1"},
		{"https://api.anthropic.com/v1/", "https://api.anthropic.com/v1"},
		{"localhost:9000", "http://localhost:9000/v1"},
		{"https://example.com/anthropic", "https://example.com/anthropic/v1"},
	}
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			p, err := New(upstream.Config{Host: tt.host})
			if err != nil || p.BaseURL() != tt.want {
				t.Errorf("New(%q): %v, %v want %s", tt.host, p, err, tt.want)
			}
		})
	}
	if _, err := New(upstream.Config{Host: "https://"}); err == nil {
		t.Error("no host: no error")
	}
}

// serve returns a provider whose upstream answers page by page, by after_id.
func serve(t *testing.T, pages map[string]string) *Provider {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if got := q.Header.Get("Anthropic-Version"); got != "2023-06-01" {
			t.Errorf("version is %q", got)
		}
		if got := q.FormValue("limit"); got != "1000" {
			t.Errorf("limit is %q want 1000", got)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, pages[q.FormValue("after_id")])
	}))
	t.Cleanup(server.Close)
	p, err := New(upstream.Config{Host: server.URL, APIKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestModelsComeInPages(t *testing.T) {
	p := serve(t, map[string]string{
		"":  `{"data":[{"type":"model","id":"a","display_name":"A","created_at":"2025-02-19T00:00:00Z"}],"has_more":true,"last_id":"a"}`,
		"a": `{"data":[{"type":"model","id":"b","max_input_tokens":200000,"max_tokens":64000,"capabilities":{"image_input":{"supported":true},"thinking":{"supported":true},"batch":{"supported":true}}}],"has_more":true,"last_id":"b"}`,
		"b": `{"data":[{"type":"model","id":"c","capabilities":{"image_input":{"supported":false}}}],"has_more":true,"last_id":"c"}`,
		"c": `{"data":[{"id":"d","display_name":7,"max_tokens":"many","capabilities":["vision"]},7],"has_more":false,"last_id":"d"}`,
	})
	got, err := p.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].Raw = nil
	}
	base := catalog.Model{Kind: "chat", OwnedBy: "anthropic", Capabilities: []string{"completion", "tools"}}
	a, b, c, d, none := base, base, base, base, base
	a.ID, a.DisplayName, a.Created = "a", "A", time.Date(2025, 2, 19, 0, 0, 0, 0, time.UTC)
	b.ID, b.ContextLength, b.MaxOutput = "b", 200_000, 64_000
	b.Capabilities = []string{"completion", "tools", "vision", "thinking"}
	c.ID, d.ID = "c", "d"
	if want := []catalog.Model{a, b, c, d, none}; !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestAListWithoutEndIsLeft(t *testing.T) {
	p := serve(t, map[string]string{
		"":  `{"data":[{"id":"a"}],"has_more":true,"last_id":"a"}`,
		"a": `{"data":[{"id":"a"}],"has_more":true,"last_id":"a"}`,
	})
	if got, err := p.Models(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("got %d models, %v want 2", len(got), err)
	}
}

// Servers that only imitate Anthropic refuse beta features, so they are sent
// none unless the operator says that they know them.
func TestBetaHeaderIsForTheVendor(t *testing.T) {
	for _, tt := range []struct {
		host string
		beta *bool
		want bool
	}{
		{"", nil, true},
		{"https://API.anthropic.com", nil, true},
		{"", new(false), false},
		{"https://api.anthropic.com.example.com", nil, false},
		{"localhost:9000", nil, false},
		{"localhost:9000", new(true), true},
	} {
		base, err := upstream.ParseHost(cmp.Or(tt.host, defaultHost))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(passes(base, tt.beta)) > 0; got != tt.want {
			t.Errorf("%s: passed on %t, want %t", base, got, tt.want)
		}
	}
}
