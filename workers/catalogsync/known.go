package catalogsync

import (
	_ "embed" // the table
	"encoding/csv"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/offbeat-studio/allama/shared/catalog"
)

//go:embed known.csv
var knownCSV string

// knownFields are the columns of the table.
const knownFields = "id,host,context,output,input,cached,answer,capabilities"

// A known model is a row of the table of well-known models.
type known struct {
	host         string // where the maker serves it
	context      int
	output       int
	prices       catalog.Prices
	capabilities []string
}

// A table has what is known of models by their ids.
type table map[string]known

// readTable reads the table. Its error names the row.
func readTable(text string) (table, error) {
	in := csv.NewReader(strings.NewReader(text))
	in.Comment = '#'
	rows, err := in.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("table of well-known models: %w", err)
	}
	if len(rows) == 0 || strings.Join(rows[0], ",") != knownFields {
		return nil, fmt.Errorf("table of well-known models: its columns are not %s", knownFields)
	}
	t := make(table, len(rows))
	for _, row := range rows[1:] {
		k, err := readKnown(row)
		if _, twice := t[row[0]]; twice {
			err = errors.New("is there twice")
		}
		if err != nil {
			return nil, fmt.Errorf("table of well-known models: %s: %w", row[0], err)
		}
		t[row[0]] = k
	}
	return t, nil
}

func readKnown(row []string) (known, error) {
	k := known{host: row[1], capabilities: strings.Fields(row[7])}
	var errs [5]error
	k.context, errs[0] = count(row[2])
	k.output, errs[1] = count(row[3])
	k.prices.Input, errs[2] = price(row[4])
	k.prices.CachedInput, errs[3] = price(row[5])
	k.prices.Output, errs[4] = price(row[6])
	return k, errors.Join(errs[:]...)
}

func count(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	return strconv.Atoi(text)
}

func price(text string) (*float64, error) {
	if text == "" {
		return nil, nil
	}
	value, err := strconv.ParseFloat(text, 64)
	return &value, err
}

// released is the date of a release at the end of an id.
var released = regexp.MustCompile(`-(\d{8}|\d{4}-\d\d-\d\d)$`)

// of returns what is known of a model. Others than the maker put a name in
// front of the id.
func (t table) of(id string) (known, bool) {
	id = id[strings.LastIndexByte(id, '/')+1:]
	if k, ok := t[id]; ok {
		return k, true
	}
	if at := released.FindStringIndex(id); at != nil {
		id = id[:at[0]]
	}
	k, ok := t[id]
	return k, ok
}

// complete fills in what a provider did not tell of one of its models, and
// notes what that was. An Ollama's names are its own, whatever they look like.
func (t table) complete(m *catalog.Model, p *catalog.Provider) {
	if p.Dialect == "ollama" {
		return
	}
	k, ok := t.of(m.ID)
	if !ok {
		return
	}
	assume := func(field string, missing bool) bool {
		if missing {
			m.Assumed = append(m.Assumed, field)
		}
		return missing
	}
	m.Assumed = nil
	if assume("capabilities", m.Capabilities == nil && k.capabilities != nil) {
		m.Capabilities = k.capabilities
	}
	if assume("context_length", m.ContextLength == 0 && k.context > 0) {
		m.ContextLength = k.context
	}
	// What calls of Anthropic's models go by is for their dialect to know.
	if assume("max_output", m.MaxOutput == 0 && k.output > 0 && p.Dialect != "anthropic") {
		m.MaxOutput = k.output
	}
	if assume("prices", m.Prices == catalog.Prices{} && k.prices != catalog.Prices{} && hostOf(p) == k.host) {
		m.Prices = k.prices
	}
}

// hostOf is where a provider is.
func hostOf(p *catalog.Provider) string {
	base, err := url.Parse(p.BaseURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(base.Hostname())
}
