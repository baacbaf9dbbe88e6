package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const projectPath = "github.com/offbeat-studio/allama"

// arrows says which packages of the project a package may import. The entry
// with the longest path that fits counts; one that ends in /* is for each folder
// right below. A name ending in /... stands for everything below it too. What helps tests, packages called somethingtest,
// may import what it likes but is imported by nobody but tests.
var arrows = map[string][]string{
	"bench": nil,
	"main":  {"broker", "ingress", "workers", "workers/catalogsync", "workers/catalogsync/sqlite", "shared/..."},

	"broker":              {"shared/bus", "shared/logging", "shared/metrics", "shared/roster", "shared/service"},
	"ingress":             {"ingress/...", "shared/..."},
	"workers":             {"workers/...", "shared/..."},
	"workers/*":           {"workers/upstream", "shared/..."}, // kinds of provider do not know one another
	"workers/upstream":    {"shared/..."},
	"workers/catalogsync": {"workers/catalogsync/sqlite", "shared/..."},

	"workers/catalogsync/sqlite": {"shared/catalog", "shared/llm", "shared/roster"},

	"shared/llm":      {"shared/rawjson"},
	"shared/frame":    nil,
	"shared/rawjson":  nil,
	"shared/rawform":  nil,
	"shared/logging":  nil,
	"shared/metrics":  nil,
	"shared/service":  {"shared/logging"},
	"shared/dialect":  {"shared/llm", "shared/frame", "shared/rawjson", "shared/catalog"},
	"shared/bus":      {"shared/llm", "shared/logging", "shared/scratch"},
	"shared/catalog":  {"shared/bus", "shared/llm", "shared/logging"},
	"shared/idem":     {"shared/bus"},
	"shared/queue":    {"shared/llm"},
	"shared/pace":     nil,
	"shared/heap":     nil,
	"shared/scratch":  nil,
	"shared/failover": {"shared/llm"},
	"shared/lists":    {"shared/bus", "shared/catalog", "shared/llm", "shared/roster"},
	"shared/roster":   {"shared/bus", "shared/llm", "shared/logging"},

	// Nor do dialects.
	"shared/dialect/*": {"shared/dialect", "shared/llm", "shared/frame", "shared/rawjson", "shared/catalog"},
}

// only says who alone may import a module from outside.
var only = map[string][]string{
	"github.com/mattn/go-sqlite3":               {"workers/catalogsync/sqlite"},
	"github.com/nats-io/nats-server/v2":         {"broker"},
	"github.com/gorilla/mux":                    {"ingress"},
	"github.com/prometheus/client_golang":       {"shared/metrics"},
	"github.com/urfave/cli/v3":                  {"main"},
	"github.com/joho/godotenv":                  {"main"},
	"github.com/sethvargo/go-envconfig":         {"main"},
	"go.yaml.in/yaml/v4":                        {"main"},
	"github.com/openai/openai-go/v3":            nil,
	"github.com/anthropics/anthropic-sdk-go/v2": nil,
	"github.com/ollama/ollama":                  nil,
	"github.com/stretchr/testify":               nil,
}

// A listed is what `go list` says of a package.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

// name is the package's path inside of the project, main for the root.
func (p listed) name() string {
	if p.ImportPath == projectPath {
		return "main"
	}
	return strings.TrimPrefix(p.ImportPath, projectPath+"/")
}

func TestArrowsPointDownwards(t *testing.T) {
	packages := goList(t, "work")
	if len(packages) < 5 {
		t.Fatalf("go list found %d packages, want those of five modules", len(packages))
	}
	for _, p := range packages {
		if isForTests(p.name()) {
			continue
		}
		targets, ok := allowed(p.name())
		if !ok {
			t.Errorf("%s has no entry in arrows: say what it may import", p.name())
			continue
		}
		for _, imported := range p.Imports {
			inner, ours := strings.CutPrefix(imported, projectPath+"/")
			if ours && (isForTests(inner) || !slices.ContainsFunc(targets, func(t string) bool { return fits(t, inner) })) {
				t.Errorf("%s imports %s, which is not below it", p.name(), inner)
			}
		}
	}
}

func TestModulesFromOutsideHaveOneImporter(t *testing.T) {
	for _, p := range goList(t, "work") {
		if isForTests(p.name()) {
			continue
		}
		for module, importers := range only {
			if slices.ContainsFunc(p.Imports, below(module)) && !slices.Contains(importers, p.name()) {
				t.Errorf("%s imports %s, which is for %v alone", p.name(), module, importers)
			}
		}
	}
}

func TestCanonicalLanguageNeedsTheStandardLibraryOnly(t *testing.T) {
	for _, p := range goList(t, "-deps", "./shared/llm", "./shared/frame", "./shared/rawjson") {
		if !p.Standard && path.Dir(p.ImportPath) != projectPath+"/shared" {
			t.Errorf("shared/llm, frame or rawjson depends on %s", p.ImportPath)
		}
	}
}

func TestIngressNeedsNeitherBrokerNorDatabase(t *testing.T) {
	for _, p := range goList(t, "-deps", "./ingress") {
		for _, module := range []string{"github.com/nats-io/nats-server/v2", "github.com/mattn/go-sqlite3"} {
			if below(module)(p.ImportPath) {
				t.Errorf("ingress depends on %s", p.ImportPath)
			}
		}
	}
}

func TestNothingDependsOnOllamaItself(t *testing.T) {
	for _, p := range goList(t, "-deps", "-test", "work") {
		if below("github.com/ollama/ollama")(p.ImportPath) {
			t.Errorf("the project depends on %s", p.ImportPath)
		}
	}
}

// The module that the tests drive Ollama's own client with is a stranger to the
// program: nobody who builds that is to download Ollama.
func TestNoModuleMentionsOllamaItself(t *testing.T) {
	var files []string
	for _, pattern := range []string{"go.*", "*/go.*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 11 {
		t.Fatalf("found %q, want go.work and those of five modules", files)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, stranger := range []string{"github.com/ollama/ollama", "ollamaclient", "github.com/compose-spec", "composecheck"} {
			if bytes.Contains(text, []byte(stranger)) {
				t.Errorf("%s mentions %s", file, stranger)
			}
		}
	}
}

// allowed returns the entry of arrows for a package: its own, or that for all
// children of a folder above it, or that of the folder.
func allowed(name string) (targets []string, ok bool) {
	for n := name; n != "."; n = path.Dir(n) {
		for _, key := range []string{n, path.Dir(n) + "/*"} {
			if targets, ok := arrows[key]; ok {
				return targets, true
			}
		}
	}
	return nil, false
}

// fits reports whether a name in arrows means a package.
func fits(pattern, name string) bool {
	prefix, all := strings.CutSuffix(pattern, "/...")
	return name == prefix || all && strings.HasPrefix(name, prefix+"/")
}

func isForTests(name string) bool { return strings.HasSuffix(name, "test") }

func below(module string) func(string) bool {
	return func(name string) bool { return name == module || strings.HasPrefix(name, module+"/") }
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Standard,Imports"}, args...)...).Output()
	if err != nil {
		detail := ""
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			detail = string(exit.Stderr)
		}
		t.Fatalf("go list %v: %v\n%s", args, err, detail)
	}
	var packages []listed
	for in := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
