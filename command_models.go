package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"
)

// modelsCommand lists the models of a gateway that runs.
func (p program) modelsCommand() *cli.Command {
	return &cli.Command{
		Name: "models", Usage: "list the models of an allama that runs", Action: p.models,
		Flags: append(remoteFlags(), &cli.StringFlag{Name: "provider", Usage: "only those of the provider `NAME`"}),
	}
}

// A shownModel is a model as the gateway tells it.
type shownModel struct {
	Name          string
	Provider      string
	Kind          string
	Capabilities  []string
	ContextLength int `json:"context_length"`
	Seen          struct{ Stale bool }
}

func (p program) models(ctx context.Context, c *cli.Command) error {
	path := "/api/v1/catalog"
	if provider := c.String("provider"); provider != "" {
		path += "?provider=" + url.QueryEscape(provider)
	}
	var list json.RawMessage
	if err := p.fetch(ctx, c, http.MethodGet, path, nil, &list); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(p.stdout, list)
	}
	var models struct{ Data []shownModel }
	if err := json.Unmarshal(list, &models); err != nil {
		return fmt.Errorf("read the list of models: %w", err)
	}
	rows := [][]string{{"NAME", "PROVIDER", "CONTEXT", "CAPABILITIES", "STATE"}}
	for _, m := range models.Data {
		limit, state := "-", "ok"
		if m.ContextLength > 0 {
			limit = strconv.Itoa(m.ContextLength)
		}
		if m.Seen.Stale {
			state = "stale"
		}
		rows = append(rows, []string{m.Name, m.Provider, limit, orDash(strings.Join(m.Capabilities, ",")), state})
	}
	return printTable(p.stdout, rows)
}

// fetch calls the gateway that a command is for.
func (p program) fetch(ctx context.Context, c *cli.Command, method, path string, body, out any) error {
	r, err := p.remote(ctx, c)
	if err != nil {
		return err
	}
	return r.call(ctx, method, path, body, out)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// printTable prints rows in columns, without what could move the cursor.
func printTable(out io.Writer, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = strings.Map(printable, row[i])
		}
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

func printable(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 {
		return '?'
	}
	return r
}

func printJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(v)
}
