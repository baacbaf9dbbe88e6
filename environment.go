package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/joho/godotenv"
)

// fileSuffix, after the name of a secret, names the variable with the path of
// the file that holds it.
const fileSuffix = "_FILE"

// maxSecretFile bounds what is read of a secret's file.
const maxSecretFile = 64 << 10

// Where a value came from, as `allama config` says it.
const (
	fromDefault = "default"
	fromEnv     = "env"
	fromDotEnv  = ".env"
)

// An environment is where values come from. A variable that is set to nothing
// counts as unset: that is what a compose file makes of one that it passes on.
type environment struct {
	layers []layer // the nearest first
	rules  string  // the file of rules, unless a variable names another; empty: none is read
}

// A layer is one source of variables.
type layer struct {
	name   string
	values map[string]string
}

// newEnvironment returns the environment of lines NAME=value, and behind it
// what a .env file says.
func newEnvironment(environ []string, dotenv map[string]string) environment {
	return environment{layers: []layer{{fromEnv, variables(environ)}, {fromDotEnv, dotenv}}}
}

func variables(environ []string) map[string]string {
	values := make(map[string]string, len(environ))
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		values[name] = value
	}
	return values
}

const dotEnvFile = ".env"

// readEnvironment returns the environment with what .env in a folder adds to
// it.
func readEnvironment(dir string, environ []string) (environment, error) {
	text, err := os.ReadFile(filepath.Join(dir, dotEnvFile))
	if errors.Is(err, fs.ErrNotExist) {
		return newEnvironment(environ, nil), nil
	}
	if err != nil {
		return environment{}, configError{fmt.Sprintf("%s: cannot be read: %v", dotEnvFile, cause(err))}
	}
	values, err := godotenv.UnmarshalBytes(text)
	if err != nil {
		// The error itself quotes the line, and a secret may be in it.
		return environment{}, configError{fmt.Sprintf("%s: line %d is not NAME=value, or a quote is missing there", dotEnvFile, badLine(string(text)))}
	}
	return newEnvironment(environ, values), nil
}

// badLine returns the number of the line after the longest beginning of text
// that can be parsed.
func badLine(text string) int {
	lines := strings.SplitAfter(text, "\n")
	for n := len(lines) - 1; n > 0; n-- {
		if _, err := godotenv.Unmarshal(strings.Join(lines[:n], "")); err == nil {
			return n + 1
		}
	}
	return 1
}

// lookup returns the value of a variable and where it was found.
func (e environment) lookup(name string) (value, source string) {
	for _, l := range e.layers {
		if v := l.values[name]; v != "" {
			return v, l.name
		}
	}
	return "", fromDefault
}

// secret is lookup for a variable whose value may be in a file, which read
// reads.
func (e environment) secret(name string, read func(path string) (string, error)) (value, source string, err error) {
	for _, l := range e.layers {
		value, path := l.values[name], l.values[name+fileSuffix]
		switch {
		case value != "" && path != "":
			return "", fromDefault, fmt.Errorf("is set as well as %s: keep one of the two", name)
		case value != "":
			return value, l.name, nil
		case path != "":
			value, err := read(path)
			return value, "file " + path, err
		}
	}
	return "", fromDefault, nil
}

// names yields every variable that is set to something, in no order.
func (e environment) names(yield func(string) bool) {
	for _, l := range e.layers {
		for name, value := range l.values {
			if value != "" && !yield(name) {
				return
			}
		}
	}
}

// readSecret reads the one line of a secret's file.
func readSecret(path string) (string, error) {
	secret, err := readSecrets(path)
	if err == nil && strings.ContainsFunc(secret, unicode.IsControl) {
		return "", fmt.Errorf("%s holds more than one line: write nothing but the secret into it", path)
	}
	return secret, err
}

// readSecrets reads a file of secrets, one in a line.
func readSecrets(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w; check the path and that this user may read it", cause(err))
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecretFile {
		return "", fmt.Errorf("%s is not a file with a secret in it", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w; check the path and that this user may read it", cause(err))
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", fmt.Errorf("%s is empty: write the secret into it", path)
	}
	return secret, nil
}

// cause drops the name of the system call from an error with a path.
func cause(err error) error {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("%s: %w", pathErr.Path, pathErr.Err)
	}
	return err
}
