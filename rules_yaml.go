package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/offbeat-studio/allama/shared/catalog"
)

// A ruleReader makes rules of a document and gathers what is wrong with it.
type ruleReader struct {
	path      string
	providers map[string]bool // whether each is active

	rules    catalog.Rules
	problems []finding
	warnings []finding
	targets  []namedNode // of all aliases
	aliases  map[string]*yaml.Node
}

// A finding is something that is wrong, or may be.
type finding struct {
	line int
	text string
}

// A namedNode is a name in the document, and where it stands.
type namedNode struct {
	*yaml.Node
	where string
}

// parseRules reads the text of a file of rules, of which path is shown.
// Warnings are about what may yet be right: providers come and go.
func parseRules(path string, text []byte, providers map[string]bool) (catalog.Rules, []string, configError) {
	r := ruleReader{path: path, providers: providers, aliases: map[string]*yaml.Node{}}
	if doc := r.parse(text); doc != nil {
		r.document(doc)
		r.checkTargets()
	}
	return r.rules, r.told(r.warnings), r.told(r.problems)
}

// told returns findings in the order of their lines.
func (r *ruleReader) told(list []finding) []string {
	slices.SortStableFunc(list, func(a, b finding) int { return a.line - b.line })
	var lines []string
	for _, f := range list {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", r.path, f.line, f.text))
	}
	return lines
}

func (r *ruleReader) problem(n *yaml.Node, where, format string, args ...any) {
	r.problems = append(r.problems, finding{n.Line, where + ": " + fmt.Sprintf(format, args...)})
}

func (r *ruleReader) warn(n *yaml.Node, where, format string, args ...any) {
	r.warnings = append(r.warnings, finding{n.Line, where + ": " + fmt.Sprintf(format, args...)})
}

// parse returns what the document is made of; nil when there is nothing in it.
func (r *ruleReader) parse(text []byte) *yaml.Node {
	if line := lineOfNoText(text); line > 0 {
		r.problems = append(r.problems, finding{line, "is not text: there is a character that no editor writes"})
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		r.syntax(err)
		return nil
	}
	var doc, more yaml.Node
	if err := loader.Load(&doc); err != nil {
		if !errors.Is(err, io.EOF) { // otherwise it is empty
			r.syntax(err)
		}
		return nil
	}
	switch err := loader.Load(&more); {
	case err == nil:
		r.problems = append(r.problems, finding{more.Line, "a second document begins: put everything into one"})
	case !errors.Is(err, io.EOF):
		r.syntax(err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

// syntax reports a text that is not YAML.
func (r *ruleReader) syntax(err error) {
	e, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		r.problems = append(r.problems, finding{1, "is not YAML: " + err.Error()})
		return
	}
	line := max(e.Mark.Line, 1)
	if strings.HasPrefix(e.Message, "unknown anchor") {
		r.problems = append(r.problems, finding{line, needsQuotes})
		return
	}
	r.problems = append(r.problems, finding{line, "is not YAML: " + e.Message})
}

const needsQuotes = `put a pattern that begins with * between "quotes"`

// lineOfNoText returns the first line with bytes that are no text, zero when
// all is.
func lineOfNoText(text []byte) int {
	line := 1
	for len(text) > 0 {
		c, size := utf8.DecodeRune(text)
		switch {
		case c == '\n':
			line++
		case c == utf8.RuneError && size == 1, unicode.IsControl(c) && c != '\t' && c != '\r':
			return line
		}
		text = text[size:]
	}
	return 0
}

// each calls do for each entry of a mapping; where is its place in the
// document. An entry that is there twice is a problem.
func (r *ruleReader) each(n *yaml.Node, where string, do func(key namedNode, value *yaml.Node)) {
	if isNull(n) {
		return // all of it is commented out
	}
	if !r.plain(n, where) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.problem(n, cmp.Or(where, "the file"), "must consist of lines such as name: value")
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := namedNode{n.Content[i], join(where, n.Content[i].Value)}
		name, ok := r.text(key.Node, cmp.Or(where, "the file"))
		switch first, twice := seen[name]; {
		case !ok:
			continue
		case twice:
			r.problem(key.Node, key.where, "is there twice, first in line %d", first)
			continue
		}
		seen[name] = key.Line
		do(key, n.Content[i+1])
	}
}

// texts returns what a list consists of; one text stands for a list of one.
func (r *ruleReader) texts(n *yaml.Node, where string) []namedNode {
	list := []*yaml.Node{n}
	switch {
	case isNull(n):
		return nil
	case n.Kind == yaml.SequenceNode:
		list = n.Content
	}
	var texts []namedNode
	for _, item := range list {
		if _, ok := r.text(item, where); ok {
			texts = append(texts, namedNode{item, where})
		}
	}
	return texts
}

// text returns the text of a node that must be one.
func (r *ruleReader) text(n *yaml.Node, where string) (string, bool) {
	switch {
	case !r.plain(n, where):
	case n.Kind != yaml.ScalarNode || isNull(n):
		r.problem(n, where, "there must be a name here")
	default:
		return n.Value, true
	}
	return "", false
}

// plain reports whether a node is free of what YAML has besides.
func (r *ruleReader) plain(n *yaml.Node, where string) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		r.problem(n, where, "anchors (& and *) cannot be used; %s", needsQuotes)
		return false
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.problem(n, where, "tags such as %s cannot be used", n.Tag)
		return false
	}
	return true
}

// unknown reports a key that there is not.
func (r *ruleReader) unknown(key namedNode, known ...string) {
	hint := "there is " + strings.Join(known, ", ")
	if near := nearest(key.Value, known); near != "" {
		hint = "did you mean " + near + "?"
	}
	r.problem(key.Node, key.where, "is unknown; %s", hint)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func join(where, name string) string {
	if where == "" {
		return name
	}
	return where + "." + name
}

// knownProviders returns the names of all providers, sorted.
func (r *ruleReader) knownProviders() []string { return slices.Sorted(maps.Keys(r.providers)) }
