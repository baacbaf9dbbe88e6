package main

import (
	"fmt"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"
)

// What a client asks of beta features reaches the upstreams that know them, and
// no others.
func TestBetaHeader(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startFive(t, append(u.env(), "ANTHROPIC_FORWARD_BETA=true",
		"ALLAMA_PROVIDERS=imitator", "IMITATOR_KIND=anthropic", "IMITATOR_HOST="+u.URL)...)
	client := anthropic.NewClient(option.WithBaseURL(s.url), option.WithAPIKey("any"), option.WithMaxRetries(0))
	for provider, want := range map[string]string{"anthropic": "[a-2025-01-01,b-2025-01-01]", "imitator": "[]", "openai": "[]", "ollama": "[]"} {
		_, err := client.Beta.Messages.New(t.Context(), anthropic.BetaMessageNewParams{
			Model: provider + "/echo", MaxTokens: 9,
			Messages: []anthropic.BetaMessageParam{anthropic.NewBetaUserMessage(anthropic.NewBetaTextBlock("x"))},
			Betas:    []anthropic.AnthropicBeta{"a-2025-01-01", "b-2025-01-01"},
		})
		if err != nil {
			t.Errorf("%s: %v", provider, err)
			continue
		}
		calls := u.called("echo")
		if got := fmt.Sprint(calls[len(calls)-1].header.Values("Anthropic-Beta")); got != want {
			t.Errorf("%s was sent the beta features %s, want %s", provider, got, want)
		}
	}
}
