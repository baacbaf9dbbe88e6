package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/ingress"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers"
)

var update = flag.Bool("update", false, "rewrite the tables of README.md")

// The README shows what becomes of every call, and of every feature of one, at
// every upstream. It says what the code does, for that is where the tables come
// from.
func TestREADMETables(t *testing.T) {
	old, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := old
	for name, table := range map[string]string{
		"endpoints": endpointTable(t), "requests": requestTable(t), "answers": answerTable(t),
	} {
		text = between(t, text, name, table)
	}
	switch {
	case t.Failed() || bytes.Equal(text, old):
	case *update:
		if err := os.WriteFile("README.md", text, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the tables of README.md are not what the code does; `go test -run %s . -update` rewrites them:\n%s", t.Name(), lineChanges(old, text))
	}
}

// between puts a table between the two comments of its name.
func between(t *testing.T, text []byte, name, table string) []byte {
	t.Helper()
	begin := fmt.Appendf(nil, "<!-- %s: begin, written by `go test -run TestREADMETables . -update` -->\n", name)
	end := fmt.Appendf(nil, "<!-- %s: end -->\n", name)
	before, rest, ok := bytes.Cut(text, begin)
	_, after, ended := bytes.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("README.md lacks the comments between which the table goes:\n%s%s", begin, end)
	}
	return slices.Concat(before, begin, []byte(table), end, after)
}

// lineChanges shows the lines that are not the same.
func lineChanges(old, text []byte) string {
	var out strings.Builder
	was, is := strings.Split(string(old), "\n"), strings.Split(string(text), "\n")
	for _, line := range was {
		if !slices.Contains(is, line) {
			out.WriteString("- " + line + "\n")
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			out.WriteString("+ " + line + "\n")
		}
	}
	return out.String()
}

// A grid is a table, whose columns are made equally wide in all rows.
type grid [][]string

func (g *grid) row(cells ...string) { *g = append(*g, cells) }

// String writes the table; the first row is its head.
func (g grid) String() string {
	width := make([]int, len(g[0]))
	for _, row := range g {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	var out strings.Builder
	for n, row := range g {
		for i, cell := range row {
			out.WriteString("| " + cell + strings.Repeat(" ", width[i]-len([]rune(cell))+1))
		}
		out.WriteString("|\n")
		if n == 0 {
			out.WriteString(strings.Repeat("| --- ", len(row)) + "|\n")
		}
	}
	return out.String()
}

// A target is a provider to which calls are put, with one of its models.
type target struct {
	name   string
	config workers.ProviderConfig
	model  string

	provider workers.Lister
	entry    catalog.Provider // as the catalog has it
}

// targets are those of the tables, as an operator would configure them. None
// is ever called.
func targets(t *testing.T) []*target {
	t.Helper()
	list := []*target{
		{name: "OpenAI", config: workers.ProviderConfig{Kind: "openai"}, model: "gpt-5.1"},
		{name: "compatible", config: workers.ProviderConfig{Kind: "openai", Host: "http://gpu.invalid"}, model: "some-model"},
		{name: "Anthropic", config: workers.ProviderConfig{Kind: "anthropic"}, model: "claude-opus-5-5"},
		{name: "older Claude", config: workers.ProviderConfig{Kind: "anthropic"}, model: "claude-sonnet-4-20250514"},
		{name: "Ollama", config: workers.ProviderConfig{Kind: "ollama"}, model: "llama3.2"},
	}
	for _, u := range list {
		u.config.Name = "x"
		var err error
		if u.provider, err = workers.Open(u.config); err == nil {
			u.entry, err = workers.Describe(u.config)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// A call is one that clients can make.
type call struct {
	server dialect.Server
	route  dialect.Route
}

// name is what the tables call it.
func (c call) name() string {
	return "`" + strings.TrimPrefix(strings.TrimPrefix(c.route.Path, "/"), "v1/") + "`"
}

// calls lists those of all dialects.
func calls() []call {
	var list []call
	for _, server := range ingress.Dialects() {
		for _, route := range server.Routes() {
			list = append(list, call{server, route})
		}
	}
	slices.SortFunc(list, func(a, b call) int { return strings.Compare(order(a), order(b)) })
	return list
}

// order puts calls for the same next to one another, and plain ones first.
func order(c call) string {
	return fmt.Sprintf("%s %t %s", c.route.Task, strings.HasPrefix(c.route.Path, "/api/"), c.route.Path)
}

// conversations are the calls that have a model speak.
func conversations(t *testing.T, base *feature) []call {
	t.Helper()
	return slices.DeleteFunc(calls(), func(c call) bool {
		if c.route.Task != "" {
			return true
		}
		read, err := c.server.Decode(c.route.Operation, base.form(c.route.Path))
		if err != nil {
			t.Fatalf("%s does not take the smallest request: %v", c.route.Path, err)
		}
		return read.Reply != nil
	})
}

func endpointTable(t *testing.T) string {
	base := features(t, "requests")[0]
	all := slices.DeleteFunc(targets(t), func(u *target) bool { return u.name == "older Claude" }) // it is the same provider
	head := []string{"path", "dialect", "answer"}
	for _, u := range all {
		head = append(head, u.name)
	}
	g := grid{head}
	for _, c := range calls() {
		row := []string{"`POST " + c.route.Path + "`", c.server.Name(), answerKind(t, c, base)}
		for _, u := range all {
			row = append(row, fate(t, c, u, base))
		}
		g.row(row...)
	}
	return g.String()
}

// answerKind says what a call is answered with, and how.
func answerKind(t *testing.T, c call, base *feature) string {
	switch {
	case c.route.Task == llm.TaskEmbed:
		return "embeddings"
	case c.route.Task == llm.TaskMedia:
		return c.route.Media
	case !slices.ContainsFunc(conversations(t, base), func(o call) bool { return o.route.Path == c.route.Path }):
		return "a count"
	case c.route.Streams:
		return "a call, streamed by default"
	default:
		return "a call, streamed when asked"
	}
}

// fate says in a word what becomes of a call at an upstream.
func fate(t *testing.T, c call, u *target, base *feature) string {
	if u.entry.Takes(c.server.Name(), c.route.Operation) {
		return "as it is"
	}
	errSent := errors.New("it would be sent now")
	wait := func(time.Duration) error { return errSent }
	var err error
	switch server, embeds := c.server.(dialect.EmbedServer); {
	case c.route.Task == "":
		var read *dialect.Call
		if read, err = c.server.Decode(c.route.Operation, base.form(c.route.Path)); err != nil {
			break
		}
		if read.Reply != nil {
			return "estimated"
		}
		_, _, err = u.provider.Answer(t.Context(), read.Request, wait)
	case c.route.Task == llm.TaskEmbed && embeds:
		var read *dialect.EmbedCall
		if read, err = server.DecodeEmbed(c.route.Operation, base.form(c.route.Path)); err == nil {
			_, _, err = u.provider.(workers.Embedder).Embed(t.Context(), read.Request, wait)
		}
	default:
		return "refused"
	}
	if errors.Is(err, errSent) {
		return "translated"
	}
	return "refused"
}
