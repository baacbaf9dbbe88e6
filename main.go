// Command allama is a gateway for language models: clients speak the dialect of
// OpenAI, Anthropic or Ollama, and so do the upstreams behind it.
//
// This package only puts the parts together: package broker, ingress and
// workers do the work.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"

	"github.com/offbeat-studio/allama/shared/heap"
)

// Exit codes.
const (
	exitOK    = 0
	exitError = 1 // it could not do, or go on with, what it was told to
	exitUsage = 2 // it was told something that cannot be: flags, configuration
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal kills
	if os.Getenv("GOGC") == "" { // who sets it knows better
		heap.Adapt()
	}
	code := run(ctx, program{environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, os.Args...)
	stop()
	os.Exit(code)
}

// run runs a command line; it returns the exit code.
func run(ctx context.Context, p program, args ...string) int {
	err := newCommand(p).Run(ctx, args)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(p.stderr, "allama:", err)
	if _, ok := errors.AsType[configError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[cli.ExitCoder](err); ok { // there is no help on that
		return exitUsage
	}
	if usage, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(p.stderr, "Run \"%s --help\" to see what there is.\n", usage.command)
		return exitUsage
	}
	return exitError
}
