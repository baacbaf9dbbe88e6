package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/workers"
)

// defaultListen is where `allama broker` listens.
const defaultListen = "127.0.0.1:4222"

// serve runs everything. With NATS_URL that server carries the calls, too;
// nothing else changes.
func (p program) serve(ctx context.Context, _ *cli.Command) error {
	p.rules = true
	return p.start(ctx, func(ctx context.Context, all *process) error {
		all.onlyDemo = all.cfg.decideDemo(ctx)
		all.sayProviders(ctx)
		all.local = &bus.Local{}
		topology := all.cfg.Bus.topology()
		if b := all.cfg.Bus; b.URL == "" {
			store := cmp.Or(b.Store, storeMemory)
			topology.Memory, topology.MemoryJobs, topology.Alone = store == storeMemory, true, b.Listen == ""
			if err := all.addServer(b.Listen, store); err != nil {
				return err
			}
		}
		return errors.Join(all.addTopology(topology), all.addSync(), all.addWorkers(all.cfg.Providers, all.definedFor(nil)), all.addIngress())
	})
}

// ingress runs what clients speak to.
func (p program) ingress(ctx context.Context, _ *cli.Command) error {
	return p.start(ctx, func(_ context.Context, part *process) error { return part.addIngress() })
}

// worker runs what speaks to providers.
func (p program) worker(ctx context.Context, c *cli.Command) error {
	wanted := c.StringSlice("provider")
	return p.start(ctx, func(ctx context.Context, part *process) error {
		providers, err := part.cfg.choose(wanted)
		if err != nil {
			return usageError{c.FullName(), err}
		}
		if len(providers) == 0 && len(wanted) == 0 && part.cfg.SecretKey == "" {
			return errors.New("no provider is active: set a key, such as OPENAI_API_KEY, or IS_OLLAMA_ACTIVE=true; " +
				"or ALLAMA_SECRET_KEY, to serve providers that are defined at run time")
		}
		part.cfg.Providers = providers
		part.sayProviders(ctx)
		part.sayAwaited(wanted)
		return errors.Join(part.addRoster(), part.addWorkers(providers, part.definedFor(wanted)))
	})
}

// sync runs what keeps the catalog.
func (p program) sync(ctx context.Context, _ *cli.Command) error {
	p.rules = true
	return p.start(ctx, func(_ context.Context, part *process) error {
		// An Ollama of which nothing is said is none, unless a worker has one.
		part.cfg.Providers = slices.DeleteFunc(part.cfg.Providers, func(p workers.ProviderConfig) bool {
			return p.Name == nameOllama && part.cfg.OllamaUnasked
		})
		return part.addSync()
	})
}

// broker runs NATS, or sets up the one that runs elsewhere.
func (p program) broker(ctx context.Context, c *cli.Command) error {
	file := c.String("config")
	return p.start(ctx, func(_ context.Context, part *process) error {
		topology := part.cfg.Bus.topology()
		switch b := part.cfg.Bus; {
		case file != "" && (b.URL != "" || b.Listen != "" || b.Store != "" || b.Token != "" || b.isOneOfSeveral()):
			return usageError{c.FullName(), errors.New("--config says how NATS is to be run: leave out NATS_URL, ALLAMA_NATS_LISTEN, ALLAMA_NATS_STORE, " +
				"ALLAMA_NATS_TOKEN, ALLAMA_NATS_NAME, ALLAMA_NATS_CLUSTER_LISTEN and ALLAMA_NATS_ROUTES")}
		case file != "":
			if err := part.addConfigured(file); err != nil {
				return err
			}
		case b.URL == "":
			listen, store := cmp.Or(b.Listen, defaultListen), cmp.Or(b.Store, storeFile)
			topology.Memory = store == storeMemory
			if err := part.addServer(listen, store); err != nil {
				return err
			}
			part.log.Info("NATS listens", slog.String("address", listen), slog.String("store", store), slog.Int("servers", b.cluster().Servers()))
		}
		if err := part.addTopology(topology); err != nil {
			return err
		}
		part.add("ready", note{say: func() { part.log.Info("ready; streams and buckets are set up") }}, 0)
		return nil
	})
}

// start reads the configuration, has a process built by it, and runs that.
func (p program) start(ctx context.Context, build func(context.Context, *process) error) error {
	cfg, _, err := p.load(ctx)
	if err != nil {
		return err
	}
	proc, err := newProcess(cfg, p.stderr, slices.ContainsFunc(p.environ, isNoColor))
	if err != nil {
		return err
	}
	if err = build(ctx, proc); err == nil {
		err = proc.addHealth(ctx)
	}
	if err != nil {
		return errors.Join(err, proc.discard())
	}
	return proc.run(ctx)
}

// isNoColor reports whether a line of the environment asks for no colours.
func isNoColor(line string) bool {
	value, ok := strings.CutPrefix(line, "NO_COLOR=")
	return ok && value != ""
}

// choose returns the named ones among the active providers, or all. What the
// environment does not know may be defined at run time.
func (c *config) choose(names []string) ([]workers.ProviderConfig, error) {
	if len(names) == 0 {
		return c.Providers, nil
	}
	var chosen []workers.ProviderConfig
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		i := slices.IndexFunc(c.Providers, func(p workers.ProviderConfig) bool { return p.Name == name })
		if i < 0 && !c.isKnown(name) && checkDefinedName(name) == nil {
			continue
		}
		if i < 0 {
			var active []string
			for _, p := range c.Providers {
				active = append(active, p.Name)
			}
			return nil, fmt.Errorf("there is no active provider %q; active are: %s", name, cmp.Or(strings.Join(active, ", "), "none"))
		}
		chosen = append(chosen, c.Providers[i])
	}
	return chosen, nil
}
