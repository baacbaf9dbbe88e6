package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/broker"
	"github.com/offbeat-studio/allama/ingress"
	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/idem"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/metrics"
	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/shared/service"
	"github.com/offbeat-studio/allama/workers"
	"github.com/offbeat-studio/allama/workers/catalogsync"
)

// slack is how much longer a part may take to stop than the calls in it are
// given to end: it is for telling those who wait that they did not.
const slack = 10 * time.Second

// A process is what one command runs. Its methods add parts to it, in the order
// in which they are to start.
type process struct {
	cfg      *config
	log      *slog.Logger
	logs     io.Closer
	embedded *broker.Server // nil where NATS is elsewhere
	local    *bus.Local     // nil where the other end of the bus is elsewhere
	links    []link
	parts    []service.Part
	onlyDemo bool // for want of anything else
	sealer   *roster.Sealer
	roster   *roster.View // nil where nobody goes by it
	metrics  *metrics.Registry
}

// newProcess returns a process without parts.
func newProcess(cfg *config, stderr io.Writer, noColor bool) (*process, error) {
	log, logs, err := logging.New(stderr, logging.Options{
		Level: cfg.Log.Level, Format: cfg.Log.Format, Dir: cfg.Log.Dir, NoColor: noColor,
	})
	if err != nil {
		return nil, fmt.Errorf("ALLAMA_LOG_DIR: %w", err)
	}
	sealer, err := roster.NewSealer(cfg.SecretKey)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ALLAMA_SECRET_KEY: %w", err), logs.Close())
	}
	p := &process{cfg: cfg, log: log, logs: logs, sealer: sealer}
	p.metrics = p.newMetrics()
	return p, nil
}

// run runs the parts until ctx is done.
func (p *process) run(ctx context.Context) error {
	defer p.logs.Close() //nolint:errcheck // there is no log left to tell
	said := context.AfterFunc(ctx, func() { p.log.Info("stopping once the running calls have ended; a second signal ends it at once") })
	defer said()
	return service.Run(ctx, p.log, p.parts...)
}

// discard ends a process that was not completed.
func (p *process) discard() error {
	defer p.logs.Close() //nolint:errcheck // there is no log left to tell
	for _, l := range p.links {
		l.nc.Close()
	}
	if p.embedded == nil {
		return nil
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	return p.embedded.Run(ended) // shuts down what runs already
}

func (p *process) add(name string, s service.Service, grace time.Duration) {
	p.parts = append(p.parts, service.Part{Name: name, Service: s, Grace: grace})
}

// addServer adds the embedded NATS server.
func (p *process) addServer(listen, store string) error {
	cfg := broker.Config{Listen: listen, Token: p.cfg.Bus.Token, Cluster: p.cfg.Bus.cluster()}
	if store == storeFile {
		cfg.StoreDir = filepath.Join(p.cfg.DataDir, "nats")
	}
	server, err := broker.Start(cfg, p.log)
	if err != nil {
		return fmt.Errorf("%w; check ALLAMA_NATS_LISTEN (%s) and ALLAMA_DATA_DIR (%s)", err, cmp.Or(listen, "not set"), p.cfg.DataDir)
	}
	p.embedded = server
	p.add("nats", server, slack)
	return nil
}

// addConfigured adds an embedded NATS server that goes by a configuration file.
func (p *process) addConfigured(file string) error {
	server, err := broker.Start(broker.Config{File: file}, p.log)
	if err != nil {
		return err
	}
	p.embedded = server
	p.add("nats", server, slack)
	p.add("reload", hangup{func() {
		if err := server.Reload(); err != nil {
			p.log.Error("SIGHUP: all stays as it is", slog.Any(logging.KeyError, err))
			return
		}
		p.log.Info("SIGHUP: NATS has read its configuration again", slog.String("file", file))
	}}, 0)
	p.log.Info("NATS runs", slog.String("by", file))
	return nil
}

// addTopology adds what keeps the streams, consumers and buckets. It does so
// for providers that are not active, too: to run NATS nobody needs to know
// which workers have a key.
func (p *process) addTopology(t broker.Topology) error {
	for _, provider := range p.cfg.Known {
		t.Providers = append(t.Providers, broker.Provider{Name: provider.Name, MaxConcurrency: provider.MaxConcurrency})
	}
	link, js, err := p.connect("broker")
	if err != nil {
		return err
	}
	if err := p.addRoster(); err != nil {
		return err
	}
	keeper := broker.NewKeeper(js, t, p.log)
	keeper.Follow(p.roster)
	keeper.Meter(p.metrics)
	p.add("broker", connected{keeper, link}, slack)
	return nil
}

// drain is how long running calls may go on when the process is to stop.
func (p *process) drain() time.Duration { return cmp.Or(p.cfg.Ingress.DrainTimeout, 30*time.Second) }

// addSync adds what keeps the catalog: of the providers that are active here, and
// of all that workers tell of, which it remembers where workers are elsewhere.
func (p *process) addSync() error {
	var sources []catalogsync.Source
	for _, provider := range p.cfg.Providers {
		entry, err := workers.Describe(provider)
		if err != nil {
			return err
		}
		sources = append(sources, catalogsync.Source{
			Provider: entry, Optional: provider.Name == nameOllama && p.cfg.OllamaUnasked,
		})
	}
	link, js, err := p.connect("sync")
	if err != nil {
		return err
	}
	sync := catalogsync.New(js, sources, catalogsync.Options{
		Database: p.cfg.DatabasePath, Interval: p.cfg.SyncInterval, Logger: p.log,
		Defined: p.defined(), Ignored: p.cfg.Off, Remember: p.local == nil, Metrics: metrics.NewListings(p.metrics),
	})
	p.add("sync", connected{sync, link}, slack)
	rules := p.addRules(sync)
	p.add("signals", hangup{func() {
		p.log.Info("SIGHUP: reading the rules and listing the models of all providers")
		rules.Reload()
		sync.Trigger()
	}}, 0)
	return nil
}

// addRules puts the rules in force, and adds what follows their file.
func (p *process) addRules(sync *catalogsync.Sync) *ruleFollower {
	book := p.cfg.Rules
	follower := newRuleFollower(book, p.cfg.providerNames(), p.log, sync.SetRules)
	if book.text != nil {
		sync.SetRules(book.rules)
		sayRules(follower.log, book.rules, book.warnings)
	}
	if book.path != "" {
		p.add("rules", follower, 0)
	}
	return follower
}

// addWorkers adds what performs the calls of the providers, and of those that
// are defined at run time.
func (p *process) addWorkers(providers []workers.ProviderConfig, defined workers.Defined) error {
	link, _, err := p.connect("worker")
	if err != nil {
		return err
	}
	drain := p.drain()
	w, err := workers.New(link.nc, workers.Config{
		Providers: providers, Concurrency: p.cfg.WorkerConcurrency,
		Local: p.local, Logger: p.log, Drain: drain, Defined: defined, Metrics: p.metrics,
	})
	if err != nil {
		return err
	}
	p.add("workers", connected{w, link}, drain+slack)
	return nil
}

// addIngress adds what serves clients.
func (p *process) addIngress() error {
	link, js, err := p.connect("ingress")
	if err != nil {
		return err
	}
	owner, err := bus.NewOwner(link.nc, bus.OwnerOptions{Local: p.local, Logger: p.log})
	if err != nil {
		return err
	}
	view := catalog.NewView(js, p.log)
	server, err := ingress.New(p.cfg.Ingress, ingress.Parts{
		Owner: owner, Catalog: view, Logger: p.log, Providers: p.managed(link.nc), Calls: idem.NewBook(js, idem.Options{}), Metrics: p.metrics,
	})
	if err != nil {
		return err
	}
	p.add("owner", connected{owner, link}, slack)
	// Not to wait for the catalog: until it is there, the server itself says
	// that it is not ready.
	p.add("catalog", struct{ service.Service }{view}, slack)
	p.add("ingress", server, p.cfg.Ingress.DrainDelay+p.drain()+slack)
	p.add("address", note{view.Ready(), func() {
		p.onlyDemo = p.onlyDemo && len(view.Index().Providers()) <= len(p.cfg.Providers) // or some are defined at run time
		p.sayReady(server.Addr())
	}}, 0)
	return nil
}

// connect connects a part to NATS, wherever that is.
func (p *process) connect(name string) (link, jetstream.JetStream, error) {
	b := p.cfg.Bus
	l := link{log: p.log}
	var more []nats.Option
	switch {
	case p.embedded != nil:
		more = append(more, p.embedded.InProcess())
	case len(p.links) == 0: // one that says where NATS is will do
		l.server = cmp.Or(b.URL, nats.DefaultURL).String()
	}
	var err error
	l.nc, err = bus.Connect(bus.Server{
		URL: string(b.URL), Credentials: b.Creds, CA: b.CA, Cert: b.Cert, Key: b.Key,
	}, name, p.log, more...)
	if err != nil {
		return link{}, nil, err
	}
	p.links = append(p.links, l)
	js, err := jetstream.New(l.nc)
	if err != nil {
		return link{}, nil, fmt.Errorf("open JetStream: %w", err)
	}
	return l, js, nil
}
