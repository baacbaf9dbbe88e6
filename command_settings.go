package main

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/urfave/cli/v3"
)

// settingFlags say what a provider is to be.
func settingFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "host", Usage: "where its API is, such as https://api.example.com or 127.0.0.1:11434; of the kind ollama also several, with commas between"},
		&cli.BoolFlag{Name: "key-stdin", Usage: "read its key from the standard input, or several, one a line, that take turns"},
		&cli.IntFlag{Name: "max-concurrency", Usage: "calls at once, over all workers; 0: the default. It can be set of a provider of the environment, too: 0 is then what that says"},
		&cli.IntFlag{Name: "rpm", Usage: "calls a minute, over all workers; 0: what the provider tells"},
		&cli.IntFlag{Name: "tpm", Usage: "tokens a minute, over all workers; 0: what the provider tells"},
		&cli.StringFlag{Name: "timeout", Usage: "longest silence of the provider, such as 2m; empty: the default"},
		&cli.BoolFlag{Name: "strict", Usage: "calls are rather refused than sent with less in them"},
		&cli.BoolFlag{Name: "forward-beta", Usage: "clients' headers that ask for beta features are sent on; of the kind anthropic only"},
		&cli.IntFlag{Name: "parallel", Usage: "calls at once of each host; of the kind ollama only, as all that follow; 0: the default"},
		&cli.IntFlag{Name: "max-loaded", Usage: "models that a host has room for; 0: found out"},
		&cli.StringFlag{Name: "switch-after", Usage: "longest wait of a call for another model to make room, such as 30s; empty: the default"},
		&cli.IntFlag{Name: "model-concurrency", Usage: "calls at once of one model; 0: no limit"},
		&cli.StringFlag{Name: "num-ctx", Usage: "context length where clients do not say, such as 8192, or 8192,fixed whatever they say; empty: the default"},
	}
}

// providerSettings are what is said of a provider, as the gateway reads it.
type providerSettings struct {
	Name           string    `json:"name,omitempty"`
	Kind           string    `json:"kind,omitempty"`
	Host           *string   `json:"host,omitempty"`
	APIKey         *string   `json:"api_key,omitempty"`
	APIKeys        *[]string `json:"api_keys,omitempty"`
	Active         *bool     `json:"active,omitempty"`
	MaxConcurrency *int      `json:"max_concurrency,omitempty"`
	RPM            *int      `json:"rpm,omitempty"`
	TPM            *int      `json:"tpm,omitempty"`
	Timeout        *string   `json:"timeout,omitempty"`
	Strict         *bool     `json:"strict,omitempty"`
	ForwardBeta    *bool     `json:"forward_beta,omitempty"`
	poolSettings
}

// poolSettings are those of the kind ollama.
type poolSettings struct {
	Parallel    *int    `json:"parallel,omitempty"`
	MaxLoaded   *int    `json:"max_loaded,omitempty"`
	SwitchAfter *string `json:"switch_after,omitempty"`
	PerModel    *int    `json:"model_concurrency,omitempty"`
	Context     *string `json:"num_ctx,omitempty"`
}

func (s providerSettings) isEmpty() bool { return reflect.ValueOf(s).IsZero() }

// settings are what the flags say.
func (p program) settings(c *cli.Command) (providerSettings, error) {
	body := providerSettings{
		Host: given(c, "host", c.String), Timeout: given(c, "timeout", c.String), MaxConcurrency: given(c, "max-concurrency", c.Int),
		RPM: given(c, "rpm", c.Int), TPM: given(c, "tpm", c.Int),
		Strict: given(c, "strict", c.Bool), ForwardBeta: given(c, "forward-beta", c.Bool),
		poolSettings: poolSettings{
			Parallel: given(c, "parallel", c.Int), MaxLoaded: given(c, "max-loaded", c.Int), PerModel: given(c, "model-concurrency", c.Int),
			SwitchAfter: given(c, "switch-after", c.String), Context: given(c, "num-ctx", c.String),
		},
	}
	if !c.Bool("key-stdin") {
		return body, nil
	}
	err := p.readKeys(&body)
	return body, err
}

// given returns the value of a flag, nil where it was not given.
func given[T any](c *cli.Command, flag string, value func(string) T) *T {
	if !c.IsSet(flag) {
		return nil
	}
	return new(value(flag))
}

// readKeys reads keys from the standard input.
func (p program) readKeys(to *providerSettings) error {
	if p.stdin == nil {
		return errors.New("there is no standard input to read the key from")
	}
	text, err := io.ReadAll(io.LimitReader(p.stdin, maxSecretFile+1))
	if err != nil {
		return fmt.Errorf("read the key: %w", err)
	}
	if len(text) > maxSecretFile { // rather than a part of the keys
		return fmt.Errorf("the standard input is over the limit of %d bytes", maxSecretFile)
	}
	if len(text) == 0 { // what should have written the key may have failed, and the old one cannot be had back
		return errors.New("the standard input is empty; for a provider without a key, give an empty line")
	}
	keys := []string{}
	for line := range strings.Lines(string(text)) {
		if key := strings.TrimSpace(line); key != "" {
			keys = append(keys, key)
		}
	}
	switch len(keys) {
	case 0:
		to.APIKey = new("")
	case 1:
		to.APIKey = &keys[0]
	default:
		to.APIKeys = &keys
	}
	return nil
}
