package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// These tests, too, are about mistakes that are often made between dialects,
// as far as it takes the whole program to make them.

// The header that asks for beta features is lost on the way to Anthropic, or
// reaches upstreams that never heard of it.
func TestBetaFeaturesReachAnthropicOnly(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startServe(t, append(u.env(), "ANTHROPIC_FORWARD_BETA=true")...)
	for provider, want := range map[string]string{"anthropic": "later-2026-01-01", "openai": "", "ollama": ""} {
		body := strings.NewReader(anthropicBody(provider+"/echo-"+provider, "x", false))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/messages", body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Anthropic-Version", "2023-06-01")
		request.Header.Set("Anthropic-Beta", "later-2026-01-01")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body) //nolint:errcheck // only the call upstream counts
		response.Body.Close()
		if got := u.waitFor(t, "echo-"+provider, 1).header.Get("Anthropic-Beta"); got != want || response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d, beta features %q, want %q", provider, response.StatusCode, got, want)
		}
	}
}

// A client leaves before anything was written to it, and the upstream goes on
// to work for nobody.
func TestClientsThatLeaveStopTheUpstream(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startServe(t, u.env()...)
	for i, c := range clients {
		for j, stream := range []bool{true, false} {
			ctx, leave := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				c.call(ctx, s, "anthropic/hang", "x", stream) //nolint:errcheck // it is cancelled
			}()
			call := u.waitFor(t, "hang", 2*i+j+1)
			leave()
			select {
			case <-call.gone:
			case <-time.After(time.Second):
				t.Errorf("%s, stream %t: the upstream is still connected 1s after", c.name, stream)
			}
			<-done
		}
	}
}

// An upstream that refuses the operator's key is shown as if it had refused
// the client's, whose user then looks for the fault in the wrong place.
func TestRefusedKeyOfTheOperatorIsNotTheClients(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startServe(t, u.env()...)
	for _, c := range clients {
		for _, provider := range []string{"openai", "anthropic", "ollama"} {
			for _, model := range []string{"fail-401", "fail-403"} {
				f := c.must(t, s, provider+"/"+model, "x", true)
				if f.status != http.StatusBadGateway || f.header.Get("X-Should-Retry") != "false" {
					t.Errorf("%s of %s/%s: status %d, x-should-retry %q, want 502 and false", c.name, provider, model, f.status, f.header.Get("X-Should-Retry"))
				}
			}
		}
	}
}
