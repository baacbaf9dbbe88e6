// Command composecheck loads a project of Docker Compose as Compose itself does,
// for each of its profiles:
//
//	composecheck rules FILE...         prints what is not as it is to be
//	composecheck environment FILE...   prints what each service is told: SERVICE NAME=value
//
// It is a module of its own, so that allama does not depend on Compose. Of the
// environment the project gets what stands before the files as NAME=value.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func main() {
	acts := map[string]func(context.Context, []string, []string) ([]string, error){"rules": check, "environment": environment}
	if len(os.Args) < 3 || acts[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: composecheck rules|environment [NAME=value...] FILE...")
		os.Exit(2)
	}
	files, env := split(os.Args[2:])
	lines, err := acts[os.Args[1]](context.Background(), files, env)
	if err != nil {
		fmt.Fprintln(os.Stderr, "composecheck:", err)
		os.Exit(1)
	}
	for _, line := range lines {
		fmt.Println(line)
	}
}

// split tells files from variables.
func split(args []string) (files, environment []string) {
	for _, arg := range args {
		if strings.Contains(arg, "=") {
			environment = append(environment, arg)
		} else {
			files = append(files, arg)
		}
	}
	return files, environment
}

// environment returns what each service is told that is a part of allama.
func environment(ctx context.Context, files, env []string) (lines []string, err error) {
	project, err := load(ctx, files, env, "*")
	if err != nil {
		return nil, err
	}
	for name, s := range project.Services {
		if !ours(s) {
			continue
		}
		for key, value := range s.Environment {
			if value != nil {
				lines = append(lines, fmt.Sprintf("%s %s=%s", name, key, *value))
			}
		}
	}
	slices.Sort(lines)
	return lines, nil
}

// check returns what is wrong with the project, under each profile alone, under
// none and under all.
func check(ctx context.Context, files, environment []string) ([]string, error) {
	whole, err := load(ctx, files, environment, "*")
	if err != nil {
		return nil, err
	}
	sets := []string{"", "*"}
	for _, s := range whole.Services {
		sets = append(sets, s.Profiles...)
	}
	slices.Sort(sets)
	var found []string
	for _, profile := range slices.Compact(sets) {
		project, err := load(ctx, files, environment, profile)
		if err != nil {
			return nil, fmt.Errorf("profile %q: %w", profile, err)
		}
		for _, c := range complaints(project) {
			found = append(found, fmt.Sprintf("profile %q: %s", profile, c))
		}
	}
	return found, nil
}

// load returns the project with what a profile switches on.
func load(ctx context.Context, files, environment []string, profile string) (*types.Project, error) {
	options, err := cli.NewProjectOptions(files, cli.WithEnv(environment), cli.WithProfiles(strings.Fields(profile)), cli.WithConsistency(true))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(ctx)
}

// complaints returns what is wrong with the services that are switched on.
func complaints(p *types.Project) []string {
	var found []string
	for name, s := range p.Services {
		for _, why := range slices.Concat(image(s), limits(s), lifecycle(s), reach(p, s), secrets(s)) {
			found = append(found, name+": "+why)
		}
	}
	for _, name := range []string{"nats", "ingress", "sync", "worker-demo"} {
		if _, ok := p.Services[name]; !ok {
			found = append(found, name+": is not there")
		}
	}
	for _, network := range []string{"bus", "metrics"} {
		if n, ok := p.Networks[network]; ok && !n.Internal {
			found = append(found, "network "+network+": is not internal")
		}
	}
	slices.Sort(found)
	return found
}

// once reports whether a service ends by itself.
func once(s types.ServiceConfig) bool { return s.Restart == "on-failure" }
