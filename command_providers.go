package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

const providersPath = "/api/v1/providers"

// providersCommand manages the providers of a gateway that runs.
func (p program) providersCommand() *cli.Command {
	one := func(name, usage string, action cli.ActionFunc, flags ...cli.Flag) *cli.Command {
		return &cli.Command{Name: name, Usage: usage, Action: action, Flags: flags, ArgsUsage: "NAME", ArgValidator: oneName}
	}
	set := func(active bool) cli.ActionFunc {
		return func(ctx context.Context, c *cli.Command) error {
			return p.setProvider(ctx, c, http.MethodPatch, pathOf(c), providerSettings{Active: &active})
		}
	}
	settings := []cli.Flag{
		&cli.StringFlag{Name: "host", Usage: "where its API is, such as https://api.example.com or 127.0.0.1:11434"},
		&cli.BoolFlag{Name: "key-stdin", Usage: "read its key from the standard input"},
		&cli.IntFlag{Name: "max-concurrency", Usage: "calls at once, over all workers; 0: the default"},
		&cli.StringFlag{Name: "timeout", Usage: "longest silence of the provider, such as 2m"},
		&cli.BoolFlag{Name: "forward-beta", Usage: "clients' headers that ask for beta features are sent on; of the kind anthropic only"},
		&cli.BoolFlag{Name: "strict", Usage: "calls are rather refused than sent with less in them"},
	}
	kind := &cli.StringFlag{Name: "kind", Usage: "the API that it offers: openai, anthropic, ollama, or the name of a vendor", Required: true}
	return &cli.Command{
		Name: "providers", Usage: "list and manage the providers of an allama that runs", Action: p.providers, Flags: remoteFlags(),
		Commands: []*cli.Command{
			{Name: "list", Usage: "list the providers (default)", Action: p.providers},
			one("add", "add a provider", p.addProvider, append([]cli.Flag{kind}, settings...)...),
			one("set", "change a provider", p.changeProvider, settings...),
			one("test", "have a provider list its models", p.testProvider),
			one("disable", "take no more calls for a provider", set(false)),
			one("enable", "take calls for a provider again", set(true)),
			one("remove", "remove a provider", p.removeProvider),
		},
	}
}

// oneName takes the name of a provider as the only argument.
func oneName(_ context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 || c.Args().First() == "" {
		return usageError{c.FullName(), fmt.Errorf("%s takes one argument, the name of a provider", c.Name)}
	}
	return nil
}

func pathOf(c *cli.Command) string { return providersPath + "/" + url.PathEscape(c.Args().First()) }

// A shownProvider is a provider as the gateway tells it.
type shownProvider struct {
	Name     string
	Kind     string
	BaseURL  string `json:"base_url"`
	Source   string
	Active   bool
	State    string
	HasKey   bool `json:"has_key"`
	Models   int
	SyncedAt *time.Time `json:"synced_at"`
	Stale    bool
	Error    string
}

func (p program) providers(ctx context.Context, c *cli.Command) error {
	var list json.RawMessage
	if err := p.fetch(ctx, c, http.MethodGet, providersPath, nil, &list); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(p.stdout, list)
	}
	var providers struct{ Data []shownProvider }
	if err := json.Unmarshal(list, &providers); err != nil {
		return fmt.Errorf("read the list of providers: %w", err)
	}
	rows := [][]string{{"NAME", "KIND", "URL", "DEFINED BY", "KEY", "MODELS", "STATE"}}
	for _, s := range providers.Data {
		key := "no"
		if s.HasKey {
			key = "yes"
		}
		rows = append(rows, []string{s.Name, s.Kind, orDash(s.BaseURL), s.Source, key, strconv.Itoa(s.Models), s.condition()})
	}
	return printTable(p.stdout, rows)
}

// condition says how a provider is, and what becomes of its calls where they are
// not just made.
func (s shownProvider) condition() string {
	if s.Active && s.State != "" && s.State != stateOpen {
		return s.State + ", " + s.listed()
	}
	return s.listed()
}

// listed says in a word, or with the reason, how a provider lists its models.
func (s shownProvider) listed() string {
	switch {
	case !s.Active:
		return "off"
	case s.Error != "":
		return "error: " + s.Error
	case s.SyncedAt == nil:
		return "not listed yet"
	case s.Stale:
		return "stale"
	}
	return "ok"
}

func (p program) addProvider(ctx context.Context, c *cli.Command) error {
	body, err := p.settings(c)
	if err != nil {
		return err
	}
	body.Name, body.Kind = c.Args().First(), c.String("kind")
	return p.setProvider(ctx, c, http.MethodPost, providersPath, body)
}

func (p program) changeProvider(ctx context.Context, c *cli.Command) error {
	body, err := p.settings(c)
	if err != nil {
		return err
	}
	if body == (providerSettings{}) {
		return usageError{c.FullName(), errors.New("there is nothing to change")}
	}
	return p.setProvider(ctx, c, http.MethodPatch, pathOf(c), body)
}

// providerSettings are what is said of a provider, as the gateway reads it.
type providerSettings struct {
	Name           string  `json:"name,omitempty"`
	Kind           string  `json:"kind,omitempty"`
	Host           *string `json:"host,omitempty"`
	APIKey         *string `json:"api_key,omitempty"`
	Active         *bool   `json:"active,omitempty"`
	MaxConcurrency *int    `json:"max_concurrency,omitempty"`
	Timeout        *string `json:"timeout,omitempty"`
	Strict         *bool   `json:"strict,omitempty"`
	ForwardBeta    *bool   `json:"forward_beta,omitempty"`
}

// settings are what the flags say.
func (p program) settings(c *cli.Command) (providerSettings, error) {
	body := providerSettings{
		Host: given(c, "host", c.String), Timeout: given(c, "timeout", c.String),
		MaxConcurrency: given(c, "max-concurrency", c.Int), Strict: given(c, "strict", c.Bool), ForwardBeta: given(c, "forward-beta", c.Bool),
	}
	if !c.Bool("key-stdin") {
		return body, nil
	}
	if p.stdin == nil {
		return body, errors.New("there is no standard input to read the key from")
	}
	key, err := io.ReadAll(io.LimitReader(p.stdin, maxSecretFile))
	if err != nil {
		return body, fmt.Errorf("read the key: %w", err)
	}
	if len(key) == 0 { // what should have written the key may have failed, and the old one cannot be had back
		return body, errors.New("the standard input is empty; for a provider without a key, give an empty line")
	}
	body.APIKey = new(strings.TrimSpace(string(key)))
	return body, nil
}

// given returns the value of a flag, nil where it was not given.
func given[T any](c *cli.Command, flag string, value func(string) T) *T {
	if !c.IsSet(flag) {
		return nil
	}
	return new(value(flag))
}

// setProvider sends a change, and says what there is now.
func (p program) setProvider(ctx context.Context, c *cli.Command, method, path string, body providerSettings) error {
	var answer json.RawMessage
	if err := p.fetch(ctx, c, method, path, body, &answer); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(p.stdout, answer)
	}
	var now shownProvider
	if err := json.Unmarshal(answer, &now); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	state := "on"
	if !now.Active {
		state = "off"
	}
	_, err := fmt.Fprintf(p.stdout, "provider %s, at %s, is %s\n", now.Name, orDash(now.BaseURL), state)
	return err
}

func (p program) removeProvider(ctx context.Context, c *cli.Command) error {
	var answer json.RawMessage
	if err := p.fetch(ctx, c, http.MethodDelete, pathOf(c), nil, &answer); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(p.stdout, answer)
	}
	_, err := fmt.Fprintf(p.stdout, "provider %s is removed\n", c.Args().First())
	return err
}

// testProvider fails when the provider does.
func (p program) testProvider(ctx context.Context, c *cli.Command) error {
	var answer json.RawMessage
	if err := p.fetch(ctx, c, http.MethodPost, pathOf(c)+"/test", nil, &answer); err != nil {
		return err
	}
	var tested struct {
		OK     bool
		Models int
		Millis int64 `json:"ms"`
		Error  string
	}
	if err := json.Unmarshal(answer, &tested); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	name := c.Args().First()
	if c.Bool("json") {
		if err := printJSON(p.stdout, answer); err != nil {
			return err
		}
	} else if tested.OK {
		_, err := fmt.Fprintf(p.stdout, "provider %s lists %d models; that took %d ms\n", name, tested.Models, tested.Millis)
		return err
	}
	if !tested.OK {
		return fmt.Errorf("provider %s does not list its models: %s (after %d ms)", name, tested.Error, tested.Millis)
	}
	return nil
}
