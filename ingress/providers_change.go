package ingress

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/rawjson"
	"github.com/offbeat-studio/allama/shared/roster"
)

// A providerChange is what a client says of a provider. Of its keys, only what is
// sealed is left in the end.
type providerChange struct {
	name     string // where the path does not have it
	set      roster.Patch
	key      *logging.Secret   // empty: none
	keys     *[]logging.Secret // all that there are to be
	problems roster.Problems
}

// A setting is a field of a change. What read returns is what is wrong with the
// value, which it does not quote: there may be a key in it.
type setting struct {
	field string
	read  func(c *providerChange, value json.RawMessage) (wrong string)
}

// settings are all of them. Null stands for the default of what has one.
var settings = []setting{
	{"name", func(c *providerChange, v json.RawMessage) string { return read(v, aText, &c.name) }},
	{"kind", func(c *providerChange, v json.RawMessage) string { return read(v, aText, &c.set.Kind) }},
	{"host", func(c *providerChange, v json.RawMessage) string { return readHost(v, &c.set.Host) }},
	{"api_key", func(c *providerChange, v json.RawMessage) string { return readNew(v, aText, &c.key) }},
	{"api_keys", func(c *providerChange, v json.RawMessage) string { return readNew(v, "a list of texts", &c.keys) }},
	{"active", func(c *providerChange, v json.RawMessage) string { return readNew(v, aBoolean, &c.set.Active) }},
	{"max_concurrency", func(c *providerChange, v json.RawMessage) string { return readNumber(v, &c.set.MaxConcurrency) }},
	{"rpm", func(c *providerChange, v json.RawMessage) string { return readNumber(v, &c.set.RPM) }},
	{"tpm", func(c *providerChange, v json.RawMessage) string { return readNumber(v, &c.set.TPM) }},
	{"timeout", func(c *providerChange, v json.RawMessage) string { return readDuration(v, &c.set.Timeout) }},
	{"strict", func(c *providerChange, v json.RawMessage) string { return readNew(v, aBoolean, &c.set.Strict) }},
	{"forward_beta", func(c *providerChange, v json.RawMessage) string { return readNew(v, aBoolean, &c.set.Beta) }},
	{"parallel", func(c *providerChange, v json.RawMessage) string { return readNumber(v, &c.set.Pool.Parallel) }},
	{"max_loaded", func(c *providerChange, v json.RawMessage) string { return readNumber(v, &c.set.Pool.MaxLoaded) }},
	{"switch_after", func(c *providerChange, v json.RawMessage) string { return readDuration(v, &c.set.Pool.SwitchAfter) }},
	{"model_concurrency", func(c *providerChange, v json.RawMessage) string { return readNumber(v, &c.set.Pool.PerModel) }},
	{"num_ctx", func(c *providerChange, v json.RawMessage) string { return readContext(v, &c.set.Pool.Context) }},
}

// readChange reads what is to be set, of the provider of that name where the path
// has one, and all that is wrong with it.
func readChange(body []byte, name string, sealer *roster.Sealer) (*providerChange, error) {
	if rawjson.Check(body) != nil {
		return nil, invalid("", "the body is not a JSON object")
	}
	c, unknown := &providerChange{}, false
	for f := range rawjson.Fields(body) {
		i := slices.IndexFunc(settings, func(s setting) bool { return s.field == f.Key })
		if i < 0 {
			unknown = true
		} else if wrong := settings[i].read(c, f.Value); wrong != "" {
			c.wrong(f.Key, wrong)
		}
	}
	if unknown {
		c.wrong("", "there is a field that is not known; known are "+known())
	}
	c.named(name)
	c.seal(sealer)
	return c, nil
}

// known are the names of all settings.
func known() string {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.field
	}
	return strings.Join(names, ", ")
}

func (c *providerChange) wrong(field, message string) {
	c.problems = c.problems.With(roster.Problems{{Field: field, Message: message}})
}

// named says which provider the change is for. What is no name gets no further.
func (c *providerChange) named(name string) {
	const fixed = "cannot be changed: add another provider, and remove this one"
	switch {
	case name == "" && c.name != "" && !roster.ValidName(c.name):
		c.wrong("name", "use lower-case letters, digits, - and _, at most 63, and begin with a letter or a digit")
		c.name = ""
	case name == "":
	case c.name != "" && c.name != name:
		c.wrong("name", fixed)
		fallthrough
	default:
		c.name = name
		if c.set.Kind != "" {
			c.wrong("kind", fixed)
		}
	}
}

const (
	aText    = "a text"
	aBoolean = "true or false"
)

// read reads a value that cannot be null.
func read[T any](value json.RawMessage, want string, to *T) (wrong string) {
	if rawjson.IsNull(value) || json.Unmarshal(value, to) != nil {
		return "is not of the right type: it must be " + want
	}
	return ""
}

// readNew is read for what is nil as long as nothing is said of it.
func readNew[T any](value json.RawMessage, want string, to **T) (wrong string) {
	said := new(T)
	if wrong = read(value, want, said); wrong == "" {
		*to = said
	}
	return wrong
}

func readNumber(value json.RawMessage, to **int) (wrong string) {
	if rawjson.IsNull(value) {
		*to = new(int)
		return ""
	}
	return readNew(value, "a whole number", to)
}

// readDuration reads 30s or 5m; nothing stands for the default.
func readDuration(value json.RawMessage, to **time.Duration) (wrong string) {
	const want = "a duration such as 30s or 5m"
	text := ""
	if !rawjson.IsNull(value) {
		if wrong = read(value, want, &text); wrong != "" {
			return wrong
		}
	}
	if text == "" {
		*to = new(time.Duration)
		return ""
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return "must be " + want
	}
	*to = &d
	return ""
}

// readHost reads an address. One with credentials is not sent on: it would
// travel in the clear.
func readHost(value json.RawMessage, to **string) (wrong string) {
	text := ""
	if wrong = read(value, aText, &text); wrong != "" {
		return wrong
	}
	if strings.Contains(text, "@") {
		return "must have no user and no password in it"
	}
	*to = &text
	return ""
}

// readContext reads a number of tokens, or a text with that in it.
func readContext(value json.RawMessage, to **roster.Context) (wrong string) {
	text := string(value)
	if rawjson.IsNull(value) || text == "0" {
		text = ""
	} else if value[0] == '"' {
		_ = json.Unmarshal(value, &text) // it was checked that it is one
	}
	said := new(roster.Context)
	if err := said.UnmarshalText([]byte(text)); err != nil {
		return err.Error()
	}
	*to = said
	return ""
}
