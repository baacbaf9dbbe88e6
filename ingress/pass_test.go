package ingress

import (
	"maps"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
)

func TestBetaHeaderGoesAlong(t *testing.T) {
	g := newRig(t, nil)
	var rec recorder
	whole := bus.Head{Whole: true, ContentType: "application/json"}
	g.worker("claude", rec.plays(frames(whole, bus.End{}, `{"said":1}`)))
	g.worker("oai", rec.plays(says(bus.End{}, hello()...)))
	const beta = "Anthropic-Beta"
	tests := []struct {
		name, path, model string
		headers           []string
		want              map[string]string
	}{
		{"none", "/v1/messages", "claude-x", nil, nil},
		{"one", "/v1/messages", "claude-x", []string{beta, "a-1, b-2"}, map[string]string{beta: "a-1, b-2"}},
		{"two are one list", "/v1/messages", "claude-x", []string{beta, "a-1", beta, "b-2"}, map[string]string{beta: "a-1,b-2"}},
		{"to a path with a query", "/v1/messages?beta=true", "claude-x", []string{beta, "a-1"}, map[string]string{beta: "a-1"}},
		{"of a count", "/v1/messages/count_tokens?beta=true", "claude-x", []string{beta, "a-1"}, map[string]string{beta: "a-1"}},
		{"none of the others", "/v1/messages", "claude-x", []string{"X-Api-Key", "k", "Cookie", "c", "Anthropic-Other", "o"}, nil},
		{"not to another dialect", "/v1/messages", "gpt-4o", []string{beta, "a-1"}, nil},
		{"not from another dialect", "/v1/chat/completions", "gpt-4o", []string{beta, "a-1"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := g.post(tt.path, ask(tt.model, false), tt.headers...); got.status != 200 && tt.path != "/v1/chat/completions" {
				t.Fatalf("got %d %s", got.status, got.body)
			}
			if got := rec.last(t).Header; !maps.Equal(got, tt.want) {
				t.Errorf("the job has %v, want %v", got, tt.want)
			}
		})
	}
	got := g.post("/v1/messages", ask("claude-x", false), beta, strings.Repeat("a", maxPassed+1))
	if kind, message := wires()[1].errorOf(got.body); got.status != 400 || kind != "invalid_request_error" || !strings.Contains(message, "anthropic-beta") {
		t.Errorf("a header that is too long: got %d %s", got.status, got.body)
	}
}
