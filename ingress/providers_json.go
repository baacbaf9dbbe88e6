package ingress

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
)

const contentJSON = "application/json"

// A providerObject is a provider as it is shown, without its key.
type providerObject struct {
	Name           string `json:"name"`
	Object         string `json:"object"`
	Kind           string `json:"kind"`
	BaseURL        string `json:"base_url"`
	Source         string `json:"source"` // environment, api
	ReadOnly       bool   `json:"read_only"`
	Active         bool   `json:"active"`
	HasKey         bool   `json:"has_key"`
	MaxConcurrency int    `json:"max_concurrency,omitempty"`
	Timeout        string `json:"timeout,omitempty"`
	Strict         bool   `json:"strict"`
	ForwardBeta    *bool  `json:"forward_beta,omitempty"` // missing: the kind's default
	providerState
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
		Source: string(p.Source), ReadOnly: p.Source != roster.API, Active: p.Active, HasKey: p.HasKey,
		MaxConcurrency: p.MaxConcurrency, Strict: p.Strict, ForwardBeta: p.Beta,
		providerState: providerState{State: string(cmp.Or(p.State, roster.Open)), Error: p.Error},
	}
	if p.Timeout > 0 {
		o.Timeout = p.Timeout.String()
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

// A providerChange is what a client says of a provider.
type providerChange struct {
	Name           string          `json:"name"` // where the path does not have it
	Kind           string          `json:"kind"` // only of a provider that is added
	Host           *string         `json:"host"`
	APIKey         *logging.Secret `json:"api_key"` // empty: none
	Active         *bool           `json:"active"`
	MaxConcurrency *int            `json:"max_concurrency"` // 0: the default
	Timeout        *string         `json:"timeout"`         // such as 30s; empty: the default
	Strict         *bool           `json:"strict"`
	ForwardBeta    *bool           `json:"forward_beta"`
}

// readChange reads what is to be set, and of which provider. Of the key, only
// what is sealed is left.
func readChange(body []byte, name string, sealer *roster.Sealer) (string, roster.Patch, error) {
	var c providerChange
	in := json.NewDecoder(bytes.NewReader(body))
	in.DisallowUnknownFields()
	if err := in.Decode(&c); err != nil {
		return "", roster.Patch{}, unreadableChange(err)
	}
	if _, err := in.Token(); err != io.EOF {
		return "", roster.Patch{}, invalid("", "the body is more than one JSON object")
	}
	if name != "" && (c.Kind != "" || c.Name != "" && c.Name != name) {
		return "", roster.Patch{}, invalid("kind", "the name and the kind of a provider cannot be changed: add another one, and remove this")
	}
	if name == "" {
		name = c.Name
	}
	if c.Host != nil && strings.Contains(*c.Host, "@") { // which would travel in the clear
		return "", roster.Patch{}, invalid("host", "host: must have no user and no password in it")
	}
	set := roster.Patch{Kind: c.Kind, Host: c.Host, Active: c.Active, MaxConcurrency: c.MaxConcurrency, Strict: c.Strict, Beta: c.ForwardBeta}
	var err error
	if set.Timeout, err = readTimeout(c.Timeout); err != nil {
		return "", roster.Patch{}, err
	}
	set.Key, err = seal(sealer, name, c.APIKey)
	return name, set, err
}

// unreadableChange says what is wrong with a body without quoting it: there may
// be a key in it.
func unreadableChange(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return invalid(e.Field, fmt.Sprintf("%s: is not of the right type", e.Field))
	}
	if strings.HasPrefix(err.Error(), "json: unknown field ") {
		return invalid("", "there is a field that is not known; known are name, kind, host, api_key, active, max_concurrency, timeout, strict, forward_beta")
	}
	return invalid("", "the body is not a JSON object")
}

func readTimeout(text *string) (*time.Duration, error) {
	if text == nil {
		return nil, nil
	}
	if *text == "" {
		return new(time.Duration), nil
	}
	d, err := time.ParseDuration(*text)
	if err != nil || d <= 0 {
		return nil, invalid("timeout", "timeout: must be a duration such as 30s or 5m")
	}
	return &d, nil
}

// seal seals a provider's key.
func seal(s *roster.Sealer, provider string, key *logging.Secret) (*roster.Sealed, error) {
	if key == nil {
		return nil, nil
	}
	if len(*key) > maxKey || strings.ContainsFunc(key.Reveal(), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, invalid("api_key", "api_key: must be printable, without space, and shorter than 8 KiB")
	}
	sealed, err := s.Seal(provider, *key)
	if errors.Is(err, roster.ErrNoSecret) {
		return nil, &llm.Error{Code: llm.CodeInvalid, Param: "api_key", Message: "no key can be kept here, for ALLAMA_SECRET_KEY is not set: " +
			"set it for all parts of allama, or give the key in the environment; make one with: openssl rand -base64 32"}
	}
	return &sealed, err
}

// maxKey is how long a provider's key may be, in bytes.
const maxKey = 8 << 10
