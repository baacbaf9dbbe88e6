// Command bench measures what allama costs: processor time, memory and delay,
// against a plain reverse proxy in the same run.
//
// It runs a scripted upstream, the reverse proxy and allama as processes on this
// machine, and sends them the same load in turn, round after round, so that a
// change of the machine falls on all alike. What counts are the ratios to the
// proxy: times of a shared machine mean little by themselves. Every answer is
// read to its end and checked; one that is not whole fails the run.
//
// Processor time and memory come from Linux' /proc and process clocks.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"time"
)

// options are what the command line says.
type options struct {
	allama string         // the program under test
	rounds int            // of each scenario
	length time.Duration  // of a run with a steady load
	only   *regexp.Regexp // the names of the scenarios to run
	split  bool           // run the parts of allama as processes, too
	growth bool           // measure growths in place of scenarios
	json   bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run does what the arguments say. The first one may name a part that the
// command itself runs as a process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 3 {
		switch args[0] {
		case "upstream":
			return serveUpstream(ctx, args[1])
		case "proxy":
			return serveProxy(ctx, args[1], args[2])
		}
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("processor time and memory of processes can only be read on Linux, not on %s", runtime.GOOS)
	}
	b, err := open(ctx, o, stderr)
	if err == nil {
		err = b.report(ctx, stdout)
	}
	return errors.Join(err, b.close())
}

// report measures, and writes what comes of it.
func (b *bench) report(ctx context.Context, out io.Writer) error {
	if b.growth {
		stages, err := b.grow(ctx)
		if err != nil {
			return err
		}
		return write(out, stages, b.json, writeGrowth)
	}
	samples, err := b.measure(ctx)
	if err != nil {
		return err
	}
	return write(out, samples, b.json, writeTable)
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.allama, "allama", "./allama", "the program to measure; empty: only the proxy")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each scenario is run")
	flags.DurationVar(&o.length, "length", 3*time.Second, "how long a steady load lasts")
	only := flags.String("only", "", "a regular expression for the names of the scenarios to run")
	flags.BoolVar(&o.split, "split", false, "measure the parts as processes of their own, too")
	flags.BoolVar(&o.growth, "growth", false, "measure how the figures change as there is more of something; -only then names that")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	o.only, err = regexp.Compile(*only)
	return o, err
}
