package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
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
	kind := &cli.StringFlag{Name: "kind", Usage: "the API that it offers: openai, anthropic, ollama, or the name of a vendor", Required: true}
	return &cli.Command{
		Name: "providers", Usage: "list and manage the providers of an allama that runs", Action: p.providers, Flags: remoteFlags(),
		Commands: []*cli.Command{
			{Name: "list", Usage: "list the providers (default)", Action: p.providers},
			one("add", "add a provider", p.addProvider, append([]cli.Flag{kind}, settingFlags()...)...),
			one("set", "change a provider", p.changeProvider, settingFlags()...),
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
	Keys     int
	Models   int
	SyncedAt *time.Time `json:"synced_at"`
	Stale    bool
	Error    string
	shownLimit
}

// A shownLimit is how many calls may run at once; 0: as many as the kind allows.
type shownLimit struct {
	MaxConcurrency int `json:"max_concurrency"`
	Overridden     *struct {
		MaxConcurrency int `json:"max_concurrency"`
	} // by what else it would be; nil: nobody has changed it
}

// limit is that in a few words.
func (l shownLimit) limit() string {
	number := func(n int) string {
		if n == 0 {
			return "-"
		}
		return strconv.Itoa(n)
	}
	if l.Overridden == nil {
		return number(l.MaxConcurrency)
	}
	return number(l.MaxConcurrency) + " (configured: " + number(l.Overridden.MaxConcurrency) + ")"
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
	rows := [][]string{{"NAME", "KIND", "URL", "DEFINED BY", "KEYS", "AT ONCE", "MODELS", "STATE"}}
	for _, s := range providers.Data {
		rows = append(rows, []string{s.Name, s.Kind, orDash(s.BaseURL), s.Source, strconv.Itoa(s.Keys), s.limit(), strconv.Itoa(s.Models), s.condition()})
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
	if body.isEmpty() {
		return usageError{c.FullName(), errors.New("there is nothing to change")}
	}
	return p.setProvider(ctx, c, http.MethodPatch, pathOf(c), body)
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
	if now.Overridden != nil {
		state += ", calls at once: " + now.limit()
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
