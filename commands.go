package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v3"
)

// A program is what the commands get from the world.
type program struct {
	dir            string // where .env is; empty: the working directory
	environ        []string
	stdin          io.Reader // nil: there is none
	stdout, stderr io.Writer
	rules          bool // the command goes by the file of rules
}

// A usageError is a command line that cannot be understood.
type usageError struct {
	command string // whose help helps
	err     error
}

func (e usageError) Error() string { return e.err.Error() }

const description = `allama answers clients of OpenAI, Anthropic and Ollama on one address and serves
them from any of the three. Without a command it does what serve does.

It is configured by environment variables, which a file .env in the working
directory can set too; "allama config" prints them. Aliases of models, and which
models there are for clients, are said in allama.yaml.`

// newCommand returns the command line of the program.
func newCommand(p program) *cli.Command {
	root := &cli.Command{
		Name:           "allama",
		Usage:          "one gateway for the models of many providers",
		Description:    description,
		Writer:         p.stdout,
		ErrWriter:      p.stderr,
		Version:        version(),
		Action:         p.serve,
		ArgValidator:   noArguments,
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // run looks after errors
		Commands: []*cli.Command{
			{Name: "serve", Usage: "run everything in one process (default)", Action: p.serve},
			{Name: "ingress", Usage: "serve clients: HTTP in, bus out", Action: p.ingress},
			{
				Name: "worker", Usage: "perform calls: bus in, upstream out", Action: p.worker,
				Flags: []cli.Flag{&cli.StringSliceFlag{Name: "provider", Usage: "serve only this `NAME`, repeatable (default: all that are active)"}},
			},
			{Name: "sync", Usage: "keep the catalog of models", Action: p.sync},
			{
				Name: "broker", Usage: "run NATS, or with NATS_URL only set it up", Action: p.broker,
				Flags: []cli.Flag{&cli.StringFlag{Name: "config", Usage: "run it by this NATS configuration `FILE`, such as \"allama bootstrap\" makes"}},
			},
			p.bootstrapCommand(),
			{
				Name: "config", Usage: "print the configuration that is in force, without secrets", Action: p.config,
				Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
			},
			p.modelsCommand(),
			p.providersCommand(),
			p.queueCommand(),
			p.healthCommand(),
			{Name: "check", Usage: "check the configuration, without starting anything", Action: p.check},
			{Name: "version", Usage: "print the version", Action: p.version},
		},
	}
	explainUsage(root)
	return root
}

// explainUsage has errors of a command, and of those below it, name the command
// whose help helps.
func explainUsage(c *cli.Command) {
	c.OnUsageError = func(_ context.Context, c *cli.Command, err error, _ bool) error {
		return usageError{c.FullName(), err}
	}
	for _, below := range c.Commands {
		explainUsage(below)
	}
}

// noArguments refuses arguments: the only ones that there are name commands.
func noArguments(_ context.Context, c *cli.Command) error {
	if !c.Args().Present() || c.Name == "help" {
		return nil
	}
	arg := c.Args().First()
	if c != c.Root() {
		return usageError{c.FullName(), fmt.Errorf("%s takes no argument: %q", c.Name, arg)}
	}
	err := fmt.Errorf("there is no command %q", arg)
	var names []string
	for _, known := range c.Commands {
		names = append(names, known.Name)
	}
	if near := nearest(arg, names); near != "" {
		err = fmt.Errorf("there is no command %q; did you mean %q?", arg, near)
	}
	return usageError{c.FullName(), err}
}

// load reads the configuration.
func (p program) load(ctx context.Context) (*config, []setting, error) {
	env, err := readEnvironment(p.dir, p.environ)
	if err != nil {
		return nil, nil, err
	}
	if p.rules {
		env.rules = filepath.Join(p.dir, rulesFile)
	}
	return load(ctx, env)
}
