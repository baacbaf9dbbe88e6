package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// An ollamaGoUser calls one provider's models with Ollama's own client for Go,
// which is in a program of its own: this module must not depend on Ollama.
type ollamaGoUser struct {
	*stack
	*upstream
	program  string
	provider string
}

// An ollamaGoResult is what the program prints of one exercise.
type ollamaGoResult struct {
	Exercise, Model, Text, Thinking, Reason string

	Calls    []string // number, id, name and arguments
	Tokens   []int
	Streamed bool
	Listed   []ollamaGoModel
	Vectors  [][]float64
	Dropped  string
	Emulated string
	Wrong    []string
	Error    *ollamaGoFailure
}

type ollamaGoFailure struct {
	Kind   string
	Status int
	Text   string
}

type ollamaGoModel struct {
	Name, Model, Digest string

	Size         int64
	ModifiedAt   time.Time `json:"modified_at"`
	Details      json.RawMessage
	RemoteModel  string `json:"remote_model"`
	RemoteHost   string `json:"remote_host"`
	Capabilities []string
}

// buildOllamaGo returns the program. Without a network and with an empty cache
// it cannot be built; only where everything must be tested that is an error.
func buildOllamaGo(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "ollamaclient")
	run := func(args ...string) error {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = filepath.Join("testdata", "ollamaclient")
		cmd.Env = append(os.Environ(), "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	if err := run("mod", "download"); err != nil {
		if os.Getenv("CI") == "" {
			t.Skipf("Ollama's own client is not tested with, for it cannot be downloaded: %v", err)
		}
		t.Fatal(err)
	}
	if err := run("build", "-buildvcs=false", "-o", program, "."); err != nil {
		t.Fatal(err)
	}
	return program
}

// run does one exercise, in which nothing is found that an Ollama would not do.
func (c ollamaGoUser) run(t *testing.T, exercise, model string, flags ...string) ollamaGoResult {
	t.Helper()
	got := c.try(t, exercise, model, flags...)
	if len(got.Wrong) > 0 {
		t.Errorf("%s of %s: an Ollama would not do this: %v", exercise, model, got.Wrong)
	}
	return got
}

// try does one exercise.
func (c ollamaGoUser) try(t *testing.T, exercise, model string, flags ...string) ollamaGoResult {
	t.Helper()
	args := append([]string{"-url=" + c.url, "-model=" + model, "-say=" + ollamaText}, flags...)
	cmd := exec.CommandContext(t.Context(), c.program, append(args, exercise)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // nothing that the client would go by
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s of %s: %v: %s", exercise, model, err, complaint.Bytes())
	}
	var got ollamaGoResult
	in := json.NewDecoder(bytes.NewReader(out))
	in.DisallowUnknownFields()
	if err := in.Decode(&got); err != nil {
		t.Fatalf("%s of %s: %v in %s", exercise, model, err, out)
	}
	return got
}

// ask is run for a model of the provider, in a stream or not.
func (c ollamaGoUser) ask(t *testing.T, exercise, model string, stream bool, flags ...string) ollamaGoResult {
	t.Helper()
	if !stream {
		flags = append(flags, "-whole")
	}
	return c.run(t, exercise, named(c.provider, model), flags...)
}

// must is ask for calls that do not fail and end as usual.
func (c ollamaGoUser) must(t *testing.T, exercise, model string, stream bool, flags ...string) ollamaGoResult {
	t.Helper()
	got := c.ask(t, exercise, model, stream, flags...)
	if got.Error != nil || got.Reason != "stop" || got.Streamed != stream || !slices.Equal(got.Tokens, []int{7, 5}) {
		t.Fatalf("got %+v, %+v", got, got.Error)
	}
	return got
}

// fails shows that a call fails in a certain way.
func (c ollamaGoUser) fails(t *testing.T, got ollamaGoResult, want ollamaGoFailure) {
	t.Helper()
	if got.Error == nil || *got.Error != want || got.Text != "" {
		t.Errorf("%s of a model of %s: got %+v, %+v, want %+v", got.Exercise, c.provider, got, got.Error, want)
	}
}
