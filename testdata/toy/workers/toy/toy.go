// Package toy is the kind of provider that speaks the dialect toy.
package toy

import (
	"context"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/dialect/toy"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// A Provider is one upstream.
type Provider struct{ *upstream.Client }

// New returns a provider.
func New(c upstream.Config) (*Provider, error) {
	base, err := upstream.ParseHost(c.Host)
	if err != nil {
		return nil, err
	}
	return &Provider{upstream.New(upstream.Options{Base: base, Dialect: toy.Client{}, Lines: true})}, nil
}

// Models lists the one model.
func (*Provider) Models(context.Context) ([]catalog.Model, error) {
	return []catalog.Model{{ID: "loud"}}, nil
}
