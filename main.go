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
	"io"
	"os"
	"os/signal"
	"syscall"
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
	code := run(ctx, os.Args, os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program; it returns its exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	err := newCommand(program{environ: environ, stdout: stdout, stderr: stderr}).Run(ctx, args)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "allama:", err)
	if _, ok := errors.AsType[configError](err); ok {
		return exitUsage
	}
	if usage, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(stderr, "Run \"%s --help\" to see what there is.\n", usage.command)
		return exitUsage
	}
	return exitError
}
