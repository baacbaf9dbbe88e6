// Package anthropic is the kind of provider that speaks Anthropic's Messages
// API: Anthropic itself and servers that imitate it.
package anthropic

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/dialect/anthropic"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

const (
	anthropicHost = "api.anthropic.com"
	defaultHost   = "https://" + anthropicHost
	apiVersion    = "2023-06-01"
)

// A Provider is one API. It is safe for concurrent use.
type Provider struct {
	*upstream.Client
}

// New returns a provider. The host may end in /v1 or not.
func New(c upstream.Config) (*Provider, error) {
	base, err := upstream.ParseHost(cmp.Or(c.Host, defaultHost))
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	base.Path = strings.TrimSuffix(base.Path, "/v1") + "/v1"
	header := http.Header{"Anthropic-Version": {apiVersion}}
	return &Provider{upstream.New(upstream.Options{
		Base: base, Dialect: anthropic.Client{}, Header: header, Passes: passes(base, c.Beta), Guarded: c.Guarded,
		Keys: c.Keys(), Authorize: func(h http.Header, key string) { h.Set("X-Api-Key", key) },
		Timeouts: upstream.Timeouts{}.Silence(c.Timeout),
	})}, nil
}

// Signed reports whether the API knows the thought for one of its models'.
func (p *Provider) Signed(t llm.Thinking) bool { return anthropic.Signed(t) }

// passes are the headers of clients that the server at base is sent. Other
// servers than Anthropic's own refuse calls over beta features that they do not
// know.
func passes(base *url.URL, beta *bool) []string {
	if beta == nil && !strings.EqualFold(base.Hostname(), anthropicHost) || beta != nil && !*beta {
		return nil
	}
	return []string{"Anthropic-Beta"}
}

// A page is a part of the list of models.
type page struct {
	Data    []json.RawMessage `json:"data"`
	HasMore bool              `json:"has_more"`
	LastID  string            `json:"last_id"`
}

const maxPages = 20 // of 1,000 models each

// Models lists the models of GET /v1/models, all pages of it.
func (p *Provider) Models(ctx context.Context) ([]catalog.Model, error) {
	var models []catalog.Model
	query := url.Values{"limit": {"1000"}}
	for range maxPages {
		list, err := upstream.Get[page](ctx, p.Client, "models", query)
		if err != nil {
			return nil, fmt.Errorf("list models: %w", err)
		}
		for _, raw := range list.Data {
			var r record
			_ = json.Unmarshal(raw, &r) // what is of another type than expected counts as not said
			m := r.model()
			m.Raw = raw
			models = append(models, m)
		}
		if !list.HasMore || list.LastID == "" || list.LastID == query.Get("after_id") {
			break
		}
		query.Set("after_id", list.LastID)
	}
	return models, nil
}
