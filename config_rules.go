package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/offbeat-studio/allama/shared/catalog"
)

const (
	// rulesFile is read from the working directory where ALLAMA_CONFIG_FILE
	// names no other.
	rulesFile = "allama.yaml"

	nameRulesFile = "ALLAMA_CONFIG_FILE"

	maxRulesFile = 1 << 20
)

// A ruleBook is the file of rules, and what it says.
type ruleBook struct {
	path     string
	text     []byte // nil: there is no such file
	rules    catalog.Rules
	warnings []string // what may be wrong, with the line
}

// readRules reads the file of rules, for commands that go by it. It returns
// what is wrong in the file.
func (l *loader) readRules(c *config) configError {
	if l.env.rules == "" {
		return nil
	}
	c.Rules.path = cmp.Or(c.RulesFile, l.env.rules)
	text, err := readRulesFile(c.Rules.path)
	if errors.Is(err, fs.ErrNotExist) && c.RulesFile == "" {
		return nil
	}
	if err != nil {
		l.problem(nameRulesFile, "cannot be read: %v; check the path and that this user may read it", cause(err))
		return nil
	}
	l.assume(nameRulesFile, c.Rules.path)
	c.Rules.text = text
	var problems configError
	c.Rules.rules, c.Rules.warnings, problems = parseRules(c.Rules.path, text, c.providerNames())
	return problems
}

// readRulesFile returns the text of a file of rules, which is never nil.
//
// It looks before it opens, for to open a pipe or a device may take for ever, or
// do something; that what it has looked at is exchanged meanwhile does no harm
// either.
func readRulesFile(path string) ([]byte, error) {
	none := fmt.Errorf("%s is no file of rules: it is larger than %d bytes, or no file at all", path, maxRulesFile)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, none
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	text, err := io.ReadAll(io.LimitReader(f, maxRulesFile+1))
	if err == nil && len(text) > maxRulesFile {
		err = none
	}
	return text, err
}

// providerNames returns the names of all providers, and whether each is active.
func (c *config) providerNames() map[string]bool {
	names := make(map[string]bool, len(c.Known))
	for _, p := range c.Known {
		names[p.Name] = false
	}
	for _, p := range c.Providers {
		names[p.Name] = true
	}
	return names
}
