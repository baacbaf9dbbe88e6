package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/offbeat-studio/allama/broker"
)

const bootstrapDescription = `NATS then knows the parts of allama apart, and lets each do no more than what is
its own. For each there is a folder with a key, nats.nk: give that, and nothing
else, to the part, and set NATS_CREDS to its path. The folder broker is for
"allama broker --config FOLDER/broker/nats.conf", or for any other NATS server,
which "allama broker" then has to set up. A worker of one provider uses the folder
worker-NAME, one of several or of those that are defined at run time the folder
worker.

Keys that are there already stay as they are. For a provider that is new it is
run again; the server lets it in once it has got a SIGHUP.`

// bootstrapCommand makes what has to be there before the parts of a stack start.
func (p program) bootstrapCommand() *cli.Command {
	return &cli.Command{
		Name: "bootstrap", Usage: "make a key for NATS for each part of allama, and exit", Description: bootstrapDescription, Action: p.bootstrap,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "credentials", Usage: "the `FOLDER` to write to", Value: "nats"},
			&cli.BoolFlag{Name: "rotate", Usage: "replace all keys: restart everything then"},
			&cli.StringFlag{Name: "listen", Usage: "where the server is to listen", Value: defaultListen},
			&cli.StringFlag{Name: "store", Usage: "the `FOLDER` of the server's streams", Value: "data/nats"},
			&cli.StringFlag{Name: "monitor", Usage: "where the server is to offer NATS' monitoring by HTTP (default: nowhere)"},
		},
	}
}

func (p program) bootstrap(ctx context.Context, c *cli.Command) error {
	cfg, _, err := p.load(ctx)
	if err != nil {
		return err
	}
	credentials := broker.Credentials{
		Dir:    c.String("credentials"),
		Server: broker.ServerFile{Listen: c.String("listen"), StoreDir: c.String("store"), Monitor: c.String("monitor")},
	}
	for _, provider := range cfg.Known {
		credentials.Providers = append(credentials.Providers, provider.Name)
	}
	made, err := credentials.Write(c.Bool("rotate"))
	if err != nil {
		return fmt.Errorf("%w; check --credentials (%s) and that this user may write there", err, credentials.Dir)
	}
	_, err = fmt.Fprintf(p.stdout, "new keys in %s: %s\n", credentials.Dir, cmp.Or(strings.Join(made, ", "), "none; all were there"))
	return err
}
