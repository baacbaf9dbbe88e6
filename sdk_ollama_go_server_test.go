package main

import (
	"cmp"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func (c ollamaGoUser) embed(t *testing.T) {
	once, twice := float64(len(ollamaText)), float64(2*len(ollamaText))
	for exercise, lengths := range map[string][]float64{"embed": {once}, "embed-many": {once, twice}, "embeddings": {once}} {
		c.fails(t, c.run(t, exercise, nowhere), ollamaGoFailure{"status", 404, `model "nowhere" not found, try pulling it first`})
		got := c.run(t, exercise, named(c.provider, "echo"))
		if c.provider == "anthropic" {
			c.fails(t, got, ollamaGoFailure{"status", 400, "model 'echo' does not support embeddings"})
			continue
		}
		for i, v := range got.Vectors {
			if i >= len(lengths) || slope(v)/lengths[i] < 0.999 || slope(v)/lengths[i] > 1.001 { // the client reads 32 bits
				t.Errorf("%s: vector %d is %v", exercise, i, v)
			}
		}
		if got.Error != nil || len(got.Vectors) != len(lengths) || exercise != "embeddings" && !slices.Equal(got.Tokens, []int{7}) {
			t.Errorf("got %+v, %+v", got, got.Error)
		}
	}
}

func (c ollamaGoUser) show(t *testing.T) {
	// The program compares what is said of the model by both its names.
	if got := c.run(t, "show", c.provider+"/echo"); got.Error != nil || !strings.Contains(got.Text, "completion") {
		t.Errorf("got %+v, %+v", got, got.Error)
	}
	c.fails(t, c.run(t, "show", nowhere), ollamaGoFailure{"status", 404, "model 'nowhere' not found"})
}

// catalog is what the client asks the server itself.
func (c ollamaGoUser) catalog(t *testing.T) {
	for exercise, text := range map[string]string{"heartbeat": "", "version": "0.32.15", "status": ""} {
		if got := c.run(t, exercise, ""); !reflect.DeepEqual(got, ollamaGoResult{Exercise: exercise, Text: text}) {
			t.Errorf("got %+v, %+v, want %q", got, got.Error, text)
		}
	}
	if got := c.run(t, "running", ""); got.Error != nil || len(got.Listed) > 0 { // the upstream does not say
		t.Errorf("got %+v, %+v, want nothing", got, got.Error)
	}
	if got := c.run(t, "pull", "openai/echo"); got.Error != nil || got.Reason != "success" {
		t.Errorf("got %+v, %+v, want success", got, got.Error)
	}
	c.fails(t, c.run(t, "pull", "ollama/echo"), ollamaGoFailure{"status", 502, "the provider does not let its models be managed"})
	var names, elsewhere []string
	for _, m := range c.run(t, "list", "echo").Listed { // the program looks at every model
		names = append(names, m.Name)
		elsewhere = append(elsewhere, cmp.Or(m.RemoteModel, "-"))
		if !slices.Contains(m.Capabilities, "completion") {
			t.Errorf("%s cannot chat, but %v", m.Name, m.Capabilities)
		}
	}
	if len(names) != len(wires) || strings.Join(elsewhere, " ") != "echo - echo" {
		t.Errorf("got %q, which run %q, want one of each provider, with the Ollama's between the others", names, elsewhere)
	}
}

// keys shows that whoever has no key is asked to sign in, and whoever has one
// is not. Signs of life are for everybody.
func (c ollamaGoUser) keys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("somebody:sk-somebody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.stack = newStack(t)
	c.stack.run(t, "serve", "IS_DEMO_ACTIVE=true", "ALLAMA_KEYS_FILE="+file, "PORT="+c.port())
	for deadline := time.Now().Add(20 * time.Second); c.run(t, "show", "demo/demo", "-key=sk-somebody").Error != nil; {
		if <-time.After(20 * time.Millisecond); time.Now().After(deadline) {
			t.Fatal("the model with a key cannot be had")
		}
	}
	for _, exercise := range []string{"chat", "generate", "embed", "list", "show"} {
		c.fails(t, c.run(t, exercise, "demo/demo"), ollamaGoFailure{Kind: "authorization", Status: 401})
	}
	if got := c.run(t, "chat", "demo/demo", "-key=sk-somebody"); got.Error != nil || got.Text == "" {
		t.Errorf("got %+v, %+v", got, got.Error)
	}
	if got := c.run(t, "heartbeat", ""); got.Error != nil {
		t.Errorf("no sign of life: %+v", got.Error)
	}
}
