package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/offbeat-studio/allama/shared/logging"
)

const (
	queuePath = "/api/v1/queue"
	callsPath = "/api/v1/calls"

	stateOpen = "open"
)

// queueCommand shows what waits and runs at a gateway that runs, and steers it.
func (p program) queueCommand() *cli.Command {
	steer := func(name, path, usage string) *cli.Command {
		return &cli.Command{Name: name, Usage: usage, ArgsUsage: "NAME", ArgValidator: oneName, Action: func(ctx context.Context, c *cli.Command) error {
			return p.steer(ctx, c, path)
		}}
	}
	return &cli.Command{
		Name: "queue", Usage: "show which calls wait and run at an allama that runs, and steer them", Action: p.queue,
		Flags: append(remoteFlags(),
			&cli.BoolFlag{Name: "calls", Usage: "show each call, too"},
			&cli.BoolFlag{Name: "once", Usage: "print it once, also on a terminal"},
		),
		Commands: []*cli.Command{
			steer("pause", "/pause", "have the calls for a provider wait"),
			steer("resume", "/resume", "have the calls for a provider be made again"),
			steer("drain", "/drain", "take no new calls for a provider; those that are there go on"),
			{Name: "cancel", Usage: "cancel a call, wherever it is", ArgsUsage: "ID", ArgValidator: oneCall, Action: p.cancelCall},
		},
	}
}

// oneCall takes the id of a call as the only argument.
func oneCall(_ context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 || c.Args().First() == "" {
		return usageError{c.FullName(), errors.New("cancel takes one argument, the id of a call")}
	}
	return nil
}

// queue shows the queue, again and again where somebody looks at it.
func (p program) queue(ctx context.Context, c *cli.Command) error {
	if c.Args().Present() {
		return usageError{c.FullName(), fmt.Errorf("queue takes no argument: %q", c.Args().First())}
	}
	if c.Bool("json") {
		var answer json.RawMessage
		if err := p.fetch(ctx, c, http.MethodGet, queuePath, nil, &answer); err != nil {
			return err
		}
		return printJSON(p.stdout, answer)
	}
	draw := func() (string, error) {
		var q shownQueue
		if err := p.fetch(ctx, c, http.MethodGet, queuePath, nil, &q); err != nil {
			return "", err
		}
		var out strings.Builder
		err := q.print(&out, c.Bool("calls"))
		return out.String(), err
	}
	if c.Bool("once") || !logging.IsTerminal(p.stdout) {
		text, err := draw()
		if err == nil {
			_, err = fmt.Fprint(p.stdout, text)
		}
		return err
	}
	return watch(ctx, p.stdout, heightOf(p.stdout), draw)
}

// steer sets what becomes of the calls for a provider.
func (p program) steer(ctx context.Context, c *cli.Command, path string) error {
	var answer json.RawMessage
	if err := p.fetch(ctx, c, http.MethodPost, pathOf(c)+path, nil, &answer); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(p.stdout, answer)
	}
	var now shownProvider
	if err := json.Unmarshal(answer, &now); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	_, err := fmt.Fprintf(p.stdout, "provider %s is %s\n", now.Name, now.State)
	return err
}

func (p program) cancelCall(ctx context.Context, c *cli.Command) error {
	var answer json.RawMessage
	id := c.Args().First()
	if err := p.fetch(ctx, c, http.MethodDelete, callsPath+"/"+url.PathEscape(id), nil, &answer); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(p.stdout, answer)
	}
	_, err := fmt.Fprintf(p.stdout, "call %s is canceled\n", id)
	return err
}
