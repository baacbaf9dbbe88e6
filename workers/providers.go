package workers

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers/anthropic"
	"github.com/offbeat-studio/allama/workers/demo"
	"github.com/offbeat-studio/allama/workers/ollama"
	"github.com/offbeat-studio/allama/workers/openai"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// ProviderConfig says what one provider is.
type ProviderConfig struct {
	Name           string           // see [ValidName]
	Kind           string           // one of [Kinds], or the name of one of the [Vendors]
	Host           string           // the API's address, of Ollama also several with commas between; empty: that of the vendor or the kind
	APIKey         logging.Secret   // empty: none is sent
	APIKeys        []logging.Secret // further ones, which are used by turns
	MaxConcurrency int              // calls at once, of one process; 0: 20,000
	RPM            int              // calls in a minute, over all workers; 0: no limit
	TPM            int              // tokens in a minute, likewise
	Timeout        time.Duration    // longest silence of the upstream; 0: the kind's default
	Beta           *bool            // whether beta headers of clients are sent on; nil: to Anthropic itself only
	Guarded        bool             // the address is a client's word: it is not called where [upstream.CheckAddress] forbids that
	Pool           Pool             // how the hosts share calls, of the kinds that can have several
	Strict         bool             // calls are rather refused than sent with less in them, whatever the client says
}

// KeyCount is how many keys there are, each counted once.
func (c ProviderConfig) KeyCount() int {
	return len(upstream.Config{APIKey: c.APIKey, APIKeys: c.APIKeys}.Keys())
}

// A Pool is how the hosts of one provider share its calls.
type Pool = upstream.Pool

// A kind is a way to make providers.
type kind struct {
	name    string
	dialect string // empty: the providers take canonical calls only
	open    func(upstream.Config) (Lister, error)
}

// kinds are all there are, one folder each.
var kinds = []kind{
	{"openai", "openai", func(c upstream.Config) (Lister, error) { return openai.New(c) }},
	{"anthropic", "anthropic", func(c upstream.Config) (Lister, error) { return anthropic.New(c) }},
	{"ollama", "ollama", func(c upstream.Config) (Lister, error) { return ollama.New(c) }},
	{"demo", "", func(upstream.Config) (Lister, error) { return demo.New(), nil }},
}

// Kinds lists the kinds of provider.
func Kinds() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// Dialect is the dialect in which providers of a kind take native calls; empty
// where they take none, and for unknown kinds.
func Dialect(kind string) string {
	k, _, _ := kindOf(kind)
	return k.dialect
}

// ValidName says whether a provider can have the name.
func ValidName(name string) bool { return roster.ValidName(name) }

// Open returns the provider that c describes. It makes no connection yet.
func Open(c ProviderConfig) (Lister, error) {
	if !ValidName(c.Name) {
		return nil, fmt.Errorf("provider %q: the name must be of a-z, 0-9, _ and -", c.Name)
	}
	k, vendor, ok := kindOf(c.Kind)
	if !ok {
		return nil, fmt.Errorf("provider %s: unknown kind %q", c.Name, c.Kind)
	}
	c.Pool.Concurrency = c.MaxConcurrency
	p, err := k.open(upstream.Config{Host: c.Host, APIKey: c.APIKey, APIKeys: c.APIKeys, Timeout: c.Timeout, Vendor: vendor, Beta: c.Beta, Guarded: c.Guarded, Pool: c.Pool})
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", c.Name, err)
	}
	if err := c.guard(p); err != nil {
		return nil, fmt.Errorf("provider %s: %w", c.Name, err)
	}
	return p, nil
}

// guard says early what whoever dials will say.
func (c ProviderConfig) guard(p Lister) error {
	r, ok := p.(remote)
	if !ok || !c.Guarded {
		return nil
	}
	for address := range strings.SplitSeq(r.BaseURL(), ",") { // of a pool there are several
		base, err := url.Parse(address)
		if err != nil {
			return fmt.Errorf("the address: %w", err)
		}
		if err := upstream.CheckAddress(base.Hostname()); err != nil {
			return err
		}
	}
	return nil
}

// describe returns what the catalog knows of a provider before it was listed.
func describe(c ProviderConfig, p Lister) catalog.Provider {
	k, _, _ := kindOf(c.Kind)
	entry := catalog.Provider{Name: c.Name, Kind: k.name, Dialect: k.dialect}
	if f, ok := p.(Forwarder); ok {
		entry.Native = f.Native()
	}
	if r, ok := p.(remote); ok {
		entry.BaseURL = r.BaseURL()
	}
	return entry
}
