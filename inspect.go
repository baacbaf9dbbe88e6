package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v3"
)

// version prints the version.
func (p program) version(context.Context, *cli.Command) error {
	_, err := fmt.Fprintf(p.stdout, "allama %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// stamp is the version where the linker was told one: a build outside of the
// repository has no other.
var stamp string

// version returns the version that the Go command gave the program: a tag, or
// a time and a commit.
func version() string {
	if stamp != "" {
		return stamp
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	return cmp.Or(info.Main.Version, "(devel)")
}

// config prints the configuration.
func (p program) config(ctx context.Context, c *cli.Command) error {
	p.rules = true
	_, settings, err := p.load(ctx)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		out := json.NewEncoder(p.stdout)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		return out.Encode(settings)
	}
	return printSettings(p.stdout, settings)
}

// check says whether the configuration can be used, and what of it may not be
// meant.
func (p program) check(ctx context.Context, _ *cli.Command) error {
	p.rules = true
	cfg, _, err := p.load(ctx)
	if err != nil {
		return err
	}
	for _, warning := range cfg.Rules.warnings {
		if _, err := fmt.Fprintln(p.stdout, "warning:", warning); err != nil {
			return err
		}
	}
	rules := "there is no " + rulesFile
	if cfg.Rules.text != nil {
		rules = "with the rules of " + cfg.Rules.path
	}
	_, err = fmt.Fprintf(p.stdout, "the configuration can be used; %s\n", rules)
	return err
}

// printSettings prints a line for each setting, in the form of a .env file.
func printSettings(w io.Writer, settings []setting) error {
	for _, s := range settings {
		source := s.Source
		if s.Value == "" {
			source = "not set"
		}
		if _, err := fmt.Fprintf(w, "%s=%s  # %s\n", s.Name, s.Value, source); err != nil {
			return err
		}
	}
	return nil
}
