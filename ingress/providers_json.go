package ingress

import (
	"cmp"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/roster"
)

const contentJSON = "application/json"

// A providerObject is a provider as it is shown, without its key.
type providerObject struct {
	Name     string `json:"name"`
	Object   string `json:"object"`
	Kind     string `json:"kind"`
	BaseURL  string `json:"base_url"`
	Source   string `json:"source"` // environment, api
	ReadOnly bool   `json:"read_only"`
	Active   bool   `json:"active"`
	HasKey   bool   `json:"has_key"`
	Keys     int    `json:"keys,omitempty"` // how many
	providerLimits
	Timeout     string `json:"timeout,omitempty"`
	Strict      bool   `json:"strict"`
	ForwardBeta *bool  `json:"forward_beta,omitempty"` // missing: the kind's default
	providerPool
	providerState
}

// providerLimits are those that an operator has set; what is missing is the
// default.
type providerLimits struct {
	MaxConcurrency int `json:"max_concurrency,omitempty"`
	RPM            int `json:"rpm,omitempty"`
	TPM            int `json:"tpm,omitempty"`

	// Overridden is what the configuration says of what was changed while allama
	// runs.
	Overridden *overridden `json:"overridden,omitempty"`
}

type overridden struct {
	MaxConcurrency int `json:"max_concurrency"` // 0: the default
}

// A providerPool is how the hosts of an Ollama share calls; what is missing is
// the default.
type providerPool struct {
	Parallel    int    `json:"parallel,omitempty"`
	MaxLoaded   int    `json:"max_loaded,omitempty"`
	SwitchAfter string `json:"switch_after,omitempty"`
	PerModel    int    `json:"model_concurrency,omitempty"`
	Context     string `json:"num_ctx,omitempty"` // such as 8192, or 8192,fixed
}

// A providerState is how a provider is, whatever was said of it.
type providerState struct {
	Models   int        `json:"models"`
	SyncedAt *time.Time `json:"synced_at"` // null: never
	Stale    bool       `json:"stale"`
	State    string     `json:"state"` // of its calls: open, paused, draining
	Error    string     `json:"error,omitempty"`
}

type providerList struct {
	Object string           `json:"object"`
	Data   []providerObject `json:"data"`
}

type deletedProvider struct {
	Name    string `json:"name"`
	Object  string `json:"object"`
	Deleted bool   `json:"deleted"`
}

type testedProvider struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Models int    `json:"models"`
	Millis int64  `json:"ms"`
	Error  string `json:"error,omitempty"`
}

// providerObjects adds what the catalog knows of providers.
func (s *Server) providerObjects(providers []roster.Provider) []providerObject {
	index := s.catalog.Index()
	models, seen := map[string]int{}, map[*catalog.Model]bool{}
	for _, l := range index.Models() {
		if !seen[l.Model] { // it may have several names
			seen[l.Model] = true
			models[l.Model.Provider]++
		}
	}
	list := make([]providerObject, len(providers))
	for i, p := range providers {
		list[i] = newProviderObject(p, index)
		list[i].Models = models[p.Name]
	}
	return list
}

func newProviderObject(p roster.Provider, index *catalog.Index) providerObject {
	o := providerObject{
		Name: p.Name, Object: "provider", Kind: p.Kind, BaseURL: p.BaseURL,
		Source: string(p.Source), ReadOnly: p.Source != roster.API, Active: p.Active, HasKey: p.HasKey, Keys: p.Keys,
		providerLimits: newProviderLimits(p.Limits),
		Timeout:        shownDuration(p.Timeout), Strict: p.Strict, ForwardBeta: p.Beta,
		providerPool: providerPool{
			Parallel: p.Pool.Parallel, MaxLoaded: p.Pool.MaxLoaded, SwitchAfter: shownDuration(p.Pool.SwitchAfter),
			PerModel: p.Pool.PerModel, Context: p.Pool.Context.String(),
		},
		providerState: providerState{State: string(cmp.Or(p.State, roster.Open)), Error: p.Error},
	}
	for _, known := range index.Providers() {
		if known.Name != p.Name || !p.Active {
			continue
		}
		if o.Stale = known.Stale; o.Error == "" {
			o.Error = known.Error
		}
		if !known.SyncedAt.IsZero() {
			o.SyncedAt = &known.SyncedAt
		}
	}
	return o
}

func newProviderLimits(l roster.Limits) providerLimits {
	shown := providerLimits{MaxConcurrency: l.MaxConcurrency, RPM: l.RPM, TPM: l.TPM}
	if l.Configured != nil {
		shown.Overridden = &overridden{*l.Configured}
	}
	return shown
}

// shownDuration is how a duration is written; nothing for one that is the
// default.
func shownDuration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
