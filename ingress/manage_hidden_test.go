package ingress

import (
	"net/http"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
)

// What the rules keep from clients cannot be read, changed or replaced by way
// of Ollama's management, nor got at by a copy.
func TestHiddenModelsCannotBeManaged(t *testing.T) {
	g := newRig(t, nil)
	rules := catalog.Rules{Disabled: []string{"secret*"}, Providers: map[string]catalog.Filter{"llama": {Deny: []string{"gone"}}}}
	g.rule(rules)
	l := &lister{rules: &rules}
	g.lists(l)
	var rec recorder
	g.worker("llama", rec.plays(frames(bus.Head{ContentType: ndjson}, bus.End{}, success)))
	for _, tt := range []struct {
		path, body string
		status     int
	}{
		{"/api/show", `{"model":"secret:7b"}`, 404},
		{"/api/show", `{"model":"llama/gone"}`, 404},
		{"/api/pull", `{"model":"secret:7b"}`, 403},
		{"/api/pull", `{"model":"gone"}`, 403},
		{"/api/pull", `{"model":"llama/registry.ollama.ai/library/gone:latest"}`, 403},
		{"/api/push", `{"model":"secret"}`, 404},
		{"/api/push", `{"model":"llama/gone:latest"}`, 404},
		{"/api/create", `{"model":"mine","from":"secret"}`, 404},
		{"/api/create", `{"model":"mine","from":"llama/gone"}`, 404},
		{"/api/create", `{"model":"gone","from":"tiny"}`, 403},
		{"/api/copy", `{"source":"secret","destination":"mine"}`, 404},
		{"/api/copy", `{"source":"tiny","destination":"secret"}`, 403},
		{"/api/delete", `{"model":"gone"}`, 404},
	} {
		method := http.MethodPost
		if tt.path == "/api/delete" {
			method = http.MethodDelete
		}
		if got := g.do(g.request(method, tt.path, tt.body)); got.status != tt.status {
			t.Errorf("%s %s: got %d %s want %d", tt.path, tt.body, got.status, got.body, tt.status)
		}
	}
	if rec.mu.Lock(); len(rec.jobs) > 0 {
		t.Errorf("the Ollama got the jobs %+v", rec.jobs)
	}
	rec.mu.Unlock()
	for range 10 {
		g.post("/api/chat", ask("secret", false))
	}
	if got := l.asked.Load(); got > 1 { // for "gone", which another provider could have
		t.Errorf("hidden names caused %d syncs", got)
	}
}

func TestHiddenModelsDoNotShowThatTheyRun(t *testing.T) {
	g := newRig(t, nil)
	g.rule(catalog.Rules{Providers: map[string]catalog.Filter{"llama": {Deny: []string{"gone"}}}})
	g.worker("llama", frames(bus.Head{Whole: true}, bus.End{}, `{"models":[{"name":"gone:latest","model":"gone:latest"},{"name":"tiny:latest","model":"tiny:latest"}]}`))
	if got := g.get("/api/ps"); strings.Contains(got.body, "gone") || !strings.Contains(got.body, "tiny") {
		t.Errorf("got %s", got.body)
	}
}
