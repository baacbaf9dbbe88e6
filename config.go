package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"

	"github.com/offbeat-studio/allama/ingress"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/workers"
)

// A config is everything that is set from outside, for all commands together.
type config struct {
	Ingress ingress.Config

	DatabasePath string        `env:"DATABASE_PATH, default=./allama.db"`
	SyncInterval time.Duration `env:"ALLAMA_SYNC_INTERVAL, default=5m"`

	WorkerConcurrency int `env:"ALLAMA_WORKER_CONCURRENCY"` // calls of a provider that one process performs at once; 0: all that there may be

	Bus    busConfig
	Log    logConfig
	Remote remoteConfig

	SecretKey logging.Secret `env:"ALLAMA_SECRET_KEY"` // seals the keys of providers that are defined at run time

	DataDir       string   `env:"ALLAMA_DATA_DIR, default=./data"`
	Demo          *bool    `env:"IS_DEMO_ACTIVE"`
	ProviderNames []string `env:"ALLAMA_PROVIDERS"`

	providerList

	RulesFile string   `env:"ALLAMA_CONFIG_FILE"`
	Rules     ruleBook // for commands that go by it
}

// A providerList is what is said of providers.
type providerList struct {
	Known     []workers.ProviderConfig // all that have a name
	Providers []workers.ProviderConfig // those that are active

	OllamaUnasked bool     // Ollama is active only because nothing is said of it
	Off           []string // providers that are said not to be active
}

// A busConfig says where NATS is, or how to run it.
type busConfig struct {
	URL    busURL         `env:"NATS_URL"`
	Creds  string         `env:"NATS_CREDS"`
	CA     string         `env:"NATS_CA"`
	Cert   string         `env:"NATS_CERT"`
	Key    string         `env:"NATS_KEY"`
	Listen string         `env:"ALLAMA_NATS_LISTEN"`
	Token  logging.Secret `env:"ALLAMA_NATS_TOKEN"`
	Store  string         `env:"ALLAMA_NATS_STORE"`

	Cluster  clusterConfig
	Shards   int `env:"ALLAMA_NATS_SHARDS"`   // 0: one, or one for each server of a cluster of our own
	Replicas int `env:"ALLAMA_NATS_REPLICAS"` // 0: three where there are as many shards, or what there is
}

// A clusterConfig makes the NATS server that we run one of several.
type clusterConfig struct {
	Name   string `env:"ALLAMA_NATS_NAME"`
	Listen string `env:"ALLAMA_NATS_CLUSTER_LISTEN"`
	Routes busURL `env:"ALLAMA_NATS_ROUTES"`
}

type logConfig struct {
	Level  slog.Level     `env:"ALLAMA_LOG_LEVEL, default=info"`
	Format logging.Format `env:"ALLAMA_LOG_FORMAT, default=auto"`
	Dir    string         `env:"ALLAMA_LOG_DIR"`
}

// A setting is a variable with the value that is in force, fit to be shown.
type setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// A configError lists everything that is wrong with the configuration.
type configError []string

func (e configError) Error() string {
	return "the configuration cannot be used:\n  " + strings.Join(e, "\n  ")
}

// load reads the configuration and checks it. Its error is a [configError]
// unless the program itself is at fault.
func load(ctx context.Context, env environment) (*config, []setting, error) {
	l := loader{env: env, known: map[string]bool{}}
	c := &config{}
	if err := l.fill(ctx, c, func(name string) string { return name }); err != nil {
		return nil, nil, err
	}
	if err := l.providers(ctx, c); err != nil {
		return nil, nil, err
	}
	l.check(c)
	inFile := l.readRules(c)
	if slices.Sort(l.problems); len(l.problems)+len(inFile) > 0 {
		return nil, nil, append(l.problems, inFile...)
	}
	return c, l.settings, nil
}

// A loader reads structs from an environment and remembers what it found.
type loader struct {
	env      environment
	known    map[string]bool // the names of all variables there are
	settings []setting
	problems configError
}

func (l *loader) problem(name, format string, args ...any) {
	l.problems = append(l.problems, name+": "+fmt.Sprintf(format, args...))
}

// fill reads the variables of target. A value that cannot be used is a problem
// and otherwise as good as unset, so that all of them are found at once.
func (l *loader) fill(ctx context.Context, target any, rename func(string) string) error {
	fields := fieldsOf(target, rename)
	values, sources := l.values(fields)
	var asked string
	lookuper := envconfig.LookuperFunc(func(name string) (string, bool) {
		asked = rename(name)
		value, ok := values[asked]
		return value, ok
	})
	for {
		err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: target, Lookuper: lookuper, DefaultNoInit: true})
		if err == nil {
			break
		}
		value, ok := values[asked]
		if !ok {
			return fmt.Errorf("read the configuration: %w", err) // a tag is wrong
		}
		delete(values, asked)
		l.unreadable(fields, asked, value, err)
	}
	for _, f := range fields {
		l.settings = append(l.settings, setting{f.name, f.String(), sources[f.name]})
	}
	return nil
}

// values looks the fields up.
func (l *loader) values(fields []field) (values, sources map[string]string) {
	values, sources = map[string]string{}, map[string]string{}
	for _, f := range fields {
		l.known[f.name] = true
	}
	for _, f := range fields {
		value, source := l.env.lookup(f.name)
		if f.secret() && !l.known[f.name+fileSuffix] {
			l.known[f.name+fileSuffix] = true
			var err error
			if value, source, err = l.env.secret(f.name, f.reader()); err != nil {
				l.problem(f.name+fileSuffix, "%v", err)
				continue
			}
		}
		if value != "" {
			values[f.name] = value
		}
		sources[f.name] = source
	}
	return values, sources
}

// unreadable reports a value that is not of its field's type, and undoes what
// was made of it.
func (l *loader) unreadable(fields []field, name, value string, err error) {
	f := fields[slices.IndexFunc(fields, func(f field) bool { return f.name == name })]
	f.value.SetZero()
	switch {
	case f.secret():
		l.problem(name, "has a value that cannot be used")
	case f.expected() != "":
		l.problem(name, "%q is not %s", value, f.expected())
	default:
		l.problem(name, "%q: %v", value, innermost(err))
	}
}

func innermost(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

// knownNames returns the names of all variables, sorted.
func (l *loader) knownNames() []string { return slices.Sorted(maps.Keys(l.known)) }
