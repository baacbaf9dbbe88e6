// Package openai is the kind of provider that speaks OpenAI's API: OpenAI
// itself and the many servers that imitate it, each in its own way.
package openai

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	wire "github.com/offbeat-studio/allama/shared/dialect/openai/responses"
	"github.com/offbeat-studio/allama/workers/upstream"
)

const defaultVendor = "openai"

// A Provider is one API. It is safe for concurrent use.
type Provider struct {
	*upstream.Client
	models []string // of a vendor that lists none
}

// New returns a provider. Where the host has no path, the API is taken to be
// where its vendor has it, and else at /v1; a path is taken as it is. Only
// api-version can be asked for behind it.
func New(c upstream.Config) (*Provider, error) {
	p, ok := named(cmp.Or(c.Vendor, defaultVendor))
	switch {
	case !ok:
		return nil, fmt.Errorf("unknown vendor %q", c.Vendor)
	case c.Host == "" && p.Host == "":
		return nil, errors.New("host: there is none for everybody, so it must be given")
	}
	base, query, err := parseHost(cmp.Or(c.Host, p.Host))
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	if c.Vendor == "" {
		p = known(base)
	}
	p.dialect.Adapts = p.Name != "" && !p.exact
	base.Path = strings.TrimSuffix(cmp.Or(strings.TrimSuffix(base.Path, "/chat/completions"), p.path), "/")
	if strings.Contains(base.Path, "/deployments/") { // of Azure's older API, which has no Responses
		p.operations = slices.Concat([]string{chat, completions, embeddings}, media)
	}
	return &Provider{Client: upstream.New(upstream.Options{
		Base: base, Dialect: p.dialect, Also: p.also(), Native: p.operations, Query: query, Keys: c.Keys(), Authorize: p.authorize, Guarded: c.Guarded,
		Passes:   []string{"Content-Type"}, // of forms
		Timeouts: upstream.Timeouts{}.Silence(c.Timeout),
	}), models: p.models}, nil
}

// parseHost also reads the version that Azure's addresses may end with.
func parseHost(text string) (base *url.URL, query url.Values, err error) {
	text, rest, asked := strings.Cut(text, "?")
	if base, err = upstream.ParseHost(text); err != nil || !asked {
		return base, nil, err
	}
	query, err = url.ParseQuery(rest)
	if err != nil || len(query) != 1 || query.Get("api-version") == "" {
		return nil, nil, errors.New("the address has a query, in which there can only be an api-version")
	}
	return base, query, nil
}

// authorize puts a key where the vendor wants it.
func (p preset) authorize(h http.Header, key string) {
	if p.keyHeader != "" {
		h.Set(p.keyHeader, key)
		return
	}
	h.Set("Authorization", "Bearer "+key)
}

// also are the dialects that the vendor speaks besides.
func (p preset) also() []dialect.Client {
	if !slices.Contains(p.operations, responses) {
		return nil
	}
	return []dialect.Client{wire.Client{UserField: p.dialect.UserField}}
}
