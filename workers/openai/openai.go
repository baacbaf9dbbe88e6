// Package openai is the kind of provider that speaks OpenAI's API: OpenAI
// itself and the many servers that imitate it.
package openai

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/workers/upstream"
)

const defaultHost = "https://api.openai.com/v1"

// A Provider is one API. It is safe for concurrent use.
type Provider struct {
	*upstream.Client
}

// New returns a provider. Where the host has no path, the API is taken to be
// at /v1; a path is taken as it is, for vendors have put theirs anywhere.
func New(c upstream.Config) (*Provider, error) {
	base, err := upstream.ParseHost(cmp.Or(c.Host, defaultHost))
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	base.Path = cmp.Or(strings.TrimSuffix(base.Path, "/chat/completions"), "/v1")
	header := http.Header{}
	if key := c.APIKey.Reveal(); key != "" {
		header.Set("Authorization", "Bearer "+key)
	}
	return &Provider{upstream.New(upstream.Options{
		Base: base, Dialect: dialectOf(base), Header: header, Key: c.APIKey,
		Timeouts: upstream.Timeouts{}.Silence(c.Timeout),
	})}, nil
}

// dialectOf is the dialect as the server at base speaks it. OpenAI has left
// fields behind that most other servers only know by their old names.
func dialectOf(base *url.URL) openai.Client {
	host := base.Hostname()
	if host != "api.openai.com" && !strings.HasSuffix(host, ".openai.azure.com") {
		return openai.Client{}
	}
	return openai.Client{
		MaxTokensField: "max_completion_tokens", UserField: "safety_identifier",
		ReasoningField: "none", DeveloperRole: true,
	}
}
