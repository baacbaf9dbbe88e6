package main

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/workers"
)

// Names of the providers that are built in; each is also the name of its kind.
const (
	nameOpenAI    = "openai"
	nameAnthropic = "anthropic"
	nameOllama    = "ollama"
	nameDemo      = "demo"
)

// isTaken reports whether the models or the variables of a provider of that name
// would be taken for something else's.
func isTaken(name string) bool {
	prefix := variable(name, "")
	return slices.Contains(workers.Kinds(), name) || prefix == "NATS_" || strings.HasPrefix(prefix, "ALLAMA_")
}

// A providerEnv holds the variables of a provider: for groq, HOST stands for
// GROQ_HOST and ACTIVE for IS_GROQ_ACTIVE.
type providerEnv struct {
	Host           hostURL        `env:"HOST"`
	APIKey         logging.Secret `env:"API_KEY"`
	APIKeys        keyList        `env:"API_KEYS"`
	Active         *bool          `env:"ACTIVE"`
	MaxConcurrency *int           `env:"MAX_CONCURRENCY"`
	RPM            *int           `env:"RPM"`
	TPM            *int           `env:"TPM"`
	Timeout        *time.Duration `env:"TIMEOUT"`
	Strict         bool           `env:"STRICT, default=false"`
}

// A namedEnv is a providerEnv of a provider in ALLAMA_PROVIDERS.
type namedEnv struct {
	Kind string `env:"KIND"`
	Rest providerEnv
}

// A demoEnv holds what can be said of the demo, besides that it is active.
type demoEnv struct {
	Strict bool `env:"STRICT, default=false"`
}

// A betaEnv holds the variable that only providers of Anthropic's kind have.
type betaEnv struct {
	Forward *bool `env:"FORWARD_BETA"`
}

// variable returns the name of a provider's variable.
func variable(provider, name string) string {
	provider = strings.ToUpper(strings.ReplaceAll(provider, "-", "_"))
	if name == "ACTIVE" {
		return "IS_" + provider + "_ACTIVE"
	}
	return provider + "_" + name
}

// providers reads the providers and keeps those that are active.
func (l *loader) providers(ctx context.Context, c *config) error {
	for _, name := range []string{nameOpenAI, nameAnthropic, nameOllama} {
		env := providerEnv{}
		if err := l.fillProvider(ctx, name, &env); err != nil {
			return err
		}
		active := env.hasKey() || name == nameOllama // which needs none
		if env.Active != nil {
			active = *env.Active
		}
		if name == nameOllama {
			c.OllamaUnasked = env.Active == nil && env.Host == "" && !env.hasKey()
		}
		p := l.provider(name, name, env)
		if err := l.fillKind(ctx, &p); err != nil {
			return err
		}
		c.addProvider(p, active, env.Active)
		l.assume(variable(name, "ACTIVE"), strconv.FormatBool(active))
		l.assume(variable(name, "HOST"), baseURL(workers.ProviderConfig{Name: name, Kind: name}))
	}
	if err := l.namedProviders(ctx, c); err != nil {
		return err
	}
	if err := l.vendors(ctx, c); err != nil {
		return err
	}
	env := demoEnv{}
	if err := l.fillProvider(ctx, nameDemo, &env); err != nil {
		return err
	}
	c.addProvider(workers.ProviderConfig{Name: nameDemo, Kind: nameDemo, Strict: env.Strict}, c.Demo != nil && *c.Demo, c.Demo)
	return nil
}

// addProvider adds a provider; said is what is said of its being active, nil:
// nothing.
func (c *config) addProvider(p workers.ProviderConfig, active bool, said *bool) {
	c.Known = append(c.Known, p)
	if active {
		c.Providers = append(c.Providers, p)
	}
	if said != nil && !*said {
		c.Off = append(c.Off, p.Name)
	}
}

func (l *loader) namedProviders(ctx context.Context, c *config) error {
	prefixes := map[string]string{}
	for _, name := range c.ProviderNames {
		if name = strings.TrimSpace(name); !l.checkName(name, prefixes) {
			continue
		}
		env := namedEnv{}
		if err := l.fillProvider(ctx, name, &env); err != nil {
			return err
		}
		if _, ok := vendorOf(name); ok {
			env.Kind = cmp.Or(env.Kind, name)
			l.assume(variable(name, "KIND"), env.Kind)
		}
		l.checkNamed(name, env)
		active := env.Rest.Active == nil || *env.Rest.Active
		p := l.provider(name, env.Kind, env.Rest)
		if err := l.fillKind(ctx, &p); err != nil {
			return err
		}
		c.addProvider(p, active, env.Rest.Active)
		l.assume(variable(name, "ACTIVE"), strconv.FormatBool(active))
		l.assume(variable(name, "HOST"), baseURL(p))
	}
	return nil
}

func (l *loader) fillProvider(ctx context.Context, name string, target any) error {
	return l.fill(ctx, target, func(key string) string { return variable(name, key) })
}

func (l *loader) fillBeta(ctx context.Context, p *workers.ProviderConfig) error {
	if p.Kind != nameAnthropic {
		return nil
	}
	env := betaEnv{}
	if err := l.fillProvider(ctx, p.Name, &env); err != nil {
		return err
	}
	p.Beta = env.Forward
	return nil
}

// provider returns the provider that env describes.
func (l *loader) provider(name, kind string, env providerEnv) workers.ProviderConfig {
	p := workers.ProviderConfig{Name: name, Kind: kind, Host: string(env.Host), Strict: env.Strict}
	p.APIKey, p.APIKeys = env.keys()
	p.RPM, p.TPM = l.perMinute(name, "RPM", env.RPM), l.perMinute(name, "TPM", env.TPM)
	if env.MaxConcurrency != nil {
		if p.MaxConcurrency = *env.MaxConcurrency; p.MaxConcurrency < 1 {
			l.problem(variable(name, "MAX_CONCURRENCY"), "%d is too small: 1 is the least; to let no call through set %s=false",
				p.MaxConcurrency, variable(name, "ACTIVE"))
		}
	}
	if env.Timeout != nil {
		if p.Timeout = *env.Timeout; p.Timeout <= 0 {
			l.problem(variable(name, "TIMEOUT"), "%v is too short: leave it out for the default", p.Timeout)
		}
	}
	if _, err := workers.Open(p); err != nil && p.Host != "" && isKind(kind) {
		l.problem(variable(name, "HOST"), "%v; write it like https://api.example.com or 127.0.0.1:11434", innermost(err))
	}
	return p
}

// keys returns the first key and the others.
func (e providerEnv) keys() (first logging.Secret, others []logging.Secret) {
	keys := e.APIKeys.keys()
	if e.APIKey != "" || len(keys) == 0 {
		return e.APIKey, keys
	}
	return keys[0], keys[1:]
}

func (e providerEnv) hasKey() bool {
	first, _ := e.keys()
	return first != ""
}

// perMinute returns a rate; zero where there is to be none.
func (l *loader) perMinute(name, key string, rate *int) int {
	if rate == nil {
		return 0
	}
	if *rate < 1 {
		l.problem(variable(name, key), "%d is too small: 1 is the least; leave it out for no limit", *rate)
	}
	return *rate
}

// baseURL is where a provider will be called, without credentials; empty for
// one that is nowhere else.
func baseURL(p workers.ProviderConfig) string {
	entry, err := workers.Describe(p)
	if err != nil {
		return ""
	}
	return entry.BaseURL
}

// checkName reports whether a name in ALLAMA_PROVIDERS can be used.
func (l *loader) checkName(name string, prefixes map[string]string) bool {
	const list = "ALLAMA_PROVIDERS"
	prefix := variable(name, "")
	switch other, taken := prefixes[prefix]; {
	case name == "":
	case !workers.ValidName(name):
		l.problem(list, "%q is not a name: use lower-case letters, digits, - and _", name)
	case isTaken(name):
		l.problem(list, "the name %q is taken: choose another, and leave out those that are built in", name)
	case other == name:
		l.problem(list, "%q is there twice", name)
	case taken:
		l.problem(list, "%q and %q share the variables %s…: rename one of them", other, name, prefix)
	default:
		prefixes[prefix] = name
		return true
	}
	return false
}

// checkNamed finds what a provider without defaults lacks.
func (l *loader) checkNamed(name string, env namedEnv) {
	kinds := strings.Join(slices.DeleteFunc(workers.Kinds(), func(kind string) bool { return kind == nameDemo }), ", ")
	v, _ := vendorOf(env.Kind)
	switch {
	case env.Kind == "":
		l.problem(variable(name, "KIND"), "is missing: set it to the API that %s offers, one of %s", name, kinds)
	case env.Kind == nameDemo || !isKind(env.Kind):
		l.problem(variable(name, "KIND"), "%q is unknown: use one of %s, or a vendor, one of %s", env.Kind, kinds, vendorNames())
	}
	if env.Rest.Host == "" && v.Host == "" {
		l.problem(variable(name, "HOST"), "is missing: set it to where %s is, such as https://api.example.com", name)
	}
}

// assume shows what stands in for a variable that is not set.
func (l *loader) assume(name, value string) {
	for i, s := range l.settings {
		if s.Name == name && s.Value == "" {
			l.settings[i].Value = value
		}
	}
}
